"""`ecef doctor`: check the installation."""

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
    """Check the installation, and suggest a fix for each problem.

    Imports libraries and plugins, predicts on a sentence with the bundled model, writes and reads a recording of each
    format, and checks folders for free space. Downloads nothing.

    The status of a row is ok, note (a limitation; everything else works) or bad. The exit code is 1 if the bundled
    model cannot predict from text with the files on this machine, else 0.
    """
    from ecef_cli.api.errors import UsageProblem
    from ecef_cli.doctor.examination import examination, works

    if online and ctx.find_root().params["offline"]:
        raise UsageProblem("--online contacts servers, and --offline forbids that", hint="leave out one of the two")
    rows = examination(ctx.obj, online=online)
    if console.choose_format(form) == "table":
        _show(rows)
    else:
        console.records([asdict(row) for row in rows], wanted=form)
    ctx.exit(0 if works(rows) else 1)


def _show(rows: list[Row]) -> None:
    """Write a table, and the fixes below it, unwrapped so that commands can be copied."""
    cells = [[row.check, row.status, row.found] for row in rows]
    console.data(console.table(cells, ["check", "status", "found"], widths=_WIDTHS))
    advice = [f"  {row.check}: {row.cure}" for row in rows if row.cure]
    if advice:
        console.data("\n".join(["", "what to do", *advice]))
