"""`ecef plugins`: list the installed components."""

from __future__ import annotations

import click

from ecef_cli import console
from ecef_cli.plugin.manager import KINDS, get_registry


@click.command("plugins")
@click.option("--kind", type=click.Choice(KINDS), help="List only components of this kind.")
@click.option(
    "--format",
    "form",
    type=click.Choice(console.FORMATS),
    help="Default: table on a terminal, jsonl in a pipe.",
)
def command(kind: str | None, form: str | None) -> None:
    """List the installed components: kind, name, distribution, version and summary.

    A plugin that fails to load is reported on stderr and skipped; with ECEF_STRICT_PLUGINS=1 it is an error.
    ECEF_PLUGINS=a,b loads only these plugins besides the built-in ones.
    """
    columns = ("kind", "name", "distribution", "version", "summary")
    rows = [{column: getattr(e, column) for column in columns} for e in get_registry().entries(kind)]
    console.records(rows, wanted=form, columns=columns)
