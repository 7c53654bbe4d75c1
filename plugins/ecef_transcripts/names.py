"""Read plain text with one `Name: words` per line."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecef_cli.api.components import TranscriptOptions, TranscriptReader
from ecef_cli.api.transcripts import TranscriptRow, head_text
from ecef_transcripts.speakers import PREFIX, is_name, is_surely_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecef_cli.api.errors import DataError
    from ecef_cli.api.transcripts import TranscriptSource

_CLOCK = r"(\d{1,2}):(\d{2})(?::(\d{2}(?:[.,]\d{1,3})?))?"
_TURN = re.compile(
    rf"\s*(?:[\[(]?{_CLOCK}[\])]?\s*[-\u2013]?\s*)?\*{{0,2}}{PREFIX}\*{{0,2}}"
    rf"(?:\s*[\[(]{_CLOCK}[\])])?\s*:\*{{0,2}}(?:\s+(.*)|$)"
)
_TIMED = re.compile(rf"\s*[\[(]{_CLOCK}[\])]\s*[-\u2013]?\s*(.*)")
_LIKE_A_NAME = re.compile(r"\s*[^:\n]{1,60}:\s+\S")
_MOST = 0.5  # share of lines with a name
_SEEN = 2  # lines that an unlikely name must start


@dataclass(frozen=True, slots=True)
class _Turn:
    """A line that may start with a name.

    Attributes:
        name: the name.
        values: the row that the line begins.
    """

    name: str
    values: dict[str, str | float | None]

    @property
    def is_sure(self) -> bool:
        """Return whether the name needs no other line to be one."""
        return is_surely_name(self.name) or (self.values["start"] is not None and not self.name[0].islower())


class Names(TranscriptReader):
    """Reader of plain text; a line without a name belongs to the turn above it."""

    options: TranscriptOptions
    extensions = (".txt", ".text", ".md")

    @classmethod
    def recognises(cls, head: bytes, name: str) -> bool:
        """Return whether the first line, and half of all lines, start with a name and a colon."""
        del name
        lines = [line for line in head_text(head).split("\n") if line.strip()]
        turns = [_turn(line) is not None for line in lines]
        return bool(turns) and turns[0] and sum(turns) >= _MOST * len(turns)

    def read(self, source: TranscriptSource) -> Iterator[TranscriptRow | DataError]:
        """Yield a row per turn; a time before the name or after it is the start.

        Words in brackets after a name are the row's `manner`. A text that is not surely a name, such as `I said`, is
        one if it starts several lines, or the first; otherwise its line belongs to the turn above, and a remark counts
        it. A line with a time in brackets is always a row.
        """
        lines = [(where, line, _turn(line)) for where, line in source.lines(self.options.encoding) if line.strip()]
        seen = Counter(turn.name for _, _, turn in lines if turn)
        row: dict[str, str | float | None] | None = None
        place, joined = "", 0
        for where, line, turn in lines:
            named = turn is not None and (row is None or turn.is_sure or seen[turn.name] >= _SEEN)
            begun = turn.values if turn is not None and named else _timed(line, row)
            if begun is not None:
                if row is not None:
                    yield TranscriptRow(row, place)
                row, place = begun, where
            elif row is not None:
                row["text"] = f"{row['text']} {line.strip()}".strip()
                joined += _LIKE_A_NAME.match(line) is not None
            else:
                source.leave_out("lines before the first name")
        if row is not None:
            yield TranscriptRow(row, place)
        if joined:
            said = "1 line looks" if joined == 1 else f"{joined:,} lines look"
            verb = "was" if joined == 1 else "were"
            source.remark(f"{said} like a name and words, and {verb} joined to the turn before")


def _turn(line: str) -> _Turn | None:
    """Return the turn that a line may begin, or None if it begins none."""
    match = _TURN.fullmatch(line)
    if match is None or not is_name(match.group(4)):
        return None
    *before, name, manner, first, second, third, text = match.groups()
    after = [first, second, third]
    start = _seconds(before) if before[0] else _seconds(after) if after[0] else None
    values: dict[str, str | float | None] = {"speaker": name.strip(), "text": (text or "").strip(), "start": start}
    return _Turn(name.strip(), values | ({"manner": manner.strip()} if manner else {}))


def _timed(line: str, before: dict[str, str | float | None] | None) -> dict[str, str | float | None] | None:
    """Return the row of a line that has a time and no name, or None if it has no time.

    The speaker is that of the row before, or unknown if the line looks like a name and words.
    """
    match = _TIMED.fullmatch(line)
    if match is None or before is None:
        return None
    *clock, text = match.groups()
    speaker = None if _LIKE_A_NAME.match(text) else before["speaker"]
    return {"speaker": speaker, "text": text.strip(), "start": _seconds(clock)}


def _seconds(clock: list[str]) -> float:
    """Return the seconds of `h:mm:ss` or `mm:ss`."""
    first, second, third = clock
    if third is None:
        return float(int(first) * 60 + int(second))
    return int(first) * 3600 + int(second) * 60 + float(third.replace(",", "."))
