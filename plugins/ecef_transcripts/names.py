"""Read plain text with one `Name: words` per line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ecef_cli.api.components import TranscriptOptions, TranscriptReader
from ecef_cli.api.transcripts import TranscriptRow, head_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecef_cli.api.errors import DataError
    from ecef_cli.api.transcripts import TranscriptSource

_CLOCK = r"(\d{1,2}):(\d{2})(?::(\d{2}(?:[.,]\d{1,3})?))?"
_TURN = re.compile(
    rf"\s*(?:[\[(]?{_CLOCK}[\])]?\s*[-\u2013]?\s*)?\*{{0,2}}([^\W\d_][^:\n\[(]{{0,40}}?)\*{{0,2}}"
    rf"(?:\s*[\[(]{_CLOCK}[\])])?\s*:\*{{0,2}}(?:\s+(.*)|$)"
)
_WORDS = 5  # in a name
_MOST = 0.5  # share of lines with a name
_SENTENCE = re.compile(r"[.!?,;]\s")


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
        """Yield a row per turn; a time before the name or after it is the start."""
        row: dict[str, str | float | None] | None = None
        place = ""
        for where, line in source.lines(self.options.encoding):
            found = _turn(line)
            if found is not None:
                if row is not None:
                    yield TranscriptRow(row, place)
                row, place = found, where
            elif line.strip() and row is not None:
                row["text"] = f"{row['text']} {line.strip()}".strip()
            elif line.strip():
                source.leave_out("lines before the first name")
        if row is not None:
            yield TranscriptRow(row, place)


def _turn(line: str) -> dict[str, str | float | None] | None:
    """Return the row that a line begins, or None if it begins none."""
    match = _TURN.fullmatch(line)
    if match is None:
        return None
    *clocks, text = match.groups()
    name = clocks.pop(3).strip()
    if len(name.split()) > _WORDS or _SENTENCE.search(name):
        return None
    start = _seconds(clocks[:3]) if clocks[0] else _seconds(clocks[3:]) if clocks[3] else None
    return {"speaker": name, "text": (text or "").strip(), "start": start}


def _seconds(clock: list[str]) -> float:
    """Return the seconds of `h:mm:ss` or `mm:ss`."""
    first, second, third = clock
    if third is None:
        return float(int(first) * 60 + int(second))
    return int(first) * 3600 + int(second) * 60 + float(third.replace(",", "."))
