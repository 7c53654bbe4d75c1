"""Words with times and speakers, joined to turns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word of a recogniser.

    Attributes:
        text: the word; `joined` words carry their own spaces.
        start: seconds, or None.
        end: seconds, or None.
        speaker: the speaker, or None.
    """

    text: str
    start: float | None
    end: float | None
    speaker: Any = None


def turns(words: Iterable[SpokenWord], *, glued: bool = False, pause: float = math.inf) -> Iterator[dict[str, Any]]:
    """Yield a row per run of words of one speaker.

    Args:
        words: the words in the order of speech; one without a speaker belongs to the speaker before.
        glued: whether words carry their own spaces.
        pause: seconds of silence that end a turn.
    """
    for said in _runs(words, pause):
        speaker = said[0].speaker
        starts = [word.start for word in said if word.start is not None]
        ends = [word.end for word in said if word.end is not None]
        text = ("" if glued else " ").join(word.text if glued else word.text.strip() for word in said)
        yield {
            "text": text.strip(),
            "speaker": speaker,
            "start": min(starts, default=None),
            "end": max(ends, default=None),
        }


def _runs(words: Iterable[SpokenWord], pause: float) -> Iterator[list[SpokenWord]]:
    run: list[SpokenWord] = []
    for word in _told(words):
        if run:
            silence = 0.0 if word.start is None or run[-1].end is None else word.start - run[-1].end
            if word.speaker != run[-1].speaker or silence >= pause:
                yield run
                run = []
        run.append(word)
    if run:
        yield run


def _told(words: Iterable[SpokenWord]) -> Iterator[SpokenWord]:
    waiting: list[SpokenWord] = []
    speaker = None
    for word in words:
        if word.speaker is None and speaker is None:
            waiting.append(word)
            continue
        if speaker is None:  # words before the first known speaker are that speaker's
            yield from (SpokenWord(w.text, w.start, w.end, word.speaker) for w in waiting)
            waiting = []
        speaker = word.speaker if word.speaker is not None else speaker
        yield SpokenWord(word.text, word.start, word.end, speaker)
    yield from waiting
