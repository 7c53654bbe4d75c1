"""`ecef eval`: measure trained runs, compare them, put them beside the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecef_cli.cli.options import device_option, tolerate_recordings_option
from ecef_cli.workspace import SPLITS, Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecef_cli.evaluation.comparison import Comparison
    from ecef_cli.evaluation.results import Report
    from ecef_cli.reports.tables import Table


@click.command("eval")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option("--split", type=click.Choice(SPLITS), default="test", show_default=True, help="Which split to measure.")
@click.option("--dataset", metavar="NAME", help="Another dataset; the run's own where left out.")
@click.option(
    "--label-map",
    metavar="SET|FILE",
    help="Measure by the labels of a set (`ecef recipes labels`, or YAML), made of the run's and of the dataset's.",
)
@click.option(
    "--paper",
    type=click.Choice(["table1", "table2", "table3"]),
    help="Print this table of the paper with the runs in it, and what they do differently.",
)
@click.option(
    "--draws", type=click.IntRange(1), default=2000, show_default=True, help="Bootstrap draws of whole dialogues."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of draws and permutations.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "markdown", "latex", "csv", "json"]),
    help="Default: table on a terminal, JSON in a pipe.",
)
@click.option(
    "--plots",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Draw confusion, F1 by emotion, reliability and learning curves too, each as PNG (300 dpi) and SVG.",
)
@click.option(
    "--report",
    "page",
    type=click.Path(path_type=Path),
    metavar="PAGE.html",
    help="Write a page to read in a browser too: tables, pictures, the most confident mistakes.",
)
@tolerate_recordings_option
@device_option
@click.pass_obj
def command(
    workspace: Workspace,
    runs: tuple[str, ...],
    split: str,
    dataset: str | None,
    label_map: str | None,
    paper: str | None,
    draws: int,
    seed: int,
    form: str | None,
    plots: Path | None,
    page: Path | None,
    tolerate: str,
    device: str,
) -> None:
    """Measure each RUN (a name in the workspace, a folder, or `bundled`) on a split of its dataset.

    Prints accuracy, weighted F1, UAR, macro F1 and calibration error of each task, and for prediction how well a change
    of emotion is told, with confidence intervals over dialogues, beside baselines; then the scores of each emotion and
    the confusion matrix. All figures are per cent. Says in words which baselines a run beats.

    A name that is no run stands for the runs NAME-seed1, NAME-seed2 and so on that `ecef train --seeds` makes: means
    over seeds, with intervals over dialogues and seeds.

    With --dataset a run is measured on another corpus. Where that has other emotions, --label-map names a set of labels
    that both are made into: probabilities of the run's labels that become one are added, what it gives to emotions
    outside the set is left out, and the table says how much that was.

    Of several runs, each one after the first is compared with the first, target by target.
    """
    from ecef_cli import console
    from ecef_cli.corpus.tolerance import Tolerance
    from ecef_cli.evaluation.comparison import compare
    from ecef_cli.evaluation.evaluate import evaluate
    from ecef_cli.evaluation.groups import find_named
    from ecef_cli.network.devices import resolve_device
    from ecef_cli.recipe.labels import read_label_set
    from ecef_cli.reports.paper_tables import paper_table
    from ecef_cli.runs.run import BUNDLED

    if paper is not None and label_map is not None:
        raise click.UsageError("--paper goes with the labels of the paper, and not with --label-map")
    labels = None if label_map is None else read_label_set(label_map)
    if page is not None:
        from ecef_cli.reports.page import check_target

        check_target(page, option="--report")
    if plots is not None:
        _make(plots)
    every = [find_named(workspace, name) for name in runs]
    reports = [
        evaluate(
            workspace,
            *named.runs,
            name=named.name,
            split=split,
            device=resolve_device(device),
            dataset=dataset,
            labels=labels,
            tolerance=Tolerance.parse(tolerate),
            draws=draws,
            seed=seed,
            keep=name != BUNDLED,  # whose folder is part of an installation
        )
        for name, named in zip(runs, every, strict=True)
    ]
    table = paper_table(paper, reports) if paper else None
    comparison = compare(reports) if len(reports) > 1 and table is None else None
    console.data(_written(reports, comparison, table, console.choose_format(form)))
    if plots is not None or page is not None:
        from ecef_cli.reports.pages import publish

        publish(workspace, reports, [named.runs for named in every], comparison, plots=plots, page=page)


def _make(folder: Path) -> None:
    """Make the folder of the pictures before any work, so that a place that cannot be is named at once."""
    from ecef_cli.api.errors import UsageProblem

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"--plots: {folder} cannot be made: {error.strerror}"
        raise UsageProblem(problem, hint="name another folder") from None


def _written(reports: Sequence[Report], comparison: Comparison | None, paper: Table | None, form: str) -> str:
    import json

    from ecef_cli.reports.tables import comparison_table, report_tables
    from ecef_cli.reports.writing import as_dict, write

    if form in {"json", "jsonl"}:
        value: dict[str, Any]
        if paper is not None:
            value = as_dict(paper)
        elif comparison is not None:
            value = {"runs": [report.as_dict() for report in reports], "comparison": comparison.as_dict()}
        else:
            value = reports[0].as_dict()
        return json.dumps(value, ensure_ascii=False, indent=2)
    if paper is not None:
        return write([paper], form)
    tables = [table for report in reports for table in report_tables(report)]
    return write(tables if comparison is None else [*tables, comparison_table(comparison)], form)
