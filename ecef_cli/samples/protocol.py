"""Apply a recipe's protocol to a dataset: labels, windows and targets."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ecef_cli import console
from ecef_cli.corpus.manifest import load_prepared
from ecef_cli.corpus.relabel import relabel, without_label
from ecef_cli.samples.windows import samples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecef_cli.corpus.manifest import Prepared
    from ecef_cli.recipe.labels import LabelSet
    from ecef_cli.recipe.model import Recipe
    from ecef_cli.samples.windows import Sample
    from ecef_cli.workspace import Workspace


def recipe_dataset(workspace: Workspace, recipe: Recipe, *, tell: bool = False) -> Prepared:
    """Return the dataset of a recipe, with the recipe's labels.

    Args:
        workspace: the workspace of the dataset.
        recipe: the recipe.
        tell: whether to warn about emotions without a label.

    Raises:
        DataError: the dataset is not prepared, or none of its emotions has a label.
    """
    prepared = load_prepared(workspace, recipe.dataset)
    if recipe.labels is None:
        return prepared
    if tell:
        _warn_of_others(prepared, without_label(prepared, recipe.labels))
        _tell_column(prepared, recipe.labels)
    return relabel(prepared, recipe.labels)


def _tell_column(prepared: Prepared, labels: LabelSet) -> None:
    rows = (u.row for dialogues in prepared.splits.values() for dialogue in dialogues for u in dialogue.utterances)
    if labels.column is not None and not any(labels.column in row for row in rows):
        console.note(f"no row of {prepared.name} has {labels.column!r}: using emotions alone for {labels.name}")


def windowed(recipe: Recipe, prepared: Prepared, labels: Sequence[str] | None = None) -> Prepared:
    """Return the part of a dataset for a recipe's windows, without unlabelled utterances if the recipe drops them.

    Args:
        recipe: the recipe.
        prepared: the dataset.
        labels: the emotions; None for the dataset's own. Utterances with none of them are unlabelled.
    """
    return prepared.labelled(labels or prepared.labels) if recipe.epc.others == "drop" else prepared


def recipe_samples(recipe: Recipe, prepared: Prepared, labels: Sequence[str]) -> dict[str, list[Sample]]:
    """Return the samples of each split by the recipe's protocol; warn about emotions that are not labels.

    Args:
        recipe: the recipe.
        prepared: the result of `windowed`.
        labels: the emotions by number.
    """
    emotions = Counter(u.emotion for dialogues in prepared.splits.values() for d in dialogues for u in d.utterances)
    others = {emotion: emotions[emotion] for emotion in prepared.labels if emotion not in labels and emotions[emotion]}
    _warn_of_others(prepared, others)
    return {
        split: samples(
            split,
            dialogues,
            history=recipe.history,
            tasks=recipe.tasks,
            labels=labels,
            epc=recipe.epc,
            rows=None if prepared.rows is None else prepared.rows[split],
            sentiments=recipe.sentiments,
        )
        for split, dialogues in prepared.splits.items()
    }


def _warn_of_others(prepared: Prepared, others: Mapping[str, int]) -> None:
    if others:
        named = ", ".join(f"{emotion} ({count:,})" for emotion, count in others.items())
        console.warn(f"{prepared.name} has emotions that are not labels; their utterances are context only: {named}")
