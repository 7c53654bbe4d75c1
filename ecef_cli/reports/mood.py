"""Summarise predicted rows: the share of each emotion by speaker and dialogue, and the turning points."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ecef_cli.prediction.outcomes import Predicted

SURE = 0.5
"""Least probability of an emotion on either side of a turning point."""


@dataclass(slots=True)
class Mood:
    """How a speaker of a dialogue felt.

    Attributes:
        dialogue: the dialogue.
        speaker: the speaker; None for the whole dialogue.
        emotions: utterances by recognised emotion.
        turns: utterance, earlier and new emotion wherever a speaker's emotion changed, both with at least `SURE`.
    """

    dialogue: str
    speaker: str | None
    emotions: Counter[str] = field(default_factory=Counter)
    turns: list[tuple[str | int, str, str]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as a row of output."""
        total = self.emotions.total()
        return {
            "dialogue": self.dialogue,
            "speaker": self.speaker,
            "utterances": total,
            "shares": {emotion: round(count / total, 4) for emotion, count in self.emotions.most_common()},
            "turning_points": [{"utterance": u, "from": old, "to": new} for u, old, new in self.turns],
        }


def moods(answered: Iterable[Predicted]) -> list[Mood]:
    """Return the mood of each dialogue and of each of its speakers, in the order in which they appear."""
    found: dict[tuple[str, str | None], Mood] = {}
    latest: dict[tuple[str, str], tuple[str, float]] = {}
    for item in answered:
        felt: Mapping[str, Any] | None = item.row.get("prediction")
        if felt is None:
            continue
        said, emotion = item.utterance, str(felt["emotion"])
        sure = float(felt["probabilities"][emotion])
        before, earlier = latest.get((said.dialogue, said.speaker), (emotion, 0.0))
        latest[said.dialogue, said.speaker] = (emotion, sure)
        for speaker in (None, said.speaker):
            mood = found.setdefault((said.dialogue, speaker), Mood(said.dialogue, speaker))
            mood.emotions[emotion] += 1
            if emotion != before and min(sure, earlier) >= SURE:
                mood.turns.append((said.utterance, before, emotion))
    return list(found.values())
