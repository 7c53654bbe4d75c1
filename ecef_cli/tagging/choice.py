"""Which tagger tags, and how far it looks back: from a recipe, from options, or both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ecef_cli.errors import DataError, UsageProblem
from ecef_cli.manifest import load_prepared
from ecef_cli.recipe import build_component, load_recipe
from ecef_cli.tagging.store import ensure_tags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecef_cli.components import Tagger
    from ecef_cli.recipe import Recipe
    from ecef_cli.workspace import Workspace

DEFAULT_TAGGER = "conceptnet"
DEFAULT_HISTORY = 8


@dataclass(frozen=True, slots=True)
class TaggerChoice:
    """A tagger, ready to use.

    Attributes:
        name: its name.
        tagger: the component.
        options: its options, every default filled in.
        history: utterances in a window.
        dataset: the recipe's dataset, where there is a recipe.
    """

    name: str
    tagger: Tagger
    options: Mapping[str, Any]
    history: int
    dataset: str | None


def choose_tagger(*, name: str | None, relations: str | None, history: int | None, recipe: str | None) -> TaggerChoice:
    """Return the tagger that is asked for; what is left open comes from the recipe, else from the defaults.

    Args:
        name: the tagger's name.
        relations: names of relations, parted by commas.
        history: utterances in a window.
        recipe: name or path of a recipe.

    Raises:
        RecipeError: the recipe or a relation is wrong.
        PluginError: there is no such tagger.
        UsageProblem: the recipe has no tagger and no name is given.
    """
    loaded = load_recipe(recipe) if recipe else None
    chosen, options = _block(name, loaded)
    if relations is not None:
        options["relations"] = [part.strip() for part in relations.split(",") if part.strip()]
    tagger = cast("Tagger", build_component("tagger", chosen, options))
    return TaggerChoice(
        name=chosen,
        tagger=tagger,
        options=tagger.options.model_dump(mode="json"),
        history=history or (loaded.history if loaded else DEFAULT_HISTORY),
        dataset=loaded.dataset if loaded else None,
    )


def _block(name: str | None, recipe: Recipe | None) -> tuple[str, dict[str, Any]]:
    block = recipe.tagger if recipe else None
    if recipe and block is None and name is None:
        raise UsageProblem(f"recipe {recipe.name} has no tagger", hint="add --tagger, or leave out --recipe")
    if block is not None and name in {None, block.name}:
        return block.name, block.options
    return name or DEFAULT_TAGGER, {}


def tag_datasets(
    workspace: Workspace, choice: TaggerChoice, names: Sequence[str], *, force: bool = False
) -> list[dict[str, Any]]:
    """Tag prepared datasets and return what was found, one row a dataset.

    Args:
        workspace: where the datasets are.
        choice: the tagger.
        names: the datasets; where empty, the recipe's, or else all.
        force: make the tags anew.

    Raises:
        DataError: a dataset is not prepared, or there is none.
        PluginError: the tagger does not keep its contract.
    """
    wanted = tuple(names) or ((choice.dataset,) if choice.dataset else workspace.datasets())
    if not wanted:
        raise DataError(
            f"the workspace {workspace.root} holds no prepared dataset",
            hint="run `ecef prepare` first, or give a dialogue file: `ecef tag FILE.jsonl`",
        )
    rows = []
    for name in wanted:
        store = ensure_tags(
            workspace,
            load_prepared(workspace, name),
            name=choice.name,
            tagger=choice.tagger,
            options=choice.options,
            history=choice.history,
            force=force,
        )
        total = store.total()
        rows.append(
            {
                "dataset": name,
                "dialogues": total.dialogues,
                "content_words": total.content_words,
                "pairs": total.pairs,
                "recurrences": total.recurrences,
                **total.relations,
            }
        )
    return rows
