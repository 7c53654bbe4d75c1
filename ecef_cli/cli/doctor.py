"""`ecef doctor`: examine the installation."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ecef_cli import console

if TYPE_CHECKING:
    from ecef_cli.doctor.rows import Row

_WIDTHS = (24, None, 90)


@click.command("doctor")
@click.option("--online", is_flag=True, help="Also ask the model hub and the server of the bundled model's tagger.")
@click.option(
    "--format",
    "form",
    type=click.Choice(console.FORMATS),
    help="Default: table on a terminal, jsonl in a pipe.",
)
@click.pass_context
def command(ctx: click.Context, online: bool, form: str | None) -> None:
    """Examine the installation, and say what to do about each fault.

    Libraries and plugins are imported, the bundled model predicts on a sentence, recordings of each format are
    written and read, and folders are checked for space. Nothing is downloaded.

    The status of a row is ok, note (a limitation that leaves everything else working) or bad. The exit code is 1 if
    the bundled model cannot predict on text from what is on this machine, else 0.
    """
    from ecef_cli.api.errors import UsageProblem
    from ecef_cli.doctor.examination import examination, works

    if online and ctx.find_root().params["offline"]:
        raise UsageProblem("--online asks servers, and --offline forbids it", hint="leave one of the two out")
    rows = examination(ctx.obj, online=online)
    if console.choose_format(form) == "table":
        _show(rows)
    else:
        console.records([asdict(row) for row in rows], wanted=form)
    ctx.exit(0 if works(rows) else 1)


def _show(rows: list[Row]) -> None:
    """Write a table, and below it what to do: commands that can be copied are not wrapped."""
    cells = [[row.check, row.status, row.found] for row in rows]
    console.data(console.table(cells, ["check", "status", "found"], widths=_WIDTHS))
    advice = [f"  {row.check}: {row.cure}" for row in rows if row.cure]
    if advice:
        console.data("\n".join(["", "what to do", *advice]))
