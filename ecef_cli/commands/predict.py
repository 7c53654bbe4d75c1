"""`ecef predict`: say what each utterance feels and what the next will feel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ecef_cli.commands.options import device_option, tolerate_option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ecef_cli.workspace import Workspace


@click.command("predict")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option("--model", metavar="RUN", help="A run by name or folder; the model that comes with ecef where left out.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "jsonl"]),
    help="Default: table on a terminal, JSON Lines in a pipe.",
)
@tolerate_option
@device_option
@click.pass_obj
def command(workspace: Workspace, file: str, model: str | None, form: str | None, tolerate: str, device: str) -> None:
    """Predict on FILE, dialogues in JSON Lines; `-` reads standard input and answers each line as it comes.

    Each row comes out again with "prediction" (what this utterance feels) and "forecast" (what the next one will
    feel), whichever the model was trained for. Nothing of a later row reaches an earlier answer.
    """
    from ecef_cli import output
    from ecef_cli.devices import resolve_device
    from ecef_cli.dialogue import open_utterances, to_json
    from ecef_cli.prediction.predictor import Predictor
    from ecef_cli.prediction.stream import predict_rows
    from ecef_cli.run import bundled_run, find_run
    from ecef_cli.tolerance import RowCount, Tolerance

    count = RowCount(Tolerance.parse(tolerate), "stdin" if file == "-" else file)
    with open_utterances(file) as utterances:
        run = find_run(workspace, model) if model else bundled_run()
        rows = predict_rows(Predictor(run, device=resolve_device(device)), utterances, count)
        if (file == "-" and form is None) or output.choose_format(form) == "jsonl":
            for row in rows:
                output.data(to_json(row), flush=True)
        else:
            output.data(_table(rows))


def _table(rows: Iterable[dict[str, Any]]) -> str:
    from ecef_cli.output import shortened, table

    def cell(answer: dict[str, Any] | None) -> str:
        return f"{answer['emotion']} {answer['probabilities'][answer['emotion']]:.2f}" if answer else ""

    lines = [
        [row["speaker"], shortened(row["text"]), cell(row.get("prediction")), cell(row.get("forecast"))] for row in rows
    ]
    return table(lines, ["speaker", "text", "feels", "next will feel"], widths=[16, 60, None, None])
