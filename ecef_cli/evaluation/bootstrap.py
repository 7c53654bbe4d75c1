"""Confidence intervals by percentile bootstrap over whole dialogues, and over seeds if there are several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from ecef_cli.evaluation.counts import Counts

    Floats = npt.NDArray[np.float64]

DRAWS = 2000
LEVEL = 0.95
FEWEST = 2
"""Minimum number of dialogues for an interval."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval; `low` and `high` are None if there are too few dialogues."""

    value: float
    low: float | None = None
    high: float | None = None


class Difference(Estimate):
    """Difference of two figures, with its interval."""

    __slots__ = ()

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval is above 0."""
        return self.low is not None and self.low > 0

    @property
    def below_zero(self) -> bool:
        """Whether the whole interval is below 0."""
        return self.high is not None and self.high < 0


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Resampled splits: draws of whole dialogues with replacement, as many as the split has.

    Single utterances are not drawn, because utterances of one dialogue share speakers, topic and mood, and are not
    independent.

    Attributes:
        dialogues: (R, dialogues) number of times each dialogue was drawn.
        seed: the random seed.
    """

    dialogues: Floats
    seed: int

    @classmethod
    def of(cls, dialogues: int, *, draws: int, seed: int) -> Draws:
        """Return `draws` resampled splits of `dialogues` dialogues."""
        random = np.random.default_rng([seed, 0])
        drawn = random.multinomial(dialogues, np.full(dialogues, 1 / dialogues), size=draws)
        return cls(drawn.astype(np.float64), seed)

    def seeds(self, count: int, number: int) -> Floats:
        """Return (R, count) the weight of each of `count` seeds in each draw.

        Args:
            count: number of seeds.
            number: number of the system, from 0: different systems draw their seeds independently.
        """
        if count == 1:
            return np.ones((len(self.dialogues), 1))
        random = np.random.default_rng([self.seed, 1, number])
        return random.multinomial(count, np.full(count, 1 / count), size=len(self.dialogues)) / count


def drawn_metrics(counts: Sequence[Counts], draws: Draws, number: int = 0) -> dict[str, Floats]:
    """Return the metrics, (R,) each, of a system in each draw: means over the drawn seeds.

    Args:
        counts: the counts of each seed.
        draws: the draws.
        number: the system's number; systems with the same number draw the same seeds.
    """
    found = [one.metrics(draws.dialogues) for one in counts]
    weights = draws.seeds(len(counts), number)
    return {key: np.einsum("rs,sr->r", weights, np.stack([one[key] for one in found])) for key in found[0]}


def point_metrics(counts: Sequence[Counts]) -> dict[str, float]:
    """Return the metrics of a system on the split itself: means over seeds."""
    found = [one.metrics(np.ones((1, len(one.confusion)))) for one in counts]
    return {key: float(np.mean([one[key][0] for one in found])) for key in found[0]}


def interval(drawn: Floats, dialogues: int) -> tuple[float, float] | None:
    """Return the percentile interval of drawn metrics.

    Leaves out draws without the metric, such as ROC-AUC without a change of emotion.

    Args:
        drawn: (R,) the metric in each draw.
        dialogues: number of dialogues of the split.
    """
    there = drawn[~np.isnan(drawn)]
    if dialogues < FEWEST or not len(there):
        return None
    low, high = np.percentile(there, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def estimates(points: Mapping[str, float], drawn: Mapping[str, Floats], dialogues: int) -> dict[str, Estimate]:
    """Return figures with their intervals, without those that are undefined on the split."""
    return {
        key: Estimate(value, *(interval(drawn[key], dialogues) or ()))
        for key, value in points.items()
        if not np.isnan(value)
    }


def differences(
    one: tuple[Mapping[str, float], Mapping[str, Floats]],
    other: tuple[Mapping[str, float], Mapping[str, Floats]],
    dialogues: int,
) -> dict[str, Difference]:
    """Return the difference of two systems in the same draws, by metric.

    Args:
        one: metrics of one system on the split, and in each draw.
        other: the same for the other system.
        dialogues: number of dialogues of the split.
    """
    shared = [key for key in one[0] if key in other[0]]
    found = estimates(
        {key: one[0][key] - other[0][key] for key in shared},
        {key: one[1][key] - other[1][key] for key in shared},
        dialogues,
    )
    return {key: Difference(estimate.value, estimate.low, estimate.high) for key, estimate in found.items()}
