"""Render the page of `ecef predict --report`: dialogues with the predictions of each utterance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecef_cli import console
from ecef_cli.api.dialogue import Dialogue
from ecef_cli.api.errors import DataError
from ecef_cli.reports.cues import find_cues
from ecef_cli.reports.forecasts import check_forecasts
from ecef_cli.reports.model import identify
from ecef_cli.reports.page import LONGEST_TEXT, label_class, render, visible
from ecef_cli.reports.sound import HEIGHT, WIDTH, SoundReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecef_cli.prediction.outcomes import Predicted
    from ecef_cli.reports.cues import Cue, Cues
    from ecef_cli.reports.forecasts import Check
    from ecef_cli.reports.recorder import Recorded
    from ecef_cli.reports.sound import Sound
    from ecef_cli.runs.run import Run

BARS = 8
"""Maximum probabilities to show for a prediction; the smallest others are added up."""

PAIRS = 200
"""Maximum word pairs to list per dialogue."""

_LANE = 12  # utterances per row of lanes
_FEW = 6  # maximum speakers for which empty lanes are shown
_STRENGTHS = 3  # shades of a cue word


@dataclass(frozen=True, slots=True)
class Bar:
    """A probability in a page."""

    label: str
    style: str
    probability: float
    first: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A prediction in a page."""

    emotion: str
    style: str
    probability: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an utterance's text; a cue word if it has a cue."""

    text: str
    cue: Cue | None = None

    @property
    def strength(self) -> int:
        """Shade of the mark: 0 if it is related only to later words."""
        return min(self.cue.importance, _STRENGTHS) if self.cue else 0


@dataclass(frozen=True, slots=True)
class Turn:
    """An utterance in a page."""

    number: int
    anchor: int
    speaker: str
    lane: int
    id: str
    pieces: tuple[Piece, ...]
    cut: int
    recognised: Answer | None
    forecast: Answer | None
    gold: str | None
    gold_style: str
    checks: tuple[Check, ...]
    sound: Sound | None
    silence: str


@dataclass(frozen=True, slots=True)
class Talk:
    """A dialogue in a page."""

    id: str
    speakers: tuple[str, ...]
    turns: tuple[Turn, ...]
    checks: tuple[Check, ...]
    cues: Cues | None

    @property
    def systems(self) -> list[tuple[tuple[Turn, ...], list[int]]]:
        """Blocks of turns with the lanes to show beside them, like the systems of a score."""
        every = range(len(self.speakers))
        parts = [self.turns[at : at + _LANE] for at in range(0, len(self.turns), _LANE)]
        return [(part, list(every) if len(every) <= _FEW else sorted({t.lane for t in part})) for part in parts]

    @property
    def matched(self) -> tuple[int, int]:
        """Number of forecasts that agree with their outcome, and number of forecasts with a known outcome."""
        judged = [check.agrees for check in self.checks if check.agrees is not None]
        return sum(judged), len(judged)


def conversation_report(found: Recorded, run: Run, *, source: str, sound_limit: int) -> str:
    """Return the page for the predictions of a stream of rows.

    Args:
        found: the rows and the problems.
        run: the model.
        source: description of the input.
        sound_limit: maximum bytes of audio in the page.

    Raises:
        PluginError: the run's tagger violates its contract.
    """
    return _Builder(run, sound_limit).page(found, source)


