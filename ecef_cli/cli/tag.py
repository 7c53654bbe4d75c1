"""`ecef tag`: tag word pairs with recurrence and relations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ecef_cli import console
from ecef_cli.api.errors import UsageProblem
from ecef_cli.cli.transcript_options import from_option, transcript_choice

if TYPE_CHECKING:
    from ecef_cli.workspace import Workspace


@click.command("tag")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option(
    "--relations",
    metavar="A,B,…",
    help="Relations that tie two words; the paper's are IsA,HasContext,Causes.",
)
@click.option(
    "--tagger", metavar="NAME", help="Source of relations; `ecef plugins` lists them. [default: the built-in one]"
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the tagger; may be given several times.",
)
@from_option
@click.option(
    "--from-option",
    "reader_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Option of the reader of FILE, such as text=COLUMN or encoding=cp1251; may be repeated.",
)
@click.option(
    "--history",
    type=click.IntRange(min=1),
    help="Utterances in a window: words further apart are not paired. [default: the recipe's, or 8]",
)
@click.option("--download", "fetch", is_flag=True, help="First download the tagger's source into the user's cache.")
@click.option("--list-relations", "listing", is_flag=True, help="List the relations that the source holds.")
@click.option("--explain", is_flag=True, help="Print the statements behind the tags of FILE.")
@click.option("--stats", is_flag=True, help="Print how far the source covers the datasets.")
@click.option("--dataset", "datasets", multiple=True, metavar="NAME", help="A prepared dataset; may be repeated.")
@click.option("--recipe", metavar="NAME", help="Take tagger, relations, history and dataset from a recipe.")
@click.option("--format", "form", type=click.Choice(console.FORMATS), help="[default: table, in a pipe jsonl]")
@click.option("--force", is_flag=True, help="Make the tags of the datasets anew.")
@click.pass_obj
def command(
    workspace: Workspace,
    file: Path | None,
    relations: str | None,
    tagger: str | None,
    options: tuple[str, ...],
    source_format: str | None,
    reader_options: tuple[str, ...],
    history: int | None,
    fetch: bool,
    listing: bool,
    explain: bool,
    stats: bool,
    datasets: tuple[str, ...],
    recipe: str | None,
    form: str | None,
    force: bool,
) -> None:
    """Tag word pairs: which content words recur, and which are related.

    Without FILE, tags every prepared dataset of the workspace (or those of --dataset), stores the tags there,
    and counts them. With FILE, a transcript of any format or - for JSON Lines on stdin, prints the tags of each
    dialogue: as a table, one cell a pair of content words; otherwise one row a tagged pair.

    A tagger may index a large source when it is first used, which takes minutes; the index stays in the user's cache
    (ECEF_CACHE).
    """
    from ecef_cli.tagging.choice import choose_tagger, dataset_stats, download, list_relations, tag_datasets
    from ecef_cli.tagging.explain import explain_dialogue, show_reasons
    from ecef_cli.tagging.report import show, tag_dialogue
    from ecef_cli.transcripts.opening import read_transcript

    _check_modes(file, datasets=datasets, force=force, listing=listing, explain=explain, stats=stats)
    transcript = transcript_choice(source_format, reader_options)
    choice = choose_tagger(name=tagger, relations=relations, history=history, recipe=recipe, settings=options)
    if fetch:
        download(choice)
    if listing:
        console.records(list_relations(choice), wanted=form)
    elif stats:
        console.records(dataset_stats(workspace, choice, datasets, force=force), wanted=form)
    elif file is None:
        if not (fetch and not workspace.datasets()):  # the download was what was asked for
            console.records(tag_datasets(workspace, choice, datasets, force=force), wanted=form)
    elif explain:
        reasons = [
            r for d in read_transcript(file, transcript) for r in explain_dialogue(d, choice.tagger, choice.reach(d))
        ]
        show_reasons(reasons, wanted=form)
    else:
        show([tag_dialogue(d, choice.tagger, choice.reach(d)) for d in read_transcript(file, transcript)], wanted=form)


def _check_modes(
    file: Path | None, *, datasets: tuple[str, ...], force: bool, listing: bool, explain: bool, stats: bool
) -> None:
    if listing + explain + stats > 1:
        raise UsageProblem("--list-relations, --explain and --stats are three commands", hint="give one of them")
    if listing and (file or datasets or force):
        raise UsageProblem("--list-relations is about the source alone", hint="leave out FILE, --dataset and --force")
    if file and stats:
        raise UsageProblem("--stats is about prepared datasets", hint="run `ecef prepare` for the file first")
    if file and (datasets or force):
        raise UsageProblem("FILE goes with neither --dataset nor --force", hint="they are for prepared datasets")
    if explain and not file:
        raise UsageProblem("--explain needs FILE", hint="`ecef tag FILE.jsonl --explain`")
