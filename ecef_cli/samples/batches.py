"""Batches, the input of the network."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor

from ecef_cli.samples.windows import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from ecef_cli.api.components import TextFeatures


@dataclass(frozen=True, slots=True)
class WindowInput:
    """One window of a batch.

    Attributes:
        features: the text encoder's states, or None if text is not an input.
        importance: (K,) float32, Squeeze(M), the strength of each position's relations; zeros without tags.
        turns: (K,) number of utterances between each position and the last utterance.
        labels: number of the target's label, by task.
        recordings: frames (T, d) of each utterance, oldest first, or None; None if audio is not an input.
        worded: whether any utterance of the window has text.
        spectra: spectrum (T, bins) of each utterance, oldest first, or None; None if no spectrum is read.
        next_speaker: the next speaker, as numbered by `next_speaker`.
    """

    features: TextFeatures | None
    importance: npt.NDArray[np.float32]
    turns: npt.NDArray[np.int64]
    labels: Mapping[str, int]
    recordings: Sequence[npt.NDArray[np.float32] | None] | None = None
    worded: bool = True
    spectra: Sequence[npt.NDArray[np.float32] | None] | None = None
    next_speaker: int = UNKNOWN


@dataclass(frozen=True, slots=True)
class TextBatch:
    """The text of windows, padded to the longest.

    Attributes:
        states: (B, L, d) float32, the encoder's states.
        state_mask: (B, L), true at real states.
        pooling: (B, K, L), each row the mean over the states that cover a position, or zeros.
        mask: (B, K), true at positions that a state covers.
        importance: (B, K), Squeeze(M).
        turns: (B, K) int64, number of utterances between a position and the last utterance.
        state_turns: (B, L) int64, the same for states; -1 if a state covers no position.
        worded: (B,), true if any utterance of the window has text.
    """

    states: Tensor
    state_mask: Tensor
    pooling: Tensor
    mask: Tensor
    importance: Tensor
    turns: Tensor
    state_turns: Tensor
    worded: Tensor

    @property
    def target(self) -> Tensor:
        """(B, K), true at the covered positions of the last utterance, the target of ERC."""
        return self.mask & (self.turns == 0)


@dataclass(frozen=True, slots=True)
class AudioBatch:
    """The recordings of windows, or their spectrum, in positions of G frames, padded to the longest.

    A position never holds frames of two utterances. An utterance without a recording has one empty position.

    Attributes:
        frames: (B, T, G, d) float32.
        frame_mask: (B, T, G), true at real frames.
        mask: (B, T), true at real positions.
        turns: (B, T) int64, number of utterances between a position and the last utterance.
    """

    frames: Tensor
    frame_mask: Tensor
    mask: Tensor
    turns: Tensor

    @property
    def target(self) -> Tensor:
        """(B, T), true at the positions of the last utterance."""
        return self.mask & (self.turns == 0)

    @property
    def recorded(self) -> Tensor:
        """(B,), true if any utterance of the window has a recording."""
        return self.frame_mask.any(dim=2).any(dim=1)


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows, each modality padded to its longest; a modality that is not an input is None.

    Attributes:
        text: the text.
        audio: the recordings.
        labels: (B,) int64, by task.
        spectrum: the spectrum of the recordings.
        next_speaker: (B,) int64, the next speaker; None if unknown for all windows.
    """

    text: TextBatch | None
    audio: AudioBatch | None
    labels: Mapping[str, Tensor]
    spectrum: AudioBatch | None = None
    next_speaker: Tensor | None = None

    def to(self, device: str | torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch(
            None if self.text is None else _moved(self.text, device),
            None if self.audio is None else _moved(self.audio, device),
            {task: numbers.to(device) for task, numbers in self.labels.items()},
            None if self.spectrum is None else _moved(self.spectrum, device),
            None if self.next_speaker is None else self.next_speaker.to(device),
        )


_Part = TypeVar("_Part", TextBatch, AudioBatch)


def _moved(part: _Part, device: str | torch.device) -> _Part:
    return replace(part, **{field.name: getattr(part, field.name).to(device) for field in fields(part)})


@dataclass(frozen=True, slots=True)
class AudioShape:
    """Grouping of frames into positions.

    Attributes:
        width: d, width of a frame.
        group: consecutive frames of an utterance in one position, G.
        positions: maximum positions per window; the oldest are left out.
    """

    width: int
    group: int
    positions: int

    def length(self, frames: Iterable[int]) -> int:
        """Return the number of positions of a window, from the frames of each utterance, 0 without a recording."""
        return min(self.positions, sum(max(1, -(-count // self.group)) for count in frames))


def collate(items: Sequence[WindowInput], audio: AudioShape | None = None, spectrum: AudioShape | None = None) -> Batch:
    """Return windows as one batch.

    Args:
        items: the windows; either all or none have a modality.
        audio: grouping of frames into positions; None if audio is not an input.
        spectrum: grouping of the spectrum's frames into positions; None if it is not an input.
    """
    found = [item.features for item in items if item.features is not None]
    return Batch(
        text=_collate_text(items, found) if found else None,
        audio=None if audio is None else _collate_audio([item.recordings or () for item in items], audio),
        labels={task: torch.tensor([item.labels[task] for item in items]) for task in items[0].labels},
        spectrum=None if spectrum is None else _collate_audio([item.spectra or () for item in items], spectrum),
        next_speaker=torch.tensor([item.next_speaker for item in items]),
    )


def _collate_text(items: Sequence[WindowInput], features: Sequence[TextFeatures]) -> TextBatch:
    """Return the text of windows, without positions before the first that any state covers."""
    starts = [int(f.first[f.first >= 0].min()) for f in features]
    count, longest = len(items), max(len(f.states) for f in features)
    positions = max(len(item.importance) - start for item, start in zip(items, starts, strict=True))
    width = features[0].states.shape[1]
    states = np.zeros((count, longest, width), dtype=np.float32)
    first = np.full((count, longest), -1, dtype=np.int64)
    last = np.full((count, longest), -2, dtype=np.int64)
    importance = np.zeros((count, positions), dtype=np.float32)
    turns = np.zeros((count, positions), dtype=np.int64)
    state_turns = np.full((count, longest), -1, dtype=np.int64)
    state_mask = np.zeros((count, longest), dtype=bool)
    for row, (item, own, start) in enumerate(zip(items, features, starts, strict=True)):
        length, found = len(own.states), own.first >= 0
        states[row, :length] = own.states
        state_mask[row, :length] = True
        first[row, :length][found] = own.first[found] - start
        last[row, :length][found] = own.last[found] - start
        importance[row, : len(item.importance) - start] = item.importance[start:]
        turns[row, : len(item.turns) - start] = item.turns[start:]
        state_turns[row, :length][found] = item.turns[own.first[found]]
    where = np.arange(positions)[None, :, None]
    cover = torch.from_numpy((first[:, None, :] <= where) & (where <= last[:, None, :]))
    counts = cover.sum(dim=2, keepdim=True)
    return TextBatch(
        states=torch.from_numpy(states),
        state_mask=torch.from_numpy(state_mask),
        pooling=cover / counts.clamp(min=1),
        mask=counts[..., 0] > 0,
        importance=torch.from_numpy(importance),
        turns=torch.from_numpy(turns),
        state_turns=torch.from_numpy(state_turns),
        worded=torch.tensor([item.worded for item in items]),
    )


def _collate_audio(windows: Sequence[Sequence[npt.NDArray[np.float32] | None]], shape: AudioShape) -> AudioBatch:
    group, width = shape.group, shape.width
    sizes = [[1 if f is None else -(-len(f) // group) for f in window] for window in windows]
    count, longest = len(windows), min(shape.positions, max(map(sum, sizes)))
    frames = np.zeros((count, longest * group, width), dtype=np.float32)
    frame_mask = np.zeros((count, longest * group), dtype=bool)
    mask = np.zeros((count, longest), dtype=bool)
    turns = np.zeros((count, longest), dtype=np.int64)
    for row, (window, own) in enumerate(zip(windows, sizes, strict=True)):
        end = min(longest, sum(own))
        mask[row, :end] = True
        for ago, (found, size) in enumerate(zip(reversed(window), reversed(own), strict=True)):
            start = end - size
            turns[row, max(0, start) : end] = ago
            if found is not None:
                kept = found[max(0, -start) * group :]
                place = slice(max(0, start) * group, max(0, start) * group + len(kept))
                frames[row, place], frame_mask[row, place] = kept, True
            end = start
            if end <= 0:
                break
    return AudioBatch(
        frames=torch.from_numpy(frames).view(count, longest, group, width),
        frame_mask=torch.from_numpy(frame_mask).view(count, longest, group),
        mask=torch.from_numpy(mask),
        turns=torch.from_numpy(turns),
    )


def bucketed(
    lengths: Sequence[int], batch_size: int, generator: torch.Generator | None, *, positions: int | None = None
) -> Iterator[list[int]]:
    """Yield batches of numbers into `lengths`, each of windows of similar length.

    Args:
        lengths: the windows' lengths.
        batch_size: maximum windows per batch.
        generator: shuffles windows within stretches of fifty batches, then the batches; without one, the batches are
            sorted from the shortest to the longest.
        positions: maximum positions per batch, padding included; a longer window is a batch by itself.
    """
    if generator is None:
        order = sorted(range(len(lengths)), key=lambda number: (lengths[number], number))
        yield from _cut(order, lengths, batch_size, positions)
        return
    shuffled = torch.randperm(len(lengths), generator=generator).tolist()
    stretch = 50 * batch_size
    batches: list[list[int]] = []
    for start in range(0, len(shuffled), stretch):
        part = sorted(shuffled[start : start + stretch], key=lengths.__getitem__)
        batches += _cut(part, lengths, batch_size, positions)
    for number in torch.randperm(len(batches), generator=generator).tolist():
        yield batches[number]


def _cut(order: Sequence[int], lengths: Sequence[int], most: int, positions: int | None) -> Iterator[list[int]]:
    """Yield runs of `order`, sorted from the shortest window to the longest, as large as the limits allow."""
    batch: list[int] = []
    for number in order:
        full = positions is not None and lengths[number] * (len(batch) + 1) > positions
        if batch and (full or len(batch) == most):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch
