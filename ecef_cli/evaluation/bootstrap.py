"""Confidence intervals: the percentile bootstrap over whole dialogues, and over seeds where there are several."""

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
"""Dialogues without which nothing can be said of how far a figure would vary."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval; `low` and `high` are None where there are too few dialogues for one."""

    value: float
    low: float | None = None
    high: float | None = None


class Difference(Estimate):
    """How far one figure is above another, with the interval of that."""

    __slots__ = ()

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval lies above 0."""
        return self.low is not None and self.low > 0

    @property
    def below_zero(self) -> bool:
        """Whether the whole interval lies below 0."""
        return self.high is not None and self.high < 0


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Resampled splits: dialogues are drawn with replacement, as many as there are, never single utterances.

    Utterances of one dialogue share speakers, topic and mood, so that they are no independent observations.

    Attributes:
        dialogues: (R, dialogues) how often each dialogue was drawn.
        seed: of the random numbers.
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
        """Return (R, count) the weight that each of `count` seeds has in each draw.

        Args:
            count: seeds.
            number: of the system, from 0: the seeds of different systems are drawn apart.
        """
        if count == 1:
            return np.ones((len(self.dialogues), 1))
        random = np.random.default_rng([self.seed, 1, number])
        return random.multinomial(count, np.full(count, 1 / count), size=len(self.dialogues)) / count


def drawn_metrics(counts: Sequence[Counts], draws: Draws, number: int = 0) -> dict[str, Floats]:
    """Return the metrics, (R,) each, of a system in each draw: means over the seeds that were drawn.

    Args:
        counts: of each seed.
        draws: the draws.
        number: the system's; systems of one number are resampled by the same seeds.
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

    Draws in which a metric does not exist, such as ROC-AUC without a change of emotion, are left out.

    Args:
        drawn: (R,).
        dialogues: how many dialogues were drawn from.
    """
    there = drawn[~np.isnan(drawn)]
    if dialogues < FEWEST or not len(there):
        return None
    low, high = np.percentile(there, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def estimates(points: Mapping[str, float], drawn: Mapping[str, Floats], dialogues: int) -> dict[str, Estimate]:
    """Return figures with their intervals, without those that do not exist on the split itself."""
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
    """Return how far one system is above another in the same draws, by metric.

    Args:
        one: its metrics on the split, and in each draw.
        other: likewise.
        dialogues: how many dialogues were drawn from.
    """
    shared = [key for key in one[0] if key in other[0]]
    found = estimates(
        {key: one[0][key] - other[0][key] for key in shared},
        {key: one[1][key] - other[1][key] for key in shared},
        dialogues,
    )
    return {key: Difference(estimate.value, estimate.low, estimate.high) for key, estimate in found.items()}
