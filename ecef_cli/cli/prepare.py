"""`ecef prepare`: turn a corpus, or dialogue files, into a prepared dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ecef_cli import console

if TYPE_CHECKING:
    from ecef_cli.corpus.prepare import Preparation


@click.command("prepare")
@click.argument("reader", required=False)
@click.option(
    "--source",
    "sources",
    type=click.Path(path_type=Path, readable=False),  # who reads it tells what is wrong with it
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
@click.option(
    "--check",
    "subject",
    metavar="DIR|NAME",
    help="Check a prepared dataset, by its folder or its name in the workspace; prepare nothing.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(console.FORMATS),
    help="How to write the counts, or the checks. Default: table on a terminal, jsonl in a pipe.",
)
@click.pass_context
def command(
    ctx: click.Context,
    reader: str | None,
    sources: tuple[Path, ...],
    download: bool,
    name: str | None,
    options: tuple[str, ...],
    tolerate: str,
    workers: int | None,
    force: bool,
    subject: str | None,
    form: str | None,
) -> None:
    """Turn a corpus into a prepared dataset with READER, such as `jsonl` for your own files.

    `ecef plugins` lists the readers. The numbers of utterances go to stdout. What was left out or repaired,
    and dialogues that stand in two splits, go to stderr and into the dataset's dataset.json. Every recording is
    opened and known by its checksum from then on; a broken one counts as a broken row. A download, and recordings
    that are unpacked and decoded, go on where they were stopped.

    What was prepared is checked: ids, the order in time, labels, recordings, and the numbers against those that are
    published. `--check` does so with a dataset that lies in a workspace, decodes every recording, and lists all that
    is not well; where a check fails, the exit code is 3.
    """
    if subject is not None:
        _check(ctx, subject, form)
        return
    if reader is None:
        raise click.UsageError("READER is missing: name the reader of a corpus, or --check a dataset", ctx)
    from ecef_cli.corpus.prepare import prepare
    from ecef_cli.corpus.summary import count_rows

    made = prepare(
        ctx.obj,
        reader,
        sources,
        name=name,
        options=options,
        tolerate=tolerate,
        force=force,
        download=download,
        workers=workers,
    )
    _tell(made)
    console.records(count_rows(made.facts), wanted=form)


def _tell(made: Preparation) -> None:
    """Say what is to be known of a dataset, whether it was prepared just now or before."""
    from ecef_cli.corpus.checks.check import SHOWN, problem_lines
    from ecef_cli.corpus.summary import remarks, warnings

    if not made.changed:
        console.note(f"nothing to do: {made.folder} was prepared from these very sources")
    for line in remarks(made.facts):
        console.note(line)
    for line in warnings(made.facts):
        console.warn(line)
    for check in made.checks:
        for line in problem_lines(check) if check.status in {"failed", "noted"} else ():
            console.warn(line)
    if any(len(check.problems) > SHOWN for check in made.checks):
        console.note(f"`ecef prepare --check {made.folder}` lists all of these")
    if made.changed:
        console.note(f"prepared: {made.folder}")
    elif any(check.status == "failed" for check in made.checks):
        console.note("the dataset is not as it was prepared: --force makes it anew")


def _check(ctx: click.Context, subject: str, form: str | None) -> None:
    from ecef_cli.corpus.checks.check import check_rows, raise_on_failure
    from ecef_cli.corpus.checks.dataset import check_folder, find_dataset
    from ecef_cli.corpus.checks.restoring import command_to_repeat
    from ecef_cli.corpus.checks.sound import READABLE

    for parameter in ctx.command.params:
        if parameter.name not in {"subject", "form"} and _is_given(ctx, parameter):
            written = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
            raise click.UsageError(f"--check goes with --format alone, not with {written}", ctx)
    folder = find_dataset(ctx.obj, subject)
    checks = check_folder(folder)
    wanted = console.choose_format(form)
    console.records(check_rows(checks, wanted), wanted=wanted)
    hint = f"prepare it again from its sources: `{command_to_repeat(folder)}`"
    if any(check.name == READABLE and check.status == "failed" for check in checks):
        # What `prepare` reads of a recording was well when it was prepared, and may be well again.
        hint = f"put whole recordings in the place of those, or take them out of the sources, and {hint}"
    raise_on_failure(checks, str(folder), hint=hint)


def _is_given(ctx: click.Context, parameter: click.Parameter) -> bool:
    source = None if parameter.name is None else ctx.get_parameter_source(parameter.name)
    return source is ParameterSource.COMMANDLINE
