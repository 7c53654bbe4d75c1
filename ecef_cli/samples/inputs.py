"""Everything that a recipe's network is fed with, made where it is not there yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.features.extraction import Extraction, ensure_features
from ecef_cli.manifest import load_prepared
from ecef_cli.samples.batches import WindowInput, collate
from ecef_cli.samples.windows import samples, turns_ago, windows
from ecef_cli.tagging.store import ensure_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ecef_cli.components import TextEncoder
    from ecef_cli.features.store import FeatureStore
    from ecef_cli.manifest import Prepared
    from ecef_cli.recipe import Recipe
    from ecef_cli.samples.batches import Batch
    from ecef_cli.samples.windows import Sample
    from ecef_cli.tagging.store import TagStore
    from ecef_cli.workspace import Workspace


@dataclass(frozen=True)
class Inputs:
    """Samples of a prepared dataset with their tags and features.

    Attributes:
        prepared: the dataset.
        samples: by split, one sample an utterance.
        tags: the word-pair tags, or None without a tagger.
        features: the encoder's states.
    """

    prepared: Prepared
    samples: Mapping[str, Sequence[Sample]]
    tags: TagStore | None
    features: FeatureStore

    def window(self, sample: Sample) -> WindowInput:
        """Return a sample with its features and tags."""
        if self.tags is None:
            importance = np.zeros(sample.positions, dtype=np.float32)
        else:
            importance = self.tags.dialogue(sample.split, sample.dialogue).importance(sample.first, sample.last)
        features = self.features.read(sample.split, sample.number)
        return WindowInput(features, importance, turns_ago(sample.sizes), sample.targets)

    def batch(self, chosen: Iterable[Sample]) -> Batch:
        """Return samples as a batch."""
        return collate([self.window(sample) for sample in chosen])


def load_inputs(
    workspace: Workspace, recipe: Recipe, encoder: TextEncoder, *, labels: Sequence[str] | None = None
) -> Inputs:
    """Return the inputs of a recipe; tags and features that are not there are made first.

    Args:
        workspace: where the dataset is.
        recipe: the recipe.
        encoder: the recipe's text encoder.
        labels: the labels that targets are numbered by; the dataset's own where None.

    Raises:
        DataError: the dataset is not prepared, or holds an emotion that is not among `labels`.
    """
    prepared = load_prepared(workspace, recipe.dataset)
    wanted = labels or prepared.labels
    found = {
        split: samples(split, dialogues, history=recipe.history, tasks=recipe.tasks, labels=wanted)
        for split, dialogues in prepared.splits.items()
    }
    tags = recipe_tags(workspace, recipe, prepared)
    return Inputs(prepared, found, tags, recipe_features(workspace, recipe, prepared, encoder))


def recipe_tags(workspace: Workspace, recipe: Recipe, prepared: Prepared, *, force: bool = False) -> TagStore | None:
    """Return the tags that a recipe asks for, or None where it has no tagger."""
    if recipe.tagger is None:
        return None
    return ensure_tags(
        workspace,
        prepared,
        name=recipe.tagger.name,
        tagger=recipe.component("tagger"),
        history=recipe.history,
        force=force,
    )


def recipe_features(
    workspace: Workspace, recipe: Recipe, prepared: Prepared, encoder: TextEncoder, *, force: bool = False
) -> FeatureStore:
    """Return the features that a recipe asks for."""
    extraction = Extraction(
        encoder, recipe.text_encoder.name, recipe.text_encoder.options, recipe.history, recipe.features.dtype
    )
    ends = {split: list(windows(dialogues, recipe.history)) for split, dialogues in prepared.splits.items()}
    return ensure_features(workspace, prepared, ends, extraction, force=force)
