"""Choose a tagger and its history from a recipe, from options, or both, and tag datasets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ecef_cli import console
from ecef_cli.api.errors import DataError, UsageProblem
from ecef_cli.corpus.manifest import load_prepared, longest
from ecef_cli.corpus.relabel import relabel
from ecef_cli.plugin.boundary import calling
from ecef_cli.plugin.manager import get_registry
from ecef_cli.recipe.model import build_component, load_recipe
from ecef_cli.recipe.options import parse_options
from ecef_cli.tagging.letters import relation_letters
from ecef_cli.tagging.stats import coverage
from ecef_cli.tagging.store import ensure_tags

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecef_cli.api.components import Tagger
    from ecef_cli.api.dialogue import Dialogue
    from ecef_cli.corpus.manifest import Prepared
    from ecef_cli.recipe.labels import LabelSet
    from ecef_cli.recipe.model import Recipe
    from ecef_cli.tagging.store import TagStore
    from ecef_cli.workspace import Workspace

DEFAULT_HISTORY = 8


@dataclass(frozen=True, slots=True)
class TaggerChoice:
    """A tagger with its history and labels.

    Attributes:
        name: its name.
        tagger: the component.
        history: utterances in a window; None for all from the start of a dialogue.
        dataset: the recipe's dataset, if there is a recipe.
        labelled: whether to drop utterances without an emotion before tagging.
        labels: the recipe's label set; None for the dataset's own labels.
    """

    name: str
    tagger: Tagger
    history: int | None
    dataset: str | None
    labelled: bool = False
    labels: LabelSet | None = None

    def reach(self, dialogue: Dialogue) -> int:
        """Return the maximum number of utterances of a dialogue in a window."""
        return self.history or longest([dialogue])


def choose_tagger(
    *,
    name: str | None,
    relations: str | None,
    history: int | None,
    recipe: str | None,
    settings: Sequence[str] = (),
) -> TaggerChoice:
    """Return the requested tagger; unset arguments come from the recipe, else from the defaults.

    Args:
        name: the tagger's name.
        relations: names of relations, separated by commas.
        history: utterances in a window.
        recipe: name or path of a recipe.
        settings: options of the tagger as `key=value`.

    Raises:
        RecipeError: the recipe, a relation or an option is wrong.
        PluginError: the tagger cannot be loaded.
        UsageProblem: there is no such tagger, the recipe has none and no name is given, or the relations are given
            twice.
    """
    loaded = load_recipe(recipe) if recipe else None
    chosen, options = _block(name, loaded)
    entry = get_registry().chosen("tagger", chosen)
    if settings:
        given = parse_options(settings, entry.load().Options)
        if relations is not None and "relations" in given:
            raise UsageProblem("--relations and --option relations are the same", hint="give one of them")
        options |= given
    if relations is not None:
        options["relations"] = [part.strip() for part in relations.split(",") if part.strip()]
    tagger = cast("Tagger", build_component("tagger", chosen, options))
    return TaggerChoice(
        name=chosen,
        tagger=tagger,
        history=history or (loaded.history if loaded else DEFAULT_HISTORY),
        dataset=loaded.dataset if loaded else None,
        labelled=loaded is not None and loaded.epc.others == "drop",
        labels=loaded.labels if loaded else None,
    )


def _block(name: str | None, recipe: Recipe | None) -> tuple[str, dict[str, Any]]:
    block = recipe.tagger if recipe else None
    if recipe and block is None and name is None:
        raise UsageProblem(f"recipe {recipe.name} has no tagger", hint="add --tagger, or omit --recipe")
    if block is not None and name in {None, block.name}:
        return block.name, block.options
    return name or default_tagger(), {}


def default_tagger() -> str:
    """Return the tagger that is meant where none is named: the built-in one, or else the only one.

    Raises:
        UsageProblem: several are as likely, or none is installed.
    """
    every = get_registry().entries("tagger")
    likely = [entry.name for entry in every if entry.built_in] or [entry.name for entry in every]
    if len(likely) != 1:
        known = ", ".join(likely)
        hint = f"choose one with --tagger: {known}" if known else "`ecef plugins` lists what is installed"
        raise UsageProblem(f"{len(likely)} taggers are installed, and none is named", hint=hint)
    return likely[0]


def download(choice: TaggerChoice) -> None:
    """Download the data of the tagger's source, with a progress bar.

    Raises:
        UsageProblem: there is nothing to download.
    """
    watch = console.Stopwatch()
    with console.Progress(None, "download", "bytes") as bar, calling(choice.tagger, "download"):
        path = choice.tagger.download(bar.reach)
    console.note(f"{path}: downloaded in {watch.seconds:.1f} s")


def list_relations(choice: TaggerChoice) -> list[dict[str, Any]]:
    """Return the relations that the tagger's source holds, the commonest first: name, letters in a tag, pairs."""
    with calling(choice.tagger, "available"):
        found = dict(choice.tagger.available())
    letters = relation_letters(choice.tagger, found)
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [{"relation": name, "letters": letters[name], "pairs": count} for name, count in ordered]


def tag_datasets(
    workspace: Workspace, choice: TaggerChoice, names: Sequence[str], *, force: bool = False
) -> list[dict[str, Any]]:
    """Tag prepared datasets and return the counts, one row per dataset.

    Args:
        workspace: where the datasets are.
        choice: the tagger.
        names: the datasets; if empty, the recipe's, or else all.
        force: tag again, even if tags exist.

    Raises:
        DataError: a dataset is not prepared, or there are no datasets.
        PluginError: the tagger violates its contract.
    """
    rows = []
    for prepared, store in _tagged(workspace, choice, names, force=force):
        total = store.total()
        rows.append(
            {
                "dataset": prepared.name,
                "dialogues": total.dialogues,
                "content_words": total.content_words,
                "pairs": total.pairs,
                "recurrences": total.recurrences,
                **total.relations,
            }
        )
    return rows


def dataset_stats(
    workspace: Workspace, choice: TaggerChoice, names: Sequence[str], *, force: bool = False
) -> list[dict[str, Any]]:
    """Tag prepared datasets and return the coverage of the source, one row per dataset.

    Arguments and errors as for `tag_datasets`.
    """
    return [
        {"dataset": prepared.name, **coverage(prepared, store, choice.tagger)}
        for prepared, store in _tagged(workspace, choice, names, force=force)
    ]


def _tagged(
    workspace: Workspace, choice: TaggerChoice, names: Sequence[str], *, force: bool
) -> Iterator[tuple[Prepared, TagStore]]:
    wanted = tuple(names) or ((choice.dataset,) if choice.dataset else workspace.datasets())
    if not wanted:
        raise DataError(
            f"no prepared dataset in the workspace {workspace.root}",
            hint="run `ecef prepare` first, or pass a dialogue file: `ecef tag FILE.jsonl`",
        )
    for name in wanted:
        prepared = load_prepared(workspace, name)
        if choice.labels is not None:
            prepared = relabel(prepared, choice.labels)
        if choice.labelled:
            prepared = prepared.labelled(prepared.labels)
        history = choice.history or prepared.longest
        yield (
            prepared,
            ensure_tags(workspace, prepared, name=choice.name, tagger=choice.tagger, history=history, force=force),
        )
