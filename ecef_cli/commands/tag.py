"""`ecef tag`: tag word pairs with recurrence and relations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ecef_cli import output
from ecef_cli.errors import UsageProblem

if TYPE_CHECKING:
    from ecef_cli.workspace import Workspace


@click.command("tag")
@click.argument("file", required=False, type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--relations",
    metavar="A,B,…",
    help="Relations that tie two words; the paper's are IsA,HasContext,Causes.",
)
@click.option("--tagger", metavar="NAME", help="Source of relations; `ecef plugins` lists them. [default: conceptnet]")
@click.option(
    "--history",
    type=click.IntRange(min=1),
    help="Utterances in a window: words further apart are not paired. [default: the recipe's, or 8]",
)
@click.option("--dataset", "datasets", multiple=True, metavar="NAME", help="A prepared dataset; may be repeated.")
@click.option("--recipe", metavar="NAME", help="Take tagger, relations, history and dataset from a recipe.")
@click.option("--format", "form", type=click.Choice(output.FORMATS), help="[default: table, in a pipe jsonl]")
@click.option("--force", is_flag=True, help="Make the tags of the datasets anew.")
@click.pass_obj
def command(
    workspace: Workspace,
    file: Path | None,
    relations: str | None,
    tagger: str | None,
    history: int | None,
    datasets: tuple[str, ...],
    recipe: str | None,
    form: str | None,
    force: bool,
) -> None:
    """Tag word pairs: which content words recur, and which are related.

    Without FILE, tags every prepared dataset of the workspace (or those of --dataset), stores the tags there,
    and counts them. With FILE, dialogues in JSON Lines or - for stdin, prints the tags of each dialogue: as a
    table, one cell a pair of content words; otherwise one row a tagged pair.
    """
    from ecef_cli.dialogue import read_dialogues
    from ecef_cli.tagging.choice import choose_tagger, tag_datasets
    from ecef_cli.tagging.report import show, tag_dialogue

    choice = choose_tagger(name=tagger, relations=relations, history=history, recipe=recipe)
    if file is None:
        output.records(tag_datasets(workspace, choice, datasets, force=force), wanted=form)
    elif datasets or force:
        raise UsageProblem("FILE goes with neither --dataset nor --force", hint="they are for prepared datasets")
    else:
        show([tag_dialogue(d, choice.tagger, choice.history) for d in read_dialogues(file)], wanted=form)
