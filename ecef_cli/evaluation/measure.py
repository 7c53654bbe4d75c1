"""Compute scores with intervals from forecasts, and compare a model with baselines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import mean
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.evaluation.bootstrap import differences, drawn_metrics, estimates, point_metrics
from ecef_cli.evaluation.counts import Counts, shift_scores
from ecef_cli.evaluation.results import Measured, TaskReport, Verdict
from ecef_cli.runs.metrics import (
    MAIN,
    METRICS,
    Bin,
    Calibration,
    ClassScores,
    Scores,
    Shift,
    calibration,
    roc_auc,
    score,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from ecef_cli.evaluation.baselines import Forecast
    from ecef_cli.evaluation.bootstrap import Difference, Draws
    from ecef_cli.evaluation.targets import Targets

    Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """A model or baseline, with its metrics on the split and in each draw.

    Attributes:
        forecasts: one per seed, or only one if seeds do not matter.
        points: each metric on the split, the mean over seeds.
        drawn: each metric in each draw, (R,).
    """

    forecasts: tuple[Forecast, ...]
    points: Mapping[str, float]
    drawn: Mapping[str, Floats]

    @classmethod
    def of(cls, targets: Targets, forecasts: Sequence[Forecast], draws: Draws, number: int = 0) -> System:
        """Return a system; `number` as in `Draws.seeds`."""
        counts = [Counts.of(targets, forecast) for forecast in _distinct(forecasts)]
        return cls(tuple(forecasts), point_metrics(counts), drawn_metrics(counts, draws, number))

    def above(self, other: System, dialogues: int) -> dict[str, Difference]:
        """Return the difference from another system, by metric, paired by draw."""
        return differences((self.points, self.drawn), (other.points, other.drawn), dialogues)


def _distinct(forecasts: Sequence[Forecast]) -> Sequence[Forecast]:
    """Return the forecasts, or only the first if all are equal, as for baselines without a model."""
    first = forecasts[0]

    def same(other: Forecast) -> bool:
        mine, theirs = shift_scores(first), shift_scores(other)
        return np.array_equal(first.probabilities, other.probabilities) and all(
            np.array_equal(mine[key], theirs[key]) for key in mine
        )

    return forecasts[:1] if all(same(other) for other in forecasts[1:]) else forecasts


def task_report(
    targets: Targets,
    model: Sequence[Forecast],
    baselines: Mapping[str, Sequence[Forecast]],
    draws: Draws,
) -> TaskReport:
    """Return the scores of a model and of baselines on the same targets.

    Args:
        targets: the targets.
        model: the model's forecasts, one per seed.
        baselines: each baseline's forecasts, one per seed.
        draws: the resampled splits.
    """
    system = System.of(targets, model, draws)
    others = {name: System.of(targets, forecasts, draws) for name, forecasts in baselines.items()}
    above = {name: system.above(other, targets.dialogues) for name, other in others.items()}
    deciding = (MAIN[targets.task], "shift_deployable", "shift_oracle")
    by_seed = [point_metrics([Counts.of(targets, forecast)]) for forecast in model]
    return TaskReport(
        model=measured(targets, system),
        baselines={name: measured(targets, other) for name, other in others.items()},
        differences=above,
        verdicts=tuple(
            Verdict(name, key, found[key]) for name, found in above.items() for key in deciding if key in found
        ),
        seeds={key: tuple(figures[key] for figures in by_seed) for key in by_seed[0]},
        targets=targets,
        forecasts=tuple(model),
    )


def measured(targets: Targets, system: System) -> Measured:
    """Return the scores of a system with their intervals."""
    found = [score(targets.gold, f.predicted, targets.labels) for f in system.forecasts]
    calibrations = [calibration(targets.gold, f.probabilities) for f in system.forecasts]
    shift = None if targets.task == "erc" else _mean_shift([_shift(targets, f) for f in system.forecasts])
    scores = found[0] if len(found) == 1 else _mean_scores(found)
    known = {metric: getattr(scores, metric) for metric in METRICS}
    return Measured(
        **known,
        targets=scores.targets,
        classes=scores.classes,
        confusion=scores.confusion,
        calibration=calibrations[0] if len(found) == 1 else _mean_calibration(calibrations),
        shift=shift,
        figures=estimates({**system.points, **known}, system.drawn, targets.dialogues),
    )


def _shift(targets: Targets, forecast: Forecast) -> Shift:
    known = targets.known
    areas = {key: roc_auc(targets.shifted[known], values[known]) for key, values in shift_scores(forecast).items()}
    shifts = int(targets.shifted[known].sum())
    missing = forecast.missing
    if shifts in {0, int(known.sum())}:
        missing = "every target is a shift" if shifts else "no target is a shift"
    return Shift(
        areas.get("shift_deployable"), areas.get("shift_oracle"), int(known.sum()), shifts, int((~known).sum()), missing
    )


def _mean_scores(found: Sequence[Scores]) -> Scores:
    """Return metrics averaged over seeds, and total counts."""
    metrics = {metric: mean(getattr(scores, metric) for scores in found) for metric in METRICS}
    classes = tuple(
        ClassScores(
            same[0].label,
            mean(c.precision for c in same),
            mean(c.recall for c in same),
            mean(c.f1 for c in same),
            same[0].support,
        )
        for same in zip(*(scores.classes for scores in found), strict=True)
    )
    confusion = np.sum([scores.confusion for scores in found], axis=0)
    return Scores(**metrics, targets=found[0].targets, classes=classes, confusion=tuple(map(tuple, confusion.tolist())))


def _mean_calibration(found: Sequence[Calibration]) -> Calibration:
    bins = []
    for same in zip(*(one.bins for one in found), strict=True):
        count = sum(b.count for b in same)
        weighted = [sum(b.count * getattr(b, key) for b in same) / max(1, count) for key in ("confidence", "accuracy")]
        bins.append(Bin(same[0].low, same[0].high, count, *weighted))
    return Calibration(mean(one.ece for one in found), tuple(bins))


def _mean_shift(found: Sequence[Shift]) -> Shift:
    first = found[0]
    deployable = [one.deployable for one in found if one.deployable is not None]
    oracle = [one.oracle for one in found if one.oracle is not None]
    return replace(first, deployable=mean(deployable) if deployable else None, oracle=mean(oracle) if oracle else None)
