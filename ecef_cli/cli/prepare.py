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
    type=click.Path(path_type=Path, readable=False),  # the reader reports unreadable files
    multiple=True,
    help="File or folder to read; may be repeated.",
)
@click.option("--download", is_flag=True, help="First download the corpus, if it has a public address.")
@click.option("--name", help="Name of the dataset in the workspace. [default: the reader's name]")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Option of the reader; may be repeated.",
)
@click.option(
    "--tolerate",
    default="0",
    show_default=True,
    metavar="RATE|COUNT",
    help="Skip invalid rows and recordings, up to a share (1%) or a number (5) of them.",
)
@click.option(
    "--workers", type=click.IntRange(1), metavar="N", help="Recordings to decode at once. [default: one per processor]"
)
@click.option("--force", is_flag=True, help="Replace a dataset that was prepared from other sources or options.")
@click.option(
    "--check",
    "subject",
    metavar="DIR|NAME",
    help="Check a prepared dataset, given by folder or name, and prepare nothing.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(console.FORMATS),
    help="Format of the counts or the checks. Default: table on a terminal, jsonl in a pipe.",
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

    `ecef plugins --kind dataset` lists the readers. Prints the number of utterances. Reports rows that were left out
    or repaired, and dialogues that are in two splits, on stderr and in the dataset's dataset.json. Opens every
    recording and stores its checksum; a recording that cannot be read counts as an invalid row. An interrupted
    download, and an interrupted unpacking or decoding of recordings, resume.

    Then checks the dataset: ids, order in time, labels, recordings, and its counts against published ones. `--check`
    repeats this for a prepared dataset, decodes every recording, and lists all problems; the exit code is 3 if a check
    fails.
    """
    if subject is not None:
        _check(ctx, subject, form)
        return
    if reader is None:
        raise click.UsageError("no READER given: name one of `ecef plugins --kind dataset`, or use --check", ctx)
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
    _report(made)
    console.records(count_rows(made.facts), wanted=form)


def _report(made: Preparation) -> None:
    """Print remarks, warnings and failed checks of a dataset, prepared now or earlier."""
    from ecef_cli.corpus.checks.check import SHOWN, problem_lines
    from ecef_cli.corpus.summary import remarks, warnings

    if not made.changed:
        console.note(f"nothing to do: {made.folder} is already prepared from these sources")
    for line in remarks(made.facts):
        console.note(line)
    for line in warnings(made.facts):
        console.warn(line)
    for check in made.checks:
        for line in problem_lines(check) if check.status in {"failed", "noted"} else ():
            console.warn(line)
    if any(len(check.problems) > SHOWN for check in made.checks):
        console.note(f"`ecef prepare --check {made.folder}` lists all of them")
    if made.changed:
        console.note(f"prepared: {made.folder}")
    elif any(check.status == "failed" for check in made.checks):
        console.note("the dataset has changed since it was prepared; run again with --force to prepare it anew")


def _check(ctx: click.Context, subject: str, form: str | None) -> None:
    from ecef_cli.corpus.checks.check import check_rows, raise_on_failure
    from ecef_cli.corpus.checks.dataset import check_folder, find_dataset
    from ecef_cli.corpus.checks.restoring import command_to_repeat
    from ecef_cli.corpus.checks.sound import READABLE

    for parameter in ctx.command.params:
        if parameter.name not in {"subject", "form"} and _is_given(ctx, parameter):
            written = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
            raise click.UsageError(f"--check cannot be combined with {written}, only with --format", ctx)
    folder = find_dataset(ctx.obj, subject)
    checks = check_folder(folder)
    wanted = console.choose_format(form)
    console.records(check_rows(checks, wanted), wanted=wanted)
    hint = f"prepare it again from its sources: `{command_to_repeat(folder)}`"
    if any(check.name == READABLE and check.status == "failed" for check in checks):
        # `prepare` reads only headers, so that preparing again alone need not notice the damage.
        hint = f"replace the damaged recordings, or remove them from the sources, and {hint}"
    raise_on_failure(checks, str(folder), hint=hint)


def _is_given(ctx: click.Context, parameter: click.Parameter) -> bool:
    source = None if parameter.name is None else ctx.get_parameter_source(parameter.name)
    return source is ParameterSource.COMMANDLINE
