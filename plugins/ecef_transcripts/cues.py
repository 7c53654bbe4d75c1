"""Cues of subtitle files: lines of text between two times, with or without a speaker."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ecef_cli.api.components import TranscriptOptions
from ecef_cli.api.transcripts import TranscriptRow
from ecef_transcripts.speakers import PREFIX, has_title, is_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ecef_cli.api.transcripts import TranscriptSource

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_DASH = re.compile(r"[-\u2010-\u2013](?:\s+(?=\S)|(?=[^\W\d]))")
_PREFIX = re.compile(rf"(?:\[|\()?{PREFIX}(?:\]|\))?\s?:\s+(?=\S)")
_SEEN = 2  # turns that a name must stand before if it is not in capitals
_MOST = 0.8  # share of turns with a prefix from which any of them is a name


class SubtitleOptions(TranscriptOptions):
    """Speakers of subtitles."""

    speakers: Literal["prefix", "none"] = Field(
        "prefix", description="prefix: a `NAME:` before the words is the speaker; none: it is text"
    )


@dataclass(frozen=True, slots=True)
class Cue:
    """One cue of a subtitle file, or one speaker's part of it.

    Attributes:
        lines: its lines, without markup.
        start: seconds.
        end: seconds.
        where: `file:line` of its first line.
        speaker: the speaker, if markup names one.
    """

    lines: tuple[str, ...]
    start: float
    end: float
    where: str
    speaker: str | None = None


def times(line: str) -> tuple[float, float] | None:
    """Return start and end of a timing line in seconds, or None if it is another line."""
    match = TIMING.fullmatch(line)
    if match is None:
        return None
    parts = match.groups()
    return _seconds(*parts[:4]), _seconds(*parts[4:])


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    return round(int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000, 3)


def rows(cues: Iterable[Cue], source: TranscriptSource, speakers: str) -> Iterator[TranscriptRow]:
    """Yield a row per turn: lines that start with a dash are turns of different speakers.

    A `NAME:` before the words is the speaker if the name is in capitals, stands before several turns, or nearly every
    turn has one, or it has a title; a remark lists the names. Words in brackets after a name are the row's `manner`.
    """
    turns = [turn for cue in cues for turn in _turns(cue)]
    names = _names(turns) if speakers == "prefix" else set()
    found: Counter[str] = Counter()
    for turn in turns:
        text, speaker, manner = " ".join(turn.lines), turn.speaker, None
        match = _PREFIX.match(text)
        if speaker is None and match and match.group(1) in names:
            speaker, manner, text = match.group(1), match.group(2), text[match.end() :]
            found[speaker] += 1
        values = {"text": text, "speaker": speaker, "manner": manner, "start": turn.start, "end": turn.end}
        yield TranscriptRow(values, turn.where)
    if found:
        said = ", ".join(f"{name!r} ({count})" for name, count in found.most_common())
        source.remark(f"speakers by their prefix: {said}; --option speakers=none keeps it as text")


def _turns(cue: Cue) -> Iterator[Cue]:
    starts = [number for number, line in enumerate(cue.lines) if _DASH.match(line)]
    if not starts or starts[0] != 0:
        yield cue
        return
    for first, last in zip(starts, [*starts[1:], len(cue.lines)], strict=True):
        head, *more = cue.lines[first:last]
        yield Cue((_DASH.sub("", head, count=1), *more), cue.start, cue.end, cue.where, cue.speaker)


def _names(turns: Iterable[Cue]) -> set[str]:
    seen: Counter[str] = Counter()
    turns = list(turns)
    for turn in turns:
        match = None if turn.speaker else _PREFIX.match(" ".join(turn.lines))
        if match and is_name(match.group(1)):
            seen[match.group(1)] += 1
    if seen.total() >= _MOST * len(turns):
        return set(seen)
    return {name for name, count in seen.items() if _is_used(name, count)}


def _is_used(name: str, count: int) -> bool:
    return name.isupper() or has_title(name) or (count >= _SEEN and name[0].isupper())
