"""Give a prepared dataset the labels of a set."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from ecef_cli.api.errors import DataError

if TYPE_CHECKING:
    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.corpus.manifest import Prepared
    from ecef_cli.recipe.labels import LabelSet


def relabel(prepared: Prepared, labels: LabelSet) -> Prepared:
    """Return a dataset with the labels of a set; an utterance whose emotion has none becomes one without an emotion.

    Raises:
        DataError: none of its emotions has a label.
    """

    def said(utterance: Utterance) -> Utterance:
        label = labels.label_of(utterance)
        return utterance if label == utterance.emotion else replace(utterance, emotion=label)

    splits = {
        split: tuple(replace(d, utterances=tuple(map(said, d.utterances))) for d in dialogues)
        for split, dialogues in prepared.splits.items()
    }
    if not any(u.emotion for dialogues in splits.values() for d in dialogues for u in d.utterances):
        raise DataError(
            f"{prepared.name} has no emotion that {labels.name} has a label for: its own are "
            f"{', '.join(prepared.labels)}",
            hint=f"the labels are {', '.join(labels.labels)}; a set of your own may name others",
        )
    return replace(prepared, labels=labels.labels, splits=splits)


def without_label(prepared: Prepared, labels: LabelSet) -> dict[str, int]:
    """Return the emotions of a dataset that have no label in a set, each with the number of its utterances."""
    every = (u for dialogues in prepared.splits.values() for d in dialogues for u in d.utterances)
    found = Counter(u.emotion for u in every if u.emotion is not None and labels.label_of(u) is None)
    return {emotion: found[emotion] for emotion in prepared.labels if found[emotion]}
