"""The networks of speech encoders, rebuilt from transformers' modules to take several waves without padding."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ecef_speech.huggingface_frontend import Convolutions
from ecef_speech.huggingface_layers import Layer, Parts, RelativeBias, Stack
from ecef_speech.huggingface_linear import Affine, activation
from ecef_speech.huggingface_position import Positions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    Wave = npt.NDArray[np.float32]

_WINDOWS = 4
"""Whisper's windows that are computed at once: bounds memory."""
_LITTLE = 1e-7  # what transformers adds to a wave's variance


class Network(nn.Module):
    """Waves to frames.

    Attributes:
        width: the width d of a frame.
        hop: samples from one frame to the next.
    """

    width: int
    hop: int

    @abstractmethod
    def forward(self, waves: Sequence[Wave]) -> list[Tensor]:
        """Return the frames (T, d) of each wave (S,)."""


class WaveNetwork(Network):
    """wav2vec 2.0, HuBERT, WavLM, data2vec-audio: convolutions over the waveform below a Transformer.

    Waves stand side by side, and none is padded to the length of another: convolutions and attention are computed
    for each wave, what concerns single frames for all of them at once.

    Args:
        model: transformers' model.
        mixture: by number of a hidden state, its weight.
        normalise: whether a wave is brought to zero mean and unit variance.
    """

    def __init__(self, model: Any, mixture: Mapping[int, float], *, normalise: bool) -> None:
        super().__init__()
        config, encoder = model.config, model.encoder
        self.normalise = normalise
        self._convolutions = Convolutions(model.feature_extractor.conv_layers, config.feat_extract_activation)
        self._projection_norm = getattr(model.feature_projection, "layer_norm", nn.Identity())
        projection = model.feature_projection.projection
        self._projection = Affine(projection.weight, projection.bias)
        self._positions = Positions(encoder.pos_conv_embed, activation(config.feat_extract_activation))
        norm_first = bool(getattr(config, "do_stable_layer_norm", False))
        self._norm = nn.Identity() if norm_first else encoder.layer_norm
        bias = None
        if hasattr(encoder.layers[0].attention, "rel_attn_embed"):
            bias = RelativeBias(encoder.layers[0].attention, int(config.max_bucket_distance))
        layers = [
            Layer(_wave_parts(layer), config.num_attention_heads, config.hidden_act, norm_first=norm_first, bias=bias)
            for layer in encoder.layers[: max(mixture)]
        ]
        final = encoder.layer_norm if norm_first else nn.Identity()
        self._stack = Stack(layers, final, len(encoder.layers), mixture)
        self.width = int(config.hidden_size)
        self.hop = self._convolutions.hop

    @property
    def field(self) -> int:
        """Samples that a frame is made of."""
        return self._convolutions.field

    def forward(self, waves: Sequence[Wave]) -> list[Tensor]:
        """Return the frames of each wave; one that is shorter than a frame is padded with zeros to it."""
        features = [self._convolutions(self._prepared(wave)) for wave in waves]
        lengths = [len(frames) for frames in features]
        states = self._projection(self._projection_norm(torch.cat(features)))
        states = self._norm(states + self._positions(states, lengths))
        return list(self._stack(states, lengths).split(lengths))

    def _prepared(self, wave: Wave) -> Wave:
        if self.normalise and len(wave):
            exact = wave.astype(np.float64)
            wave = ((exact - exact.mean()) / np.sqrt(exact.var() + _LITTLE)).astype(np.float32)
        return np.pad(wave, (0, max(0, self.field - len(wave))))


class WhisperNetwork(Network):
    """The encoder of Whisper, which reads 30 s of log-mel spectrum at a time.

    A longer wave is cut into pieces of 30 s, each encoded by itself; a shorter one is followed by silence, as in
    Whisper's training. Of the last piece, the frames that cover samples of the wave are returned.

    Args:
        encoder: transformers' encoder.
        mixture: by number of a hidden state, its weight.
        extractor: transformers' feature extractor.

    Raises:
        ValueError: encoder and feature extractor do not go together.
    """

    _table: Tensor

    def __init__(self, encoder: Any, mixture: Mapping[int, float], extractor: Any) -> None:
        super().__init__()
        config = encoder.config
        self._extractor = extractor
        self._first, self._second = encoder.conv1, encoder.conv2
        self.register_buffer("_table", encoder.embed_positions.weight.detach())
        layers = [
            Layer(
                _whisper_parts(layer),
                config.encoder_attention_heads,
                config.activation_function,
                norm_first=True,
                bias=None,
            )
            for layer in encoder.layers[: max(mixture)]
        ]
        self._stack = Stack(layers, encoder.layer_norm, len(encoder.layers), mixture)
        self.width = int(config.d_model)
        self.hop = int(extractor.hop_length) * self._first.stride[0] * self._second.stride[0]
        given, read = extractor.n_samples // self.hop, len(self._table)
        if given != read:
            raise ValueError(f"its feature extractor gives {given} frames, and its encoder reads {read}")

    def forward(self, waves: Sequence[Wave]) -> list[Tensor]:
        """Return the frames of each wave, at least one."""
        window = int(self._extractor.n_samples)
        cut = [[wave[start : start + window] for start in range(0, max(1, len(wave)), window)] for wave in waves]
        pieces = [piece for parts in cut for piece in parts]
        encoded: list[Tensor] = []
        for start in range(0, len(pieces), _WINDOWS):
            encoded += self._encode(pieces[start : start + _WINDOWS])
        real = iter(frames[: max(1, -(-len(piece) // self.hop))] for frames, piece in zip(encoded, pieces, strict=True))
        return [torch.cat([next(real) for _ in parts]) for parts in cut]

    def _encode(self, pieces: Sequence[Wave]) -> list[Tensor]:
        read = self._extractor(list(pieces), sampling_rate=self._extractor.sampling_rate, return_tensors="pt")
        spectrum = read["input_features"].to(self._table.device, self._table.dtype)
        states = functional.gelu(self._second(functional.gelu(self._first(spectrum)))).transpose(1, 2)
        lengths = [states.shape[1]] * len(pieces)
        return list(self._stack((states + self._table).flatten(0, 1), lengths).split(lengths))


def _wave_parts(layer: Any) -> Parts:
    return Parts(
        attention=layer.attention,
        attention_norm=layer.layer_norm,
        up=layer.feed_forward.intermediate_dense,
        down=layer.feed_forward.output_dense,
        feed_forward_norm=layer.final_layer_norm,
        adapter=getattr(layer, "adapter_layer", None),
    )


def _whisper_parts(layer: Any) -> Parts:
    return Parts(
        attention=layer.self_attn,
        attention_norm=layer.self_attn_layer_norm,
        up=layer.fc1,
        down=layer.fc2,
        feed_forward_norm=layer.final_layer_norm,
    )
