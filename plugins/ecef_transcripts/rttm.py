"""Read RTTM: the turns of speakers, with words from a CTM or STM file."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from ecef_cli.api.components import TranscriptOptions, TranscriptReader
from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import TranscriptRow, TranscriptSource, head_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FIELDS = 8
_WORD_FIELDS = 5
_STM_SUFFIX = ".stm"


class RttmOptions(TranscriptOptions):
    """The words of the turns."""

    words: str | None = Field(
        None, description="CTM or STM file of the words; null: the one beside the RTTM file with the same name"
    )


@dataclass(slots=True)
class _Turn:
    start: float
    end: float
    speaker: str
    where: str
    words: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Words:
    start: float
    end: float
    text: str


class Rttm(TranscriptReader):
    """Reader of RTTM; each file in it is a dialogue, and each word goes to the turn that it overlaps most."""

    Options = RttmOptions
    options: RttmOptions
    extensions = (".rttm",)

    @classmethod
    def recognises(cls, head: bytes, name: str) -> bool:
        """Return whether the first line that is no comment is one of RTTM."""
        del name
        lines = [line for line in head_text(head).split("\n") if line.strip() and not line.startswith(";;")]
        return bool(lines) and lines[0].startswith(("SPEAKER ", "SPKR-INFO ", "LEXEME ", "NON-LEX"))

    def read(self, source: TranscriptSource) -> Iterator[TranscriptRow | DataError]:
        """Yield a row per turn, in the order of time; without words if there is no file of words.

        Raises:
            DataError: the file of the words cannot be read.
        """
        turns: dict[str, list[_Turn]] = {}
        for where, line in source.lines(self.options.encoding):
            parts = line.split()
            if not parts or line.startswith(";;"):
                continue
            if parts[0] != "SPEAKER":
                source.leave_out(f"{parts[0]} lines")
                continue
            try:
                start, length = float(parts[3]), float(parts[4])
                turns.setdefault(parts[1], []).append(_Turn(start, start + length, parts[_FIELDS - 1], where))
            except (IndexError, ValueError):
                hint = "write: SPEAKER file 1 start duration <NA> <NA> speaker <NA> <NA>"
                yield DataError("not a line of RTTM", where=where, hint=hint)
        words = self._words(source)
        for file, found in turns.items():
            found.sort(key=lambda turn: (turn.start, turn.end))
            if words is not None:
                _assign(found, words.get(file, []), source)
            for turn in found:
                row = {
                    "dialogue": file,
                    "speaker": turn.speaker,
                    "start": round(turn.start, 3),
                    "end": round(turn.end, 3),
                }
                yield TranscriptRow(row if words is None else row | {"text": " ".join(turn.words)}, turn.where)
        for file in set(words or ()) - set(turns):
            source.leave_out(f"words of {file!r}, which has no turns", len((words or {})[file]))

    def _words(self, source: TranscriptSource) -> dict[str, list[_Words]] | None:
        if self.options.words is not None:
            path = Path(self.options.words)
        else:
            beside = [] if source.path is None else [source.path.with_suffix(s) for s in (".ctm", _STM_SUFFIX)]
            path = next((path for path in beside if path.is_file()), Path())
            if path == Path():
                return None
            source.remark(f"words from {path}")
        return _read_words(TranscriptSource.open(path), self.options.encoding)


def _read_words(source: TranscriptSource, encoding: str | None) -> dict[str, list[_Words]]:
    found: dict[str, list[_Words]] = {}
    stm = source.name.casefold().endswith(_STM_SUFFIX)
    for where, line in source.lines(encoding):
        parts = line.split(None, 5) if stm else line.split()
        if not parts or line.startswith(";;"):
            continue
        try:
            start, second = (float(part) for part in (parts[3:5] if stm else parts[2:4]))
            text = parts[5] if stm else parts[_WORD_FIELDS - 1]
        except (IndexError, ValueError):
            form = "file channel speaker start end words" if stm else "file channel start duration word"
            raise DataError("not a line of words", where=where, hint=f"write: {form}") from None
        if stm and text.startswith("<"):
            text = text.partition(">")[2].strip()
        found.setdefault(parts[0], []).append(_Words(start, second if stm else start + second, text))
    return found


def _assign(turns: list[_Turn], words: Iterable[_Words], source: TranscriptSource) -> None:
    """Add each word to the turn that it overlaps most; leave out words that overlap none."""
    starts = [turn.start for turn in turns]
    longest = max((turn.end - turn.start for turn in turns), default=0.0)
    for word in sorted(words, key=lambda word: word.start):
        first = bisect_right(starts, word.start - longest)
        nearby = turns[max(0, first - 1) : bisect_right(starts, word.end)]
        best = max(nearby, key=lambda turn: _overlap(turn, word), default=None)
        if best is None or _overlap(best, word) < 0:
            source.leave_out("words outside every turn")
        else:
            best.words.append(word.text)


def _overlap(turn: _Turn, word: _Words) -> float:
    return min(turn.end, word.end) - max(turn.start, word.start)
