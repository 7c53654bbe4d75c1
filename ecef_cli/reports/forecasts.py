"""Compare forecasts (EPC) with the actual emotions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecef_cli.prediction.outcomes import Predicted


@dataclass(frozen=True, slots=True)
class Check:
    """A forecast and its outcome.

    Attributes:
        made: number of the utterance at which it was made, in the dialogue, from 0.
        came: number of its target utterance.
        forecast: the forecast emotion.
        probability: its probability.
        recognised: the emotion that the model recognised in the target utterance; None without recognition.
        gold: the emotion of the target's row, if it has one.
    """

    made: int
    came: int
    forecast: str
    probability: float
    recognised: str | None
    gold: str | None

    @property
    def judge(self) -> str | None:
        """The emotion to compare with: the row's own if it has one, else the recognised one."""
        return self.gold or self.recognised

    @property
    def agrees(self) -> bool | None:
        """Whether the forecast is that emotion; None if it is unknown."""
        return None if self.judge is None else self.forecast == self.judge


def check_forecasts(answered: Sequence[Predicted], target: str) -> tuple[Check, ...]:
    """Return the forecasts of a dialogue whose utterance came, in the order in which they were made.

    Args:
        answered: the dialogue's rows, in the order of speech.
        target: the target utterance: the `next` one, the next by an `other` speaker, or the speaker's `own` next.
    """
    speakers = [said.utterance.speaker for said in answered]
    checks = []
    for made, said in enumerate(answered):
        came = _target(speakers, made, target)
        forecast = said.row.get("forecast")
        if came is None or not forecast:
            continue
        later = answered[came]
        checks.append(
            Check(
                made=made,
                came=came,
                forecast=forecast["emotion"],
                probability=forecast["probabilities"][forecast["emotion"]],
                recognised=(later.row.get("prediction") or {}).get("emotion"),
                gold=later.utterance.emotion,
            )
        )
    return tuple(checks)


def _target(speakers: Sequence[str], made: int, target: str) -> int | None:
    """Return the number of a forecast's target utterance, or None if it does not exist."""
    for number in range(made + 1, len(speakers)):
        own = speakers[number] == speakers[made]
        if target == "next" or own == (target == "own"):
            return number
    return None
