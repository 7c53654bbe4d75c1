"""Forecasts that need no model; a model that does not beat them has learned nothing about the future."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.samples.windows import NO_TARGET

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from ecef_cli.samples.windows import Sample


def majority(train: Sequence[Sample], task: str, count: int) -> npt.NDArray[np.int64]:
    """Return (count,) times the most frequent target of the training samples; ties go to the first label."""
    frequencies = Counter(s.targets[task] for s in train if s.targets[task] != NO_TARGET)
    best = min(frequencies, key=lambda number: (-frequencies[number], number))
    return np.full(count, best, dtype=np.int64)


def repeat_last(
    emotions: Sequence[int], rows: npt.NDArray[np.int64], fallback: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the gold label of each window's last utterance as the forecast of the next: nothing changes.

    No deployed system knows the gold label; this is what one must beat to have understood more than the present.

    Args:
        emotions: gold label numbers of all utterances of the split, `NO_TARGET` where there is none.
        rows: (N,) numbers of the samples that are scored.
        fallback: (N,) forecasts where the last utterance has no gold label.
    """
    last = np.asarray(emotions, dtype=np.int64)[rows]
    return np.where(last == NO_TARGET, fallback, last)
