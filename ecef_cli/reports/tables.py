"""Build tables of an evaluation and of a comparison, independent of the output format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecef_cli.evaluation.bootstrap import Estimate
from ecef_cli.evaluation.results import TITLES
from ecef_cli.runs.metrics import MAIN, METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecef_cli.evaluation.comparison import Comparison
    from ecef_cli.evaluation.label_mapping import LabelMapping
    from ecef_cli.evaluation.results import Measured, Report, TaskReport

_SHOWN = 5e-5  # smallest p-value that four decimals can show

Cell = str | int | float | Estimate | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: its title.
        columns: headings.
        rows: cells; None for an empty one.
        names: number of columns from the left that name the row.
        notes: notes below it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    names: int = 1
    notes: tuple[str, ...] = ()


def report_tables(report: Report) -> Iterator[Table]:
    """Yield the tables of a run: each task with its baselines, by emotion, and the confusion."""
    for task, found in report.tasks.items():
        name = f"{task.upper()} on {report.data}"
        yield _scores(report, found, name)
        yield _against(report, found, name)
        yield Table(
            f"{name}, by emotion{_mean(report)}",
            ("", "precision", "recall", "F1", "targets"),
            tuple((c.label, c.precision, c.recall, c.f1, c.support) for c in found.model.classes),
        )
        of_seeds = " over all seeds" if len(report.seeds) > 1 else ""
        yield Table(
            f"{name}, confusion{of_seeds}: gold by row, predicted by column",
            ("", *report.labels),
            tuple((label, *row) for label, row in zip(report.labels, found.model.confusion, strict=True)),
        )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _mean(report: Report) -> str:
    return f", mean of {len(report.seeds)} seeds" if len(report.seeds) > 1 else ""


def _scores(report: Report, found: TaskReport, name: str) -> Table:
    systems = {report.run: found.model, **{f"baseline: {key}": value for key, value in found.baselines.items()}}
    metrics = [key for key in TITLES if any(key in measured.figures for measured in systems.values())]
    return Table(
        f"{name}, {_counted(found.model.targets, 'target')} in {_counted(found.targets.dialogues, 'dialogue')}"
        f"{_mean(report)}",
        ("", *(TITLES[key] for key in metrics)),
        tuple((label, *(measured.figures.get(key) for key in metrics)) for label, measured in systems.items()),
        notes=tuple(_notes(report, found)),
    )


def _against(report: Report, found: TaskReport, name: str) -> Table:
    metrics = list(dict.fromkeys(verdict.metric for verdict in found.verdicts))
    rows: list[tuple[Cell, ...]] = []
    for baseline, above in found.differences.items():
        beaten = [TITLES[v.metric] for v in found.verdicts if v.baseline == baseline and v.beaten]
        rows.append((baseline, *(above.get(key) for key in metrics), ", ".join(beaten) or "nothing"))
    return Table(
        f"{name}, {report.run} minus each baseline, paired by dialogue",
        ("", *(TITLES[key] for key in metrics), "beats it on"),
        tuple(rows),
    )


def _notes(report: Report, found: TaskReport) -> Iterator[str]:
    resampling = report.resampling
    over = "dialogues and seeds" if len(report.seeds) > 1 else "dialogues"
    if found.targets.dialogues > 1:
        yield (
            f"Per cent; {100 * resampling.level:g} % intervals by {resampling.draws:,} bootstrap draws of whole "
            f"{over}, seed {resampling.seed}."
        )
    if found.targets.task == "epc" and report.protocol:
        yield f"Target: {report.protocol}."
    if report.label_mapping is not None:
        yield _label_mapping_note(report, report.label_mapping, found.targets.task)
    if found.model.shift is not None:
        yield _shift_note(report, found.model)
    for verdict in found.verdicts:
        if verdict.metric == MAIN[found.targets.task]:
            yield f"{verdict.sentence(report.run)}."


def _label_mapping_note(report: Report, label_mapping: LabelMapping, task: str) -> str:
    lost = [label for label, into in label_mapping.mapping if into is None]
    share = f", {100 * report.outside[task]:.1f} % of all" if lost else ""
    return f"{label_mapping.sentence()}{share}."


def _shift_note(report: Report, model: Measured) -> str:
    shift = model.shift
    assert shift is not None  # noqa: S101 - for the type checker
    share = (
        f", {100 * shift.shifts / shift.targets:.1f} % of which differ from the current emotion"
        if shift.targets
        else ""
    )
    out = f"; excluding {shift.left_out:,} whose current utterance has no label" if shift.left_out else ""
    missing = f"; not measured for {report.run}: {shift.missing}" if shift.missing else ""
    return f"Shift AUC is over {shift.targets:,} targets{share}{out}{missing}."


def comparison_table(comparison: Comparison) -> Table:
    """Return the table that compares runs with the first."""
    seeds = any(row.p_seeds is not None for row in comparison.rows)
    rows: list[tuple[Cell, ...]] = []
    for row in comparison.rows:
        cells: list[Cell] = [row.run, row.task.upper(), TITLES[row.metric], row.difference, _p(row.p), _p(row.p_holm)]
        if seeds:
            test = None if row.paired is None else "paired" if row.paired else "Welch"
            cells += [_p(row.p_seeds), _p(row.p_seeds_holm), test]
        rows.append(tuple(cells))
    explained = f"p: sign flips of whole dialogues, {comparison.flips:,} or all possible ones; Holm: over all rows."
    over_seeds = "p over seeds: a t-test of the runs' figures, also corrected; empty if they do not vary."
    tail = ("p over seeds", "Holm over seeds", "t-test") if seeds else ()
    return Table(
        f"compared with {comparison.base}, paired over the same targets",
        ("run", "task", "metric", "difference", "p", "Holm", *tail),
        tuple(rows),
        names=3,
        notes=(explained, over_seeds) if seeds else (explained,),
    )


def _p(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}" if value >= _SHOWN else "<0.0001"


def metric_titles(keys: Sequence[str]) -> tuple[str, ...]:
    """Return the headings of metrics."""
    return tuple(METRICS[key] for key in keys)
