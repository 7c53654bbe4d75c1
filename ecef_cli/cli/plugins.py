"""`ecef plugins`: what is installed."""

from __future__ import annotations

import click

from ecef_cli import console
from ecef_cli.plugin.manager import KINDS, get_registry


@click.command("plugins")
@click.option("--kind", type=click.Choice(KINDS), help="Only components of one kind.")
@click.option(
    "--format",
    "form",
    type=click.Choice(console.FORMATS),
    help="Default: table on a terminal, jsonl in a pipe.",
)
def command(kind: str | None, form: str | None) -> None:
    """List the installed components: kind, name, distribution, version and summary.

    A plugin that fails to load costs one line on stderr. ECEF_PLUGINS=a,b loads only those plugins beside the
    built-in ones; ECEF_STRICT_PLUGINS=1 makes a failure fatal.
    """
    columns = ("kind", "name", "distribution", "version", "summary")
    rows = [{column: getattr(e, column) for column in columns} for e in get_registry().entries(kind)]
    console.records(rows, wanted=form, columns=columns)
