"""`ecef eval`: evaluate trained runs, compare them with each other and with the paper."""

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
@click.option("--split", type=click.Choice(SPLITS), default="test", show_default=True, help="Split to evaluate on.")
@click.option("--dataset", metavar="NAME", help="Dataset to evaluate on. [default: the run's own]")
@click.option(
    "--label-map",
    metavar="SET|FILE",
    help="Map the labels of run and dataset to those of a set (see `ecef recipes labels`) or of a YAML file.",
)
@click.option(
    "--paper",
    type=click.Choice(["table1", "table2", "table3"]),
    help="Print this table of the paper with the runs added, and how they differ from it.",
)
@click.option(
    "--draws", type=click.IntRange(1), default=2000, show_default=True, help="Bootstrap samples of whole dialogues."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of resampling.")
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
    help="Also plot confusion, F1 by emotion, reliability and learning curves, as PNG (300 dpi) and SVG.",
)
@click.option(
    "--report",
    "page",
    type=click.Path(path_type=Path),
    metavar="PAGE.html",
    help="Also write an HTML page: tables, figures, the most confident mistakes.",
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
    """Evaluate each RUN (a name in the workspace, a folder, `bundled` or `bundled-speech`) on a split of its dataset.

    Prints accuracy, weighted F1, UAR, macro F1 and calibration error of each task, and for EPC how well the run detects
    a change of emotion. Figures are per cent, with confidence intervals over dialogues, next to those of baselines.
    Then prints the scores of each emotion, the confusion matrix, and which baselines the run beats.

    If there is no run NAME, evaluates the runs NAME-seed1, NAME-seed2 and so on that `ecef train --seeds` makes. The
    figures are then means over seeds, with intervals over dialogues and seeds.

    --dataset evaluates a run on another corpus. If that has other emotions, --label-map names a set of labels that both
    are mapped to. Probabilities of the run's labels that map to the same label are added. Those of emotions outside
    the set are left out, and the table reports their share.

    With several runs, compares each with the first, target by target.
    """
    from ecef_cli import console
    from ecef_cli.corpus.tolerance import Tolerance
    from ecef_cli.evaluation.comparison import compare
    from ecef_cli.evaluation.evaluate import evaluate
    from ecef_cli.evaluation.groups import find_named
    from ecef_cli.network.devices import resolve_device
    from ecef_cli.recipe.labels import read_label_set
    from ecef_cli.reports.paper_tables import paper_table
    from ecef_cli.runs.run import BUNDLED, BUNDLED_SPEECH

    if paper is not None and label_map is not None:
        raise click.UsageError("--paper uses the paper's labels; leave out --label-map")
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
            keep=name not in (BUNDLED, BUNDLED_SPEECH),  # the bundled runs are part of the installation
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
    """Create the folder of the plots before any work, so that a bad path is reported at once."""
    from ecef_cli.api.errors import UsageProblem

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageProblem(f"--plots: cannot create {folder}: {error.strerror}", hint="give another folder") from None


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
