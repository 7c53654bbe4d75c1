"""Which utterances of a dataset a recipe makes windows of, and what it asks of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ecef_cli import output
from ecef_cli.samples.windows import samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecef_cli.manifest import Prepared
    from ecef_cli.recipe import Recipe
    from ecef_cli.samples.windows import Sample


def windowed(recipe: Recipe, prepared: Prepared, labels: Sequence[str] | None = None) -> Prepared:
    """Return the part of a dataset that a recipe makes windows of: without other utterances, where it drops them.

    Args:
        recipe: the recipe.
        prepared: the dataset.
        labels: the emotions; utterances that have none of them are the others. The dataset's own where None.
    """
    return prepared.labelled(labels or prepared.labels) if recipe.epc.others == "drop" else prepared


def recipe_samples(recipe: Recipe, prepared: Prepared, labels: Sequence[str]) -> dict[str, list[Sample]]:
    """Return the samples of each split by the recipe's protocol; warns of emotions that are none of the labels.

    Args:
        recipe: the recipe.
        prepared: what `windowed` returns.
        labels: the emotions by number.
    """
    emotions = Counter(u.emotion for dialogues in prepared.splits.values() for d in dialogues for u in d.utterances)
    others = {emotion: emotions[emotion] for emotion in prepared.labels if emotion not in labels and emotions[emotion]}
    if others:
        named = ", ".join(f"{emotion} ({count:,})" for emotion, count in others.items())
        output.warn(f"{prepared.name} has emotions that are not asked for, so that they are context alone: {named}")
    return {
        split: samples(
            split,
            dialogues,
            history=recipe.history,
            tasks=recipe.tasks,
            labels=labels,
            epc=recipe.epc,
            rows=None if prepared.rows is None else prepared.rows[split],
        )
        for split, dialogues in prepared.splits.items()
    }
