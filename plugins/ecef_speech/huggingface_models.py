"""Load a speech encoder of transformers, and run it on recordings of one length."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from ecef_cli.api.errors import PluginError
from ecef_cli.api.weights import find_layers, locate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from ecef_cli.api.weights import Location

    Wave = npt.NDArray[np.float32]

SETTING = "audio_encoder.model"
WHISPER = "whisper"
KINDS = ("data2vec-audio", "hubert", "unispeech", "unispeech-sat", "wav2vec2", "wavlm", WHISPER)
"""Supported architectures, by their names in transformers."""

_PARTS = ("feature_extractor.", "feature_projection.", "encoder.")
# Names of a normalised weight's direction and length in older releases of transformers and in older files.
_OLD_NAMES = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
_FACTS = (
    "model_type",
    "conv_stride",
    "feat_extract_norm",
    "feat_extract_activation",
    "do_stable_layer_norm",
    "num_conv_pos_embedding_groups",
    "num_attention_heads",
    "hidden_act",
    "activation_function",
    "layer_norm_eps",
    "max_bucket_distance",
)


def check_kind(name: str, config: Any) -> None:
    """Check that a configuration belongs to a supported speech encoder.

    Raises:
        PluginError: the model is unsupported.
    """
    if config.model_type not in KINDS:
        raise PluginError(
            f"{SETTING}: {name!r} is a model of the kind {config.model_type!r}, not a supported speech encoder",
            hint=f"supported are {', '.join(KINDS)}",
        )


class SpeechModel(nn.Module):
    """A frozen speech encoder, one of `KINDS`, on the CPU and in float32.

    Attributes:
        states: number of hidden states, one more than layers.
        width: the width d of a hidden state.
        rate: sampling rate of its input, Hz.
        hop: samples from one frame to the next.

    Args:
        name: a folder, or a name on the Hugging Face hub.

    Raises:
        PluginError: the model is missing, cannot be loaded, is not a speech encoder, or lacks weights.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        place = locate(name, setting=SETTING)
        config = place.load("AutoConfig")
        check_kind(name, config)
        self._extractor = _extractor(place, config)
        model = place.load_model(config=config, needed=lambda key: key.startswith(_PARTS))
        self._whisper = config.model_type == WHISPER
        self._model = model.encoder if self._whisper else model
        if getattr(model, "adapter", None) is not None:
            model.adapter = None  # it reduces the frame rate for a decoder
        if self._model.main_input_name not in self._extractor.model_input_names:
            kind = type(self._extractor).__name__
            raise PluginError(f"{SETTING}: {name!r} comes with the feature extractor of another model, {kind}")
        self.states = int(config.num_hidden_layers) + 1
        self.width = int(config.hidden_size)
        self.rate = int(self._extractor.sampling_rate)
        self._mixture: dict[int, float] = {self.states - 1: 1.0}
        if not self._whisper:
            self.hop = int(np.prod(config.conv_stride))
            self._shortest = 1
            for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
                self._shortest = (self._shortest - 1) * stride + kernel
            return
        self.hop = int(self._extractor.hop_length) * self._model.conv1.stride[0] * self._model.conv2.stride[0]
        given, read = self._extractor.n_samples // self.hop, config.max_source_positions
        if given != read:
            raise PluginError(
                f"{SETTING}: the feature extractor of {name!r} gives {given} frames, but its encoder reads {read}"
            )

    def fingerprint(self, layers: int) -> str:
        """Return a checksum of the weights and settings that decide the output of the first `layers` layers."""
        config = self._model.config
        facts: dict[str, Any] = {name: getattr(config, name, None) for name in _FACTS}
        facts |= {"rate": self.rate, "normalise": bool(getattr(self._extractor, "do_normalize", True))}
        if self._whisper:
            facts |= {name: getattr(self._extractor, name) for name in ("feature_size", "hop_length", "n_fft")}
            facts["samples"] = self._extractor.n_samples
        digest = hashlib.sha256(repr(sorted(facts.items())).encode())
        above = tuple(f"layers.{number}." for number in range(layers, config.num_hidden_layers))
        for key, value in sorted(self._model.state_dict().items()):
            if not key.removeprefix("encoder.").startswith(above) and (self._whisper or key.startswith(_PARTS)):
                digest.update(_lasting(key).encode())
                digest.update(value.detach().contiguous().numpy().tobytes())
        return digest.hexdigest()[:32]

    def select(self, mixture: Mapping[int, float]) -> None:
        """Make `forward` return a weighted sum of hidden states, and drop the layers above the highest one.

        Args:
            mixture: the weight of each hidden state, by its number.
        """
        self._mixture = dict(mixture)
        highest = max(mixture)
        if highest == self.states - 1:
            return
        found = find_layers(self._model)
        assert found is not None  # noqa: S101 - all of `KINDS` have layers
        encoder, attribute = found
        setattr(encoder, attribute, getattr(encoder, attribute)[:highest])
        if self._whisper or getattr(self._model.config, "do_stable_layer_norm", False):
            encoder.layer_norm = nn.Identity()  # it applies only after the last layer of the whole model

    def cut(self, wave: Wave) -> list[Wave]:
        """Split a wave (S,) into pieces to encode separately: the whole wave, or for Whisper, windows of 30 s."""
        if not self._whisper:
            return [wave if len(wave) else np.zeros(1, dtype=np.float32)]
        window = int(self._extractor.n_samples)
        return [wave[start : start + window] for start in range(0, max(1, len(wave)), window)]

    def length(self, piece: Wave) -> int:
        """Return the length that pieces must share to be encoded together."""
        return int(self._extractor.n_samples) if self._whisper else len(piece)

    def forward(self, pieces: Sequence[Wave]) -> list[Tensor]:
        """Return the frames (T, d) of pieces (S,) of one length; each piece gives the same frames as alone.

        A piece shorter than a frame, or for Whisper, than its window, is padded with zeros.
        """
        read = self._extractor(list(pieces), sampling_rate=self.rate, return_tensors="pt")
        batch = read[self._model.main_input_name].to(self._model.device)
        if not self._whisper:
            batch = functional.pad(batch, (0, max(0, self._shortest - batch.shape[1])))
        output = self._model(batch, output_hidden_states=len(self._mixture) > 1)
        states = {max(self._mixture): output.last_hidden_state}
        if len(self._mixture) > 1:
            states |= dict(enumerate(output.hidden_states[:-1]))
        frames = sum(states[number] * weight for number, weight in self._mixture.items())
        if not self._whisper:
            return list(frames)
        return [one[: max(1, -(-len(piece) // self.hop))] for one, piece in zip(frames, pieces, strict=True)]


def _extractor(place: Location, config: Any) -> Any:
    """Return the feature extractor; a local folder may lack one."""
    import transformers

    files = ("preprocessor_config.json", "processor_config.json")
    if place.origin != "path" or any((Path(place.model) / file).is_file() for file in files):
        return place.load("AutoFeatureExtractor")
    library: Any = transformers
    if config.model_type == WHISPER:
        return library.WhisperFeatureExtractor(config.num_mel_bins)
    # The authors of these architectures normalise waves if the convolutions are normalised over channels. If they are
    # normalised over time, it makes almost no difference.
    return library.Wav2Vec2FeatureExtractor(do_normalize=getattr(config, "feat_extract_norm", "layer") == "layer")


def _lasting(key: str) -> str:
    for new, old in _OLD_NAMES.items():
        key = key.replace(new, old)
    return key
