"""Batches: what the network is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from ecef_cli.components import TextFeatures


@dataclass(frozen=True, slots=True)
class WindowInput:
    """One window, ready to be put into a batch.

    Attributes:
        features: the encoder's states.
        importance: (K,) float32, Squeeze(M): how strongly each position is tied to others; zeros without tags.
        turns: (K,) how many utterances before the last one each position is spoken.
        labels: by task, the number of the label asked for.
    """

    features: TextFeatures
    importance: npt.NDArray[np.float32]
    turns: npt.NDArray[np.int64]
    labels: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows, padded to the longest.

    Attributes:
        states: (B, L, d) float32, the encoder's states.
        state_mask: (B, L), true where a state is real.
        pooling: (B, K, L), each row the mean over the states that cover a position, or zeros.
        mask: (B, K), true where a position is covered by a state.
        importance: (B, K), Squeeze(M).
        turns: (B, K) int64, how many utterances before the last one a position is spoken.
        state_turns: (B, L) int64, the same of a state; -1 where it covers no position.
        labels: by task, (B,) int64.
    """

    states: Tensor
    state_mask: Tensor
    pooling: Tensor
    mask: Tensor
    importance: Tensor
    turns: Tensor
    state_turns: Tensor
    labels: Mapping[str, Tensor]

    @property
    def target(self) -> Tensor:
        """(B, K), true at the covered positions of the last utterance, which is the one that ERC asks about."""
        return self.mask & (self.turns == 0)

    def to(self, device: str | torch.device) -> Batch:
        """Return the batch on a device."""
        return replace(
            self,
            states=self.states.to(device),
            state_mask=self.state_mask.to(device),
            pooling=self.pooling.to(device),
            mask=self.mask.to(device),
            importance=self.importance.to(device),
            turns=self.turns.to(device),
            state_turns=self.state_turns.to(device),
            labels={task: numbers.to(device) for task, numbers in self.labels.items()},
        )


def collate(items: Sequence[WindowInput]) -> Batch:
    """Return windows as one batch. Positions before the first that any state covers are left out."""
    starts = [int(item.features.first[item.features.first >= 0].min()) for item in items]
    count, longest = len(items), max(len(item.features.states) for item in items)
    positions = max(len(item.importance) - start for item, start in zip(items, starts, strict=True))
    width = items[0].features.states.shape[1]
    states = np.zeros((count, longest, width), dtype=np.float32)
    first = np.full((count, longest), -1, dtype=np.int64)
    last = np.full((count, longest), -2, dtype=np.int64)
    importance = np.zeros((count, positions), dtype=np.float32)
    turns = np.zeros((count, positions), dtype=np.int64)
    state_turns = np.full((count, longest), -1, dtype=np.int64)
    state_mask = np.zeros((count, longest), dtype=bool)
    for row, (item, start) in enumerate(zip(items, starts, strict=True)):
        length, found = len(item.features.states), item.features.first >= 0
        states[row, :length] = item.features.states
        state_mask[row, :length] = True
        first[row, :length][found] = item.features.first[found] - start
        last[row, :length][found] = item.features.last[found] - start
        importance[row, : len(item.importance) - start] = item.importance[start:]
        turns[row, : len(item.turns) - start] = item.turns[start:]
        state_turns[row, :length][found] = item.turns[item.features.first[found]]
    where = np.arange(positions)[None, :, None]
    cover = torch.from_numpy((first[:, None, :] <= where) & (where <= last[:, None, :]))
    counts = cover.sum(dim=2, keepdim=True)
    mask = counts[..., 0] > 0
    return Batch(
        states=torch.from_numpy(states),
        state_mask=torch.from_numpy(state_mask),
        pooling=cover / counts.clamp(min=1),
        mask=mask,
        importance=torch.from_numpy(importance),
        turns=torch.from_numpy(turns),
        state_turns=torch.from_numpy(state_turns),
        labels={task: torch.tensor([item.labels[task] for item in items]) for task in items[0].labels},
    )


def bucketed(lengths: Sequence[int], batch_size: int, generator: torch.Generator | None) -> Iterator[list[int]]:
    """Yield batches of numbers into `lengths`, each of windows of similar length.

    Args:
        lengths: the windows' lengths.
        batch_size: windows in a batch.
        generator: shuffles windows within stretches of fifty batches, then the batches; without one, the
            batches go from the shortest to the longest.
    """
    if generator is None:
        order = sorted(range(len(lengths)), key=lambda number: (lengths[number], number))
        batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
        yield from batches
        return
    shuffled = torch.randperm(len(lengths), generator=generator).tolist()
    stretch = 50 * batch_size
    batches = []
    for start in range(0, len(shuffled), stretch):
        part = sorted(shuffled[start : start + stretch], key=lengths.__getitem__)
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    for number in torch.randperm(len(batches), generator=generator).tolist():
        yield batches[number]
