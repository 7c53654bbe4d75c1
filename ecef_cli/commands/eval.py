"""`ecef eval`: measure a trained run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ecef_cli.commands.options import device_option, tolerate_recordings_option
from ecef_cli.workspace import SPLITS, Workspace

if TYPE_CHECKING:
    from ecef_cli.evaluation.evaluate import Report


@click.command("eval")
@click.argument("run")
@click.option("--split", type=click.Choice(SPLITS), default="test", show_default=True, help="Which split to measure.")
@click.option("--dataset", metavar="NAME", help="Another dataset of the same emotions; the run's own where left out.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    help="Default: table on a terminal, JSON in a pipe.",
)
@tolerate_recordings_option
@device_option
@click.pass_obj
def command(
    workspace: Workspace,
    run: str,
    split: str,
    dataset: str | None,
    form: str | None,
    tolerate: str,
    device: str,
) -> None:
    """Measure RUN (a name in the workspace, a folder, or `bundled`) on a split of its dataset.

    Prints accuracy, weighted F1, UAR and macro F1 of each task beside the baselines, the scores of each emotion,
    and the confusion matrix. All figures are per cent.
    """
    import json

    from ecef_cli import output
    from ecef_cli.devices import resolve_device
    from ecef_cli.evaluation.evaluate import evaluate
    from ecef_cli.run import find_run
    from ecef_cli.tolerance import Tolerance

    report = evaluate(
        workspace,
        find_run(workspace, run),
        split=split,
        device=resolve_device(device),
        dataset=dataset,
        tolerance=Tolerance.parse(tolerate),
    )
    if output.choose_format(form) == "table":
        output.data(_tables(report))
    else:
        output.data(json.dumps(report.as_dict(), ensure_ascii=False, indent=2))


def _tables(report: Report) -> str:
    from ecef_cli.metrics import METRICS
    from ecef_cli.output import table

    parts = []
    for task, found in report.tasks.items():
        named = {report.run: found.model, **{f"baseline: {k}": v for k, v in found.baselines.items()}}
        title = f"{task.upper()} on {report.dataset} {report.split}, {found.model.targets:,} targets"
        rows: list[list[Any]] = [[name, *(getattr(s, metric) for metric in METRICS)] for name, s in named.items()]
        parts += [title, table(rows, ["", *METRICS.values()])]
        classes = [[c.label, c.precision, c.recall, c.f1, c.support] for c in found.model.classes]
        parts += ["by emotion", table(classes, ["", "precision", "recall", "F1", "targets"])]
        confusion = [[label, *row] for label, row in zip(report.labels, found.model.confusion, strict=True)]
        parts += ["confusion, gold by row, predicted by column", table(confusion, ["", *report.labels])]
    return "\n\n".join(parts)
