"""Add our runs to the tables of the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli.api.errors import UsageProblem
from ecef_cli.evaluation.bootstrap import Draws
from ecef_cli.evaluation.measure import System
from ecef_cli.evaluation.targets import require_same_targets
from ecef_cli.reports.paper import DATASETS, TABLES, corpus, departures, left_out, modality
from ecef_cli.reports.tables import Table, metric_titles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecef_cli.evaluation.bootstrap import Difference
    from ecef_cli.evaluation.results import Report, TaskReport
    from ecef_cli.reports.paper import PaperTable
    from ecef_cli.reports.tables import Cell


_UNSAID = (
    "The paper gives no intervals. It does not state the number of seeds, how it chose the epoch, nor, for prediction, "
    "which utterances are targets and how much of the dialogue is read."
)


def paper_table(name: str, reports: Sequence[Report]) -> Table:
    """Return a table of the paper with our runs, and the differences of each run in the notes.

    A run is below the paper's rows of its modality and dataset; the dataset's name may be a prefix of the run's. In
    Table 3, a run without some part is the difference from the full run on the same targets.

    Args:
        name: `table1`, `table2` or `table3`.
        reports: one or more.

    Raises:
        DataError: in Table 3, the runs to compare have different targets.
        UsageProblem: a run lacks the table's task, or Table 3 has no run to compare with.
    """
    found = TABLES[name]
    for report in reports:
        if found.task not in report.tasks:
            others = [key for key, table in TABLES.items() if table.task in report.tasks]
            problem = f"{name} is about {found.task.upper()}, but {report.run} is not trained for it"
            raise UsageProblem(problem, hint=f"try --paper {others[0]}" if others else None)
    rows = _ablations(found, reports) if name == "table3" else _results(found, reports)
    strange = list(dict.fromkeys(report.dataset for report in reports if corpus(report) is None))
    alone = f"The paper has figures for {' and '.join(DATASETS.values())} only, not for {', '.join(strange)}."
    return Table(
        f"{found.title}, in the paper and here",
        ("data", "M", "method", *metric_titles(found.metrics)),
        tuple(rows),
        names=3,
        notes=(
            _UNSAID,
            *([alone] if strange else []),
            *(f"{report.run}: {'; '.join(departures(report))}." for report in reports),
        ),
    )


def _results(table: PaperTable, reports: Sequence[Report]) -> list[tuple[Cell, ...]]:
    def ours(report: Report) -> tuple[Cell, ...]:
        figures = report.tasks[table.task].model.figures
        return (_data(report), modality(report.recipe), report.run, *(figures.get(key) for key in table.metrics))

    return _joined(table, reports, [(report, ours(report)) for report in reports])


def _ablations(table: PaperTable, reports: Sequence[Report]) -> list[tuple[Cell, ...]]:
    whole = [report for report in reports if not left_out(report.recipe)]
    lines: list[tuple[Report, tuple[Cell, ...]]] = []
    for number, report in enumerate(reports, start=1):
        missing = left_out(report.recipe)
        if not missing:
            continue
        full = next((one for one in whole if (one.key, modality(one.recipe)) == _kind(report)), None)
        if full is None:
            raise UsageProblem(
                f"table3 has no run to compare {report.run} with",
                hint=f"add a run of {modality(report.recipe)} on {report.dataset} with all parts",
            )
        names = (full.run, report.run)
        require_same_targets(full.tasks[table.task].targets, report.tasks[table.task].targets, names)
        above = _above(report, full, table.task, number)
        cells = (above.get(key) for key in table.metrics)
        lines.append(
            (report, (_data(report), modality(report.recipe), f"{missing}: {report.run} - {full.run}", *cells))
        )
    if not lines:
        raise UsageProblem("table3 needs a run that leaves out a part", hint="see docs/how-to/paper-tables.md")
    return _joined(table, reports, lines)


def _kind(report: Report) -> tuple[str, str]:
    return report.key, modality(report.recipe)


def _above(report: Report, full: Report, task: str, number: int) -> dict[str, Difference]:
    one, other = report.tasks[task], full.tasks[task]
    draws = Draws.of(other.targets.dialogues, draws=full.resampling.draws, seed=full.resampling.seed)

    def system(found: TaskReport, seeds: int) -> System:
        return System.of(other.targets, found.forecasts, draws, seeds)

    return system(one, number).above(system(other, 0), other.targets.dialogues)


def _data(report: Report) -> str:
    key = corpus(report)
    return DATASETS[key] if key == report.dataset else report.dataset


def _joined(
    table: PaperTable, reports: Sequence[Report], ours: Sequence[tuple[Report, tuple[Cell, ...]]]
) -> list[tuple[Cell, ...]]:
    """Return the paper's rows of the runs' datasets, each modality followed by our rows."""
    wanted = [key for key in DATASETS if any(corpus(report) == key for report in reports)]
    rows: list[tuple[Cell, ...]] = []
    for key in wanted:
        for letters in dict.fromkeys([*(row.modality for row in table.rows[key]), "T", "S", "T+S"]):
            rows += [(DATASETS[key], letters, r.method, *r.figures) for r in table.rows[key] if r.modality == letters]
            rows += [row for report, row in ours if corpus(report) == key and modality(report.recipe) == letters]
    return rows + [row for report, row in ours if corpus(report) is None]
