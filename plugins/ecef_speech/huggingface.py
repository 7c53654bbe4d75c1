"""Any Hugging Face speech encoder, frozen: WavLM, wav2vec 2.0, HuBERT, data2vec-audio, the encoder of Whisper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import Field, model_validator

from ecef_cli.api.components import AudioEncoder, AudioFeatures, Options
from ecef_cli.api.errors import PluginError
from ecef_speech.huggingface_networks import Network, WaveNetwork, WhisperNetwork
from ecef_speech.huggingface_weights import SETTING, Pretrained, load, read_config
from ecef_speech.huggingface_workers import parts, side_by_side

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    import numpy.typing as npt

_TOLERANCE = 1e-3
"""How far this network's frames may be from transformers' own, as a share of their largest value."""
_PROBE = np.random.default_rng(0).standard_normal(4000).astype(np.float32)


class HuggingFaceSpeechOptions(Options):
    """Which model, and which of its hidden states."""

    model: str = Field("microsoft/wavlm-base", min_length=1, description="a folder, or a name on the Hugging Face hub")
    layer: int | None = Field(
        None, description="the hidden state: 0 enters the first layer, -1 is the last; the last where nothing is said"
    )
    weights: tuple[float, ...] | None = Field(
        None,
        description="a weight for each hidden state instead, from the first to the last; they are made to sum to 1",
    )

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.weights is None:
            return self
        if self.layer is not None:
            raise ValueError("layer and weights exclude each other")
        if not all(0 <= weight < float("inf") for weight in self.weights) or not any(self.weights):
            raise ValueError("weights must be at least 0, and one of them above")
        return self


class HuggingFaceSpeechEncoder(AudioEncoder):
    """Encodes recordings with a pretrained model (paper section 2.3, h_a).

    A model of n layers has hidden states 0 to n. State 0 enters the first layer, state n is what the model gives,
    with the normalisation that some models have at their end; a sum of several is weighted as the recipe says.
    Layers above the highest state that is asked for are not run.

    A wave's frames do not depend on the waves beside it: nothing is padded, not even where transformers would.
    Each wave is normalised to zero mean and unit variance if the model's feature extractor says so. Where a folder
    lacks `preprocessor_config.json`, it is normalised if the model's convolutions are normalised over channels
    (`feat_extract_norm: layer`), as those models were trained.

    Raises:
        PluginError: the model cannot be found or loaded, is no speech encoder, lacks weights, or has no such layer.
    """

    Options = HuggingFaceSpeechOptions
    options: HuggingFaceSpeechOptions

    def __init__(self, options: HuggingFaceSpeechOptions) -> None:
        super().__init__(options)
        self._device = "cpu"
        place, config = read_config(options.model)
        mixture = mixture_of(options, int(config.num_hidden_layers) + 1)
        pretrained = load(options.model, place, config)
        self._rate = pretrained.rate
        self._identity = pretrained.fingerprint(max(mixture))
        self._network = _rebuilt(options.model, pretrained, mixture)
        self._network.requires_grad_(requires_grad=False).eval()

    @classmethod
    def without_weights(cls, options: HuggingFaceSpeechOptions) -> AudioEncoder:
        """Return an encoder of the same sizes, for `ecef recipes inspect`."""
        from ecef_speech.sizes import SpeechSizes

        return SpeechSizes(options)

    @property
    def width(self) -> int:
        """The width of the model's hidden states; 768 for base models."""
        return self._network.width

    @property
    def sample_rate(self) -> int:
        """The sampling rate that the model was trained with, Hz."""
        return self._rate

    def identity(self) -> str:
        """Return a checksum of the weights that are used and of how waves are prepared."""
        return self._identity

    def place(self, device: str) -> None:
        """Move the encoder to a device."""
        self._device = device
        self._network.to(device)

    def encode(self, waves: Sequence[npt.NDArray[np.float32]]) -> list[AudioFeatures]:
        """Return the frames of each mono waveform (S,), one for each hop and at least one, float32.

        A wave that is shorter than a frame, 25 ms, is padded with zeros to it. On a CPU, the batch is shared by as
        many threads as PyTorch is set to use.
        """
        waves = [np.ascontiguousarray(wave, dtype=np.float32) for wave in waves]
        workers = torch.get_num_threads() if self._device == "cpu" else 1
        todo = parts([len(wave) for wave in waves], workers) if self._device == "cpu" else [list(range(len(waves)))]
        found: dict[int, npt.NDArray[np.float32]] = {}
        encoded = side_by_side(lambda part: self._encode([waves[index] for index in part]), todo, workers)
        for part, arrays in zip(todo, encoded, strict=True):
            found |= zip(part, arrays, strict=True)
        rate = self._rate / self._network.hop
        return [AudioFeatures(found[index], rate) for index in range(len(waves))]

    def _encode(self, waves: Sequence[npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
        with torch.inference_mode():
            # Copies, because views of a batch's frames would keep all of them in memory.
            return [np.array(frames.float().cpu().numpy(), order="C") for frames in self._network(waves)]


def mixture_of(options: HuggingFaceSpeechOptions, states: int) -> dict[int, float]:
    """Return the weight of each hidden state that has one."""
    name = options.model
    if options.weights is not None:
        if len(options.weights) != states:
            raise PluginError(f"audio_encoder.weights: {name!r} has {states} hidden states, not {len(options.weights)}")
        total = sum(options.weights)
        return {number: weight / total for number, weight in enumerate(options.weights) if weight}
    layer = -1 if options.layer is None else options.layer
    if not -states <= layer < states:
        raise PluginError(
            f"audio_encoder.layer: {name!r} has {states} hidden states, 0 to {states - 1}, and none numbered {layer}"
        )
    return {layer % states: 1.0}


def _rebuilt(name: str, pretrained: Pretrained, mixture: Mapping[int, float]) -> Network:
    """Return the network for a model.

    Architectures have variants, and releases of transformers differ in where they keep things: what is rebuilt is
    compared with transformers' own. Only Whisper's is not, since it reads nothing shorter than 30 s.
    """
    problem = f"{SETTING}: {name!r} cannot be rebuilt: "
    try:
        if pretrained.whisper:
            return WhisperNetwork(pretrained.model, mixture, pretrained.extractor)
        expected = _by_transformers(pretrained.model, mixture)
        network = WaveNetwork(pretrained.model, mixture, normalise=False).eval()
        with torch.inference_mode():
            [found] = network([_PROBE])
        network.normalise = pretrained.normalise
    except (AttributeError, TypeError, RuntimeError, ValueError) as error:
        raise PluginError(problem + " ".join(str(error).split())[:300]) from error
    if found.shape != expected.shape or (found - expected).abs().max() > _TOLERANCE * expected.abs().max():
        raise PluginError(problem + "it computes something else than transformers does")
    return network


@torch.inference_mode()
def _by_transformers(model: Any, mixture: Mapping[int, float]) -> torch.Tensor:
    output = model(input_values=torch.from_numpy(_PROBE)[None], output_hidden_states=True)
    states = [*output.hidden_states[:-1], output.last_hidden_state]
    return torch.stack([states[number][0] * weight for number, weight in mixture.items()]).sum(0)
