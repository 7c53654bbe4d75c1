"""Published counts of MELD."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ecef_datasets.meld_clips import PUBLISHED
from ecef_datasets.published import differences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecef_cli.api.components import Corpus

DIALOGUES: Mapping[str, int] = {"train": 1_038, "dev": 114, "test": 280}
"""Dialogues by split, from the official tables. The README counts 1,039 in train, but id 60 does not exist."""

EMOTIONS: Mapping[str, Mapping[str, int]] = {
    "train": {
        "neutral": 4_710,
        "surprise": 1_205,
        "fear": 268,
        "sadness": 683,
        "joy": 1_743,
        "disgust": 271,
        "anger": 1_109,
    },
    "dev": {"neutral": 470, "surprise": 150, "fear": 40, "sadness": 111, "joy": 163, "disgust": 22, "anger": 153},
    "test": {"neutral": 1_256, "surprise": 281, "fear": 50, "sadness": 208, "joy": 402, "disgust": 68, "anger": 345},
}
"""Utterances of each emotion by split, from the README; the official tables agree."""


def compare(corpus: Corpus) -> tuple[str, ...]:
    """Return differences from the published counts."""
    found: dict[str, int] = {}
    published: dict[str, int] = {}
    for split, numbers in EMOTIONS.items():
        dialogues = corpus.splits.get(split, ())
        emotions = Counter(utterance.emotion for dialogue in dialogues for utterance in dialogue.utterances)
        found |= {f"dialogues in {split}": len(dialogues), f"utterances in {split}": emotions.total()}
        found |= {f"{label} in {split}": emotions[label] for label in numbers}
        published |= {f"dialogues in {split}": DIALOGUES[split], f"utterances in {split}": PUBLISHED[split]}
        published |= {f"{label} in {split}": number for label, number in numbers.items()}
    return differences(found, published, "the official tables")
