"""Split recognised speech into utterances of a few seconds, at pauses and at the ends of sentences."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ecef_cli.api.components import SpokenSegment, SpokenWord

PAUSE = 0.8
"""Seconds of silence that end an utterance."""
LONGEST = 15.0
"""Seconds after which an utterance without a pause or the end of a sentence is divided."""

_SHORT = 1.0  # seconds; a shorter sentence, such as "Yes.", stays with the next one
_BREATH = 0.3  # seconds of silence after which it does not
_COMMA = 0.3  # seconds that a comma is worth where a long utterance is divided
_LEAST = 0.02  # seconds; a recogniser may give a word no length
_END = re.compile(r"[.?!\u2026\u3002\uff1f\uff01\u061f\u0964][\"'\u00bb\u201d\u2019)\]]*$")
_CLAUSE = re.compile(r"[,;:\uff0c\u3001\uff1b\uff1a\u060c][\"'\u00bb\u201d\u2019)\]]*$")
_ABBREVIATION = re.compile(r"(?:^|[\s.(\"'])(?:mr|mrs|ms|dr|prof|st|jr|sr|vs|(?!i)[^\W\d_])\.$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Spoken:
    """An utterance as it was recognised.

    Attributes:
        text: the text.
        start: seconds from the start of the recording.
        end: seconds from the start of the recording, after `start`.
        words: the words; empty if the transcriber has no times of words.
        channel: the channel of the recording, from 1; None for all together.
    """

    text: str
    start: float
    end: float
    words: tuple[SpokenWord, ...] = ()
    channel: int | None = None


def split(segments: Iterable[SpokenSegment], *, channel: int | None = None) -> Iterator[Spoken]:
    """Yield the utterances of one channel. All words are kept, with their times.

    An utterance ends at a pause of `PAUSE` seconds and at the end of a sentence, across the borders of segments. A
    sentence shorter than a second stays with the one that follows at once. A segment without words is one utterance.

    Args:
        segments: the speech, in order of time.
        channel: the channel of the recording.
    """
    words: list[SpokenWord] = []
    for segment in segments:
        if not segment.words:
            yield from _utterances(words, channel)
            words = []
            if segment.text.strip():
                end = max(segment.end, segment.start + _LEAST)
                yield Spoken(segment.text.strip(), segment.start, end, (), channel)
        for word in segment.words:
            if words and _ends(words, word):
                yield from _utterances(words, channel)
                words = []
            words.append(word)
    yield from _utterances(words, channel)


def _ends(words: Sequence[SpokenWord], following: SpokenWord) -> bool:
    """Return whether an utterance ends before a word."""
    pause = round(following.start - words[-1].end, 3)
    if pause >= PAUSE:
        return True
    short = words[-1].end - words[0].start < _SHORT and pause < _BREATH
    return not short and _sentence_ends(words[-1].text, following.text)


def _sentence_ends(word: str, following: str) -> bool:
    word, following = word.rstrip(), following.lstrip("\"'\u00ab\u201c\u2018([ ")
    return bool(_END.search(word)) and not _ABBREVIATION.search(word) and not following[:1].islower()


def _utterances(words: Sequence[SpokenWord], channel: int | None) -> Iterator[Spoken]:
    """Yield words as one utterance, or as several if they take longer than `LONGEST`."""
    if len(words) > 1 and words[-1].end - words[0].start > LONGEST:
        at = _best_cut(words)
        yield from _utterances(words[:at], channel)
        yield from _utterances(words[at:], channel)
        return
    text = "".join(word.text for word in words).strip()
    if text:
        end = max(words[-1].end, words[0].start + _LEAST)
        yield Spoken(text, words[0].start, end, tuple(words), channel)


def _best_cut(words: Sequence[SpokenWord]) -> int:
    """Return the number of words before the longest pause; a comma counts as one, and the middle wins ties."""

    def worth(at: int, before: SpokenWord, after: SpokenWord) -> tuple[float, float]:
        comma = _COMMA if _CLAUSE.search(before.text.rstrip()) else 0.0
        return round(after.start - before.end, 2) + comma, -abs(at - len(words) / 2)

    return max(enumerate(pairwise(words), start=1), key=lambda item: worth(item[0], *item[1]))[0]
