"""Build the plots and the page of an evaluation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli import console
from ecef_cli.corpus.manifest import load_prepared
from ecef_cli.evaluation.bootstrap import Difference, Draws, Estimate, interval
from ecef_cli.evaluation.counts import Counts
from ecef_cli.reports.evaluation import Line, Mistake, Section, eval_report
from ecef_cli.reports.model import identify
from ecef_cli.reports.plots import confusion, emotion_bars, learning_curves, reliability
from ecef_cli.reports.tables import comparison_table, report_tables
from ecef_cli.workspace import read_json, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ecef_cli.api.dialogue import Dialogue, Utterance
    from ecef_cli.evaluation.comparison import Comparison
    from ecef_cli.evaluation.results import Report, TaskReport
    from ecef_cli.evaluation.targets import Targets
    from ecef_cli.reports.picture import Picture
    from ecef_cli.reports.tables import Cell, Table
    from ecef_cli.runs.run import Run
    from ecef_cli.workspace import Workspace

MISTAKES = 20
"""Number of mistakes per task on a page."""

_CONTEXT = 8  # maximum utterances of a window to show


def publish(
    workspace: Workspace,
    reports: Sequence[Report],
    runs: Sequence[Sequence[Run]],
    comparison: Comparison | None,
    *,
    plots: Path | None,
    page: Path | None,
) -> None:
    """Write the plots of an evaluation into a folder, and its page.

    Args:
        workspace: where the dataset is.
        reports: the results.
        runs: the runs of each report, which differ only in the seed.
        comparison: the comparison of several reports, if any.
        plots: the folder for plots, or None.
        page: the page, or None.
    """
    drawn = [pictures(report) for report in reports]
    logs = [[picture for run in members if (picture := curves(run))] for members in runs]
    if plots is not None:
        named = [p for found in drawn for each in found.values() for p in each] + [p for each in logs for p in each]
        for picture in named:
            picture.save(plots)
        console.note(f"plots: {len(named)} in {plots}, each as PNG and SVG")
    if page is None:
        return
    found = [Section("Comparison", (formatted(comparison_table(comparison)),))] if comparison else []
    for report, own, training in zip(reports, drawn, logs, strict=True):
        dialogues = load_prepared(workspace, report.dataset).splits[report.split]
        found += sections(report, dialogues, own)
        if training:
            found.append(Section(f"Training of {report.run}", pictures=tuple(training)))
    title = f"{', '.join(report.run for report in reports)} on {reports[0].data}"
    models = [identify(members[0]) for members in runs]
    write_text(page, eval_report(title, found, models, reports[0].labels))
    console.note(f"report: {page}")


def pictures(report: Report) -> dict[str, tuple[Picture, ...]]:
    """Return the plots of each task: confusion, F1 of each emotion with its interval, reliability."""
    return {task: tuple(_pictures(report, task, found)) for task, found in report.tasks.items()}


def _pictures(report: Report, task: str, found: TaskReport) -> Iterator[Picture]:
    title = f"{task.upper()} of {report.run} on {report.data}"
    name = f"{report.run}-{report.file_stem}-{task}"
    classes = found.model.classes
    yield confusion(f"{name}-confusion", np.asarray(found.model.confusion), report.labels, title=title)
    intervals = f1_intervals(report, found)
    yield emotion_bars(
        f"{name}-f1",
        report.labels,
        [c.f1 for c in classes],
        [c.support for c in classes],
        low=None if intervals is None else [low for low, _ in intervals],
        high=None if intervals is None else [high for _, high in intervals],
        title=title,
    )
    yield reliability(f"{name}-reliability", found.model.calibration, title=title)


def f1_intervals(report: Report, found: TaskReport) -> list[tuple[float, float]] | None:
    """Return the interval of each emotion's F1 in per cent, over dialogues and seeds; None with too few dialogues.

    F1 = 2 TP / (2 TP + FP + FN) of the counts of each draw. An emotion that is neither gold nor predicted in a draw
    counts as 0, as in the scores.
    """
    draws = Draws.of(found.targets.dialogues, draws=report.resampling.draws, seed=report.resampling.seed)
    weights = draws.seeds(len(found.forecasts), 0)
    drawn = np.zeros((len(draws.dialogues), len(report.labels)))
    for number, forecast in enumerate(found.forecasts):
        counts = np.tensordot(draws.dialogues, Counts.of(found.targets, forecast).confusion, axes=1)
        hits = np.diagonal(counts, axis1=1, axis2=2)
        either = counts.sum(axis=1) + counts.sum(axis=2)
        drawn += weights[:, [number]] * 200 * hits / np.maximum(either, 1)
    intervals = [interval(drawn[:, label], found.targets.dialogues) for label in range(len(report.labels))]
    return None if None in intervals else [ends for ends in intervals if ends is not None]


def curves(run: Run) -> Picture | None:
    """Return the learning curves of a run, or None if it has no log."""
    import json

    log, metrics = run.folder / "log.jsonl", run.folder / "metrics.json"
    if not log.is_file():
        return None
    epochs = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
    chosen = read_json(metrics)["best"]["epoch"] if metrics.is_file() else None
    return (
        learning_curves(f"{run.folder.name}-curves", epochs, chosen=chosen, title=run.folder.name) if epochs else None
    )


def sections(report: Report, dialogues: Sequence[Dialogue], drawn: Mapping[str, Sequence[Picture]]) -> list[Section]:
    """Return the sections of a page, one per task.

    Args:
        report: the results.
        dialogues: the dialogues of the split.
        drawn: the plots of each task.
    """
    tables: dict[str, list[Table]] = {task: [] for task in report.tasks}
    for table in report_tables(report):
        tables[table.title.partition(" ")[0].lower()].append(formatted(table))
    return [
        Section(
            title=f"{task.upper()} of {report.run} on {report.data}",
            tables=tuple(tables[task]),
            pictures=tuple(drawn[task]),
            mistakes=tuple(mistakes(report, found, dialogues)),
            targets=len(found.targets.gold),
        )
        for task, found in report.tasks.items()
    ]


def formatted(table: Table) -> Table:
    """Return a table with every cell as text."""
    return replace(table, rows=tuple(tuple(map(_shown, row)) for row in table.rows))


def _shown(cell: Cell) -> str:
    if isinstance(cell, Estimate):
        sign = "+" if isinstance(cell, Difference) else ""
        ends = "" if cell.low is None or cell.high is None else f" [{cell.low:{sign}.2f}, {cell.high:{sign}.2f}]"
        return f"{cell.value:{sign}.2f}{ends}"
    if isinstance(cell, float):
        return f"{cell:.2f}"
    return "" if cell is None else f"{cell:,}" if isinstance(cell, int) else cell


def mistakes(report: Report, found: TaskReport, dialogues: Sequence[Dialogue]) -> Iterator[Mistake]:
    """Yield the wrong predictions of the first seed with their windows, the most confident first."""
    targets, probabilities = found.targets, found.forecasts[0].probabilities
    predicted, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != targets.gold)
    turns = {dialogue.id: dialogue.utterances for dialogue in dialogues}
    for n in wrong[np.argsort(-sure[wrong], kind="stable")][:MISTAKES].tolist():
        utterances, last = _window_end(turns, targets, n)
        reach = min(_CONTEXT, report.recipe.history or _CONTEXT)
        after = None if targets.task == "erc" else _target_utterance(utterances, last, report.recipe.epc.target)
        yield Mistake(
            dialogue=targets.identities[n][0],
            gold=report.labels[targets.gold[n]],
            predicted=report.labels[predicted[n]],
            probability=float(sure[n]),
            gold_probability=float(probabilities[n, targets.gold[n]]),
            context=tuple(Line(u.speaker, u.text) for u in utterances[max(0, last - reach + 1) : last + 1]),
            unheard=None if after is None else Line(after.speaker, after.text),
        )


def _window_end(turns: Mapping[str, Sequence[Utterance]], targets: Targets, n: int) -> tuple[Sequence[Utterance], int]:
    """Return the dialogue of a target and the number of the last utterance in its window."""
    dialogue, utterance, _ = targets.identities[n]
    utterances = turns[dialogue]
    return utterances, next(number for number, u in enumerate(utterances) if u.utterance == utterance)


def _target_utterance(utterances: Sequence[Utterance], last: int, target: str) -> Utterance | None:
    """Return the target utterance of a forecast."""
    own = {"next": (True, False), "own": (True,), "other": (False,)}[target]
    speaker = utterances[last].speaker
    return next((u for u in utterances[last + 1 :] if (u.speaker == speaker) in own), None)
