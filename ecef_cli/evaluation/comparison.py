"""Compare runs with a first one, target by target."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import UsageProblem
from ecef_cli.evaluation.bootstrap import Draws
from ecef_cli.evaluation.measure import System
from ecef_cli.evaluation.significance import FLIPS, holm, seed_test, sign_flip
from ecef_cli.evaluation.targets import require_same_targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecef_cli.evaluation.bootstrap import Difference
    from ecef_cli.evaluation.results import Report, TaskReport

COMPARED = {
    "erc": ("weighted_f1", "accuracy"),
    "epc": ("uar", "macro_f1", "shift_deployable", "shift_oracle"),
}
"""Metrics to compare, by task: those of the paper's tables, and the detection of a change.

They are few, because each one makes Holm's correction stricter for the others.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """Comparison of one metric of a run with the first run.

    Attributes:
        task: the task.
        run: the run.
        metric: the metric's key.
        difference: the run's minus the first run's, in per cent, with its paired interval.
        p: p-value of the sign-flip permutation over dialogues.
        p_holm: the same, corrected for all rows of the comparison.
        p_seeds: p-value of the t-test over seeds; None if either has only one seed.
        p_seeds_holm: the same, corrected for all rows with a t-test.
        paired: whether the t-test is paired (same seeds) or Welch's.
    """

    task: str
    run: str
    metric: str
    difference: Difference
    p: float
    p_holm: float = 1.0
    p_seeds: float | None = None
    p_seeds_holm: float | None = None
    paired: bool | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparison of runs with a first one.

    Attributes:
        base: the first run's name.
        rows: one row per task, run and metric.
        flips: number of permutations; all possible ones if the dialogues are few.
    """

    base: str
    rows: tuple[Row, ...]
    flips: int

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as a dict."""
        return asdict(self)


def compare(reports: Sequence[Report], *, flips: int = FLIPS) -> Comparison:
    """Return the comparison of each report with the first, on each common task.

    Args:
        reports: two or more, with the same targets.
        flips: maximum permutations of the sign-flip test.

    Raises:
        DataError: the targets differ.
        UsageProblem: a run has no task in common with the first.
    """
    base, rows = reports[0], []
    for number, report in enumerate(reports[1:], start=1):
        shared = [task for task in base.tasks if task in report.tasks]
        if not shared:
            raise UsageProblem(f"{base.run} and {report.run} have no task in common")
        for task in shared:
            require_same_targets(base.tasks[task].targets, report.tasks[task].targets, (base.run, report.run))
            rows += _rows(base, report, task, number, flips)
    return Comparison(base.run, _corrected(sorted(rows, key=lambda row: list(COMPARED).index(row.task))), flips)


def _rows(base: Report, report: Report, task: str, number: int, flips: int) -> list[Row]:
    one, other = report.tasks[task], base.tasks[task]
    targets, resampling = other.targets, base.resampling
    draws = Draws.of(targets.dialogues, draws=resampling.draws, seed=resampling.seed)
    above = System.of(targets, one.forecasts, draws, number).above(
        System.of(targets, other.forecasts, draws), targets.dialogues
    )
    p_values = sign_flip(targets, one.forecasts, other.forecasts, count=flips, seed=resampling.seed)
    paired = report.seeds == base.seeds
    found = []
    for metric in COMPARED[task]:
        if metric not in above or metric not in p_values:
            continue
        test = seed_test(_seeds(one, metric), _seeds(other, metric), paired=paired)
        found.append(
            Row(
                task,
                report.run,
                metric,
                above[metric],
                p_values[metric],
                p_seeds=None if test is None else test.p,
                paired=None if test is None else test.paired,
            )
        )
    return found


def _seeds(report: TaskReport, metric: str) -> tuple[float, ...]:
    return report.seeds.get(metric, ())


def _corrected(rows: Sequence[Row]) -> tuple[Row, ...]:
    permuted = holm([row.p for row in rows])
    tested = [row.p_seeds for row in rows if row.p_seeds is not None]
    over_seeds = iter(holm(tested))
    return tuple(
        replace(row, p_holm=p, p_seeds_holm=None if row.p_seeds is None else next(over_seeds))
        for row, p in zip(rows, permuted, strict=True)
    )
