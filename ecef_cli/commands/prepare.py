"""`ecef prepare`: turn a corpus, or dialogue files, into a prepared dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ecef_cli import output

if TYPE_CHECKING:
    from ecef_cli.workspace import Workspace


@click.command("prepare")
@click.argument("reader")
@click.option(
    "--source",
    "sources",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A file or folder to read; may be given several times.",
)
@click.option("--download", is_flag=True, help="Fetch the corpus from its public addresses first, where there are any.")
@click.option("--name", help="Name of the dataset in the workspace; the reader's where not given.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the reader; may be given several times.",
)
@click.option(
    "--tolerate",
    default="0",
    show_default=True,
    metavar="RATE|COUNT",
    help="Go on without broken rows and recordings, up to a share such as 1% or a number such as 5.",
)
@click.option(
    "--workers", type=click.IntRange(1), metavar="N", help="Recordings to decode at once; default: one a processor."
)
@click.option("--force", is_flag=True, help="Replace a dataset that was prepared from something else.")
@click.option("--format", "form", type=click.Choice(output.FORMATS), help="How to write the counts.")
@click.pass_obj
def command(
    workspace: Workspace,
    reader: str,
    sources: tuple[Path, ...],
    download: bool,
    name: str | None,
    options: tuple[str, ...],
    tolerate: str,
    workers: int | None,
    force: bool,
    form: str | None,
) -> None:
    """Turn a corpus into a prepared dataset with READER, such as `meld`, or `jsonl` for your own files.

    `ecef plugins` lists the readers. The numbers of utterances go to stdout. What was left out or repaired,
    and dialogues that stand in two splits, go to stderr and into the dataset's dataset.json. Every recording is
    opened and known by its checksum from then on; a broken one counts as a broken row. A download, and recordings
    that are unpacked and decoded, go on where they were stopped.
    """
    from ecef_cli.findings import count_rows, remarks, warnings
    from ecef_cli.preparing import prepare

    made = prepare(
        workspace,
        reader,
        sources,
        name=name,
        options=options,
        tolerate=tolerate,
        force=force,
        download=download,
        workers=workers,
    )
    if made.changed:
        for line in remarks(made.facts):
            output.note(line)
        for line in warnings(made.facts):
            output.warn(line)
        output.note(f"prepared: {made.folder}")
    else:
        output.note(f"nothing to do: {made.folder} was prepared from these very sources")
    output.records(count_rows(made.facts), wanted=form)