class _Builder:
    def __init__(self, run: Run, sound_limit: int) -> None:
        self._run = run
        recipe = run.recipe
        reads = recipe.tagger is not None and recipe.reads("text")
        self._tagger = recipe.component("tagger") if reads else None
        self._target = recipe.epc.target
        self._limit, self._reader = sound_limit, SoundReader(sound_limit)
        self._anchor = 0
        self._mute = 0

    def page(self, found: Recorded, source: str) -> str:
        by_dialogue: dict[str, list[Predicted]] = {}
        for said in found.answered:
            by_dialogue.setdefault(said.utterance.dialogue, []).append(said)
        talks = [self._talk(name, members) for name, members in by_dialogue.items()]
        if self._mute:
            console.warn(f"recordings left out of the report, with the reason beside each: {self._mute:,}")
        return render(
            "conversation.html",
            source=source,
            talks=talks,
            found=found,
            labels=self._run.labels,
            models=[identify(self._run)],
            kwrt=self._tagger is not None,
            sound_limit=self._limit,
            sound_left_out=self._reader.left_out,
            width=WIDTH,
            height=HEIGHT,
            most_pairs=PAIRS,
            lane_length=_LANE,
            has_sound=any(turn.sound for talk in talks for turn in talk.turns),
        )

    def _talk(self, name: str, answered: Sequence[Predicted]) -> Talk:
        dialogue = Dialogue(name, tuple(said.utterance for said in answered))
        cues = find_cues(dialogue, self._tagger, self._run.recipe.history) if self._tagger else None
        checks = check_forecasts(answered, self._target)
        speakers = tuple(dict.fromkeys(u.speaker for u in dialogue.utterances))
        turns = tuple(
            self._turn(
                number,
                said,
                lane=speakers.index(said.utterance.speaker),
                cues=cues.utterances[number] if cues else (),
                checks=tuple(check for check in checks if check.came == number),
            )
            for number, said in enumerate(answered)
        )
        return Talk(name, speakers, turns, checks, cues)

    def _turn(self, number: int, said: Predicted, *, lane: int, cues: Sequence[Cue], checks: tuple[Check, ...]) -> Turn:
        utterance, row = said.utterance, said.row
        sound, silence = self._sound(said)
        self._anchor += 1
        return Turn(
            number=number,
            anchor=self._anchor,
            speaker=utterance.speaker,
            lane=lane,
            id=str(utterance.utterance),
            pieces=pieces(utterance.spoken, cues),
            cut=max(0, len(utterance.spoken) - LONGEST_TEXT),
            recognised=self._answer(row.get("prediction")),
            forecast=self._answer(row.get("forecast")),
            gold=utterance.emotion,
            gold_style=label_class(utterance.emotion or "", self._run.labels),
            checks=checks,
            sound=sound,
            silence=silence,
        )

    def _sound(self, said: Predicted) -> tuple[Sound | None, str]:
        if said.utterance.audio is None:
            return None, "its recording could not be read" if said.row.get("audio") else ""
        try:
            return self._reader.read(said.utterance), ""
        except DataError as error:
            self._mute += 1
            return None, f"its recording {error.problem}" if error.problem.startswith("lasts") else error.problem

    def _answer(self, answer: Mapping[str, Any] | None) -> Answer | None:
        if not answer:
            return None
        emotion, probabilities = answer["emotion"], answer["probabilities"]
        labels = self._run.labels
        shown = sorted(labels, key=lambda label: -probabilities[label])
        shown = shown if len(shown) <= BARS else shown[: BARS - 1]
        bars = [
            Bar(label, label_class(label, labels), probabilities[label], first=label == emotion)
            for label in labels
            if label in shown
        ]
        rest = [probabilities[label] for label in labels if label not in shown]
        if rest:
            bars.append(Bar(f"{len(rest)} others", "ex", sum(rest)))
        return Answer(emotion, label_class(emotion, labels), probabilities[emotion], tuple(bars))


def pieces(text: str, cues: Sequence[Cue]) -> tuple[Piece, ...]:
    """Return an utterance's text, split at its cue words, up to `LONGEST_TEXT` characters."""
    shown = text[:LONGEST_TEXT]
    found, at = [], 0
    for cue in cues:
        if cue.end > len(shown):
            break
        found += [Piece(visible(shown[at : cue.start])), Piece(visible(shown[cue.start : cue.end]), cue)]
        at = cue.end
    found.append(Piece(visible(shown[at:])))
    return tuple(piece for piece in found if piece.text)
