"""Frozen Hugging Face speech encoders: WavLM, wav2vec 2.0, HuBERT, data2vec-audio, the encoder of Whisper."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from pydantic import Field, model_validator

from ecef_cli.api.components import AudioEncoder, AudioFeatures, Options
from ecef_cli.api.errors import PluginError
from ecef_speech.huggingface_models import SpeechModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    import numpy.typing as npt

_Result = TypeVar("_Result")

_TOGETHER = 16
"""Pieces of one length per batch on an accelerator. On a CPU, one at a time is faster."""


class HuggingFaceSpeechOptions(Options):
    """Options of the encoder: the model and its hidden states."""

    model: str = Field("microsoft/wavlm-base", min_length=1, description="a folder, or a name on the Hugging Face hub")
    layer: int | None = Field(
        None, description="hidden state: 0 is the input of the first layer, -1 the last state; the last by default"
    )
    weights: tuple[float, ...] | None = Field(
        None,
        description="instead, a weight per hidden state, first to last; weights are scaled to sum to 1",
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
    """Encode recordings with a pretrained model (paper section 2.3, h_a).

    A model of n layers has hidden states 0 to n. State 0 is the input of the first layer; state n is the output of the
    model, including the final normalisation of some models. With `weights`, the output is a weighted sum of the states.
    Layers above the highest state in use are not run.

    The frames of a wave do not depend on the other waves: only waves of exactly the same length are encoded together,
    without padding or mask. The modules and the feature extractor come from transformers. If a folder lacks
    `preprocessor_config.json`, waves are normalised to zero mean and unit variance for models with convolutions
    normalised over channels (`feat_extract_norm: layer`), as in their training.

    Raises:
        PluginError: the model is missing, fails to load, is not a speech encoder, lacks weights, or has no such layer.
    """

    Options = HuggingFaceSpeechOptions
    options: HuggingFaceSpeechOptions

    def __init__(self, options: HuggingFaceSpeechOptions) -> None:
        super().__init__(options)
        self._together = 1
        self._model = SpeechModel(options.model)
        mixture = mixture_of(options, self._model.states)
        self._identity = self._model.fingerprint(max(mixture))
        self._model.select(mixture)

    @classmethod
    def without_weights(cls, options: HuggingFaceSpeechOptions) -> AudioEncoder:
        """Return an encoder with the same sizes but no weights, for `ecef recipes inspect`."""
        from ecef_speech.sizes import SpeechSizes

        return SpeechSizes(options)

    @property
    def width(self) -> int:
        """The width of the model's hidden states; 768 for base models."""
        return self._model.width

    @property
    def sample_rate(self) -> int:
        """Sampling rate of the model's training data, Hz."""
        return self._model.rate

    def identity(self) -> str:
        """Return a checksum of the weights in use and of the preprocessing."""
        return self._identity

    def place(self, device: str) -> None:
        """Move the encoder to a device."""
        self._together = 1 if device == "cpu" else _TOGETHER
        self._model.to(device)

    def encode(self, waves: Sequence[npt.NDArray[np.float32]]) -> list[AudioFeatures]:
        """Return the frames of each mono waveform (S,), one per hop and at least one, float32.

        A wave shorter than a frame, 25 ms, is padded with zeros. On a CPU, PyTorch's threads each encode different
        waves.
        """
        cut = [self._model.cut(np.asarray(wave, dtype=np.float32)) for wave in waves]
        pieces = [piece for parts in cut for piece in parts]
        threads = torch.get_num_threads() if self._together == 1 else 1
        groups = grouped([self._model.length(piece) for piece in pieces], self._together)
        encoded = side_by_side(lambda group: self._encode([pieces[index] for index in group]), groups, threads)
        found: dict[int, npt.NDArray[np.float32]] = {}
        for group, arrays in zip(groups, encoded, strict=True):
            found |= zip(group, arrays, strict=True)
        ordered = (found[index] for index in range(len(pieces)))
        rate = self._model.rate / self._model.hop
        return [AudioFeatures(np.concatenate([next(ordered) for _ in parts]), rate) for parts in cut]

    @torch.inference_mode()
    def _encode(self, pieces: Sequence[npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
        return [frames.float().cpu().contiguous().numpy() for frames in self._model(pieces)]


def grouped(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Return the indices of pieces in groups of one length, at most `most` each, longest first."""
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    groups: list[list[int]] = []
    for index in order:
        if groups and len(groups[-1]) < most and lengths[groups[-1][0]] == lengths[index]:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def side_by_side(work: Callable[[list[int]], _Result], groups: Sequence[list[int]], threads: int) -> list[_Result]:
    """Return `work(group)` for each group, on several threads with one PyTorch thread each.

    Threads that share an operation wait for the slowest one after each of hundreds of operations. Threads that share
    a batch wait once, at its end; the gain grows with the load of the machine.
    """
    if threads == 1 or len(groups) < 2:  # noqa: PLR2004 - nothing to share
        return [work(group) for group in groups]
    usual = torch.get_num_threads()
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            return list(pool.map(work, groups))
        finally:
            # This sets the thread's own number, and also the initial number of later threads.
            torch.set_num_threads(usual)


def mixture_of(options: HuggingFaceSpeechOptions, states: int) -> dict[int, float]:
    """Return the weight of each hidden state in use."""
    name = options.model
    if options.weights is not None:
        if len(options.weights) != states:
            raise PluginError(f"audio_encoder.weights: {name!r} has {states} hidden states, not {len(options.weights)}")
        total = sum(options.weights)
        return {number: weight / total for number, weight in enumerate(options.weights) if weight}
    layer = -1 if options.layer is None else options.layer
    if not -states <= layer < states:
        raise PluginError(f"audio_encoder.layer: {name!r} has {states} hidden states, 0 to {states - 1}, not {layer}")
    return {layer % states: 1.0}
