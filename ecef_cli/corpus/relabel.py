"""Apply a label set to a prepared dataset."""

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
    """Return a dataset with the labels of a set; utterances with other emotions become unlabelled.

    Raises:
        DataError: none of its emotions has a label in the set.
    """

    def relabelled(utterance: Utterance) -> Utterance:
        label = labels.label_of(utterance)
        return utterance if label == utterance.emotion else replace(utterance, emotion=label)

    splits = {
        split: tuple(replace(d, utterances=tuple(map(relabelled, d.utterances))) for d in dialogues)
        for split, dialogues in prepared.splits.items()
    }
    if not any(u.emotion for dialogues in splits.values() for d in dialogues for u in d.utterances):
        raise DataError(
            f"no emotion of {prepared.name} ({', '.join(prepared.labels)}) has a label in {labels.name}",
            hint=f"its labels are {', '.join(labels.labels)}; write a label set of your own to name others",
        )
    return replace(prepared, labels=labels.labels, splits=splits)


def without_label(prepared: Prepared, labels: LabelSet) -> dict[str, int]:
    """Count the utterances of each emotion of a dataset without a label in a set."""
    every = (u for dialogues in prepared.splits.values() for d in dialogues for u in d.utterances)
    found = Counter(u.emotion for u in every if u.emotion is not None and labels.label_of(u) is None)
    return {emotion: found[emotion] for emotion in prepared.labels if found[emotion]}
