"""Read Praat TextGrids, in the long and the short text format."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ecef_cli.api.components import TranscriptReader
from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import head_text
from ecef_transcripts.tiers import Interval, Tier, TierOptions, merged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecef_cli.api.transcripts import TranscriptRow, TranscriptSource

# Praat reads free-standing numbers, texts in quotation marks and flags; everything else is decoration.
_VALUE = re.compile(r'"(?P<text>(?:[^"]|"")*)"|(?<![^\s])(?P<number>-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(?![^\s])')
_HEADER = re.compile(r'(?:File type = )?"ooTextFile[^"]*"\s*\n\s*(?:Object class = )?"TextGrid"', re.IGNORECASE)
_INTERVALS, _POINTS = "IntervalTier", "TextTier"


class TextGrid(TranscriptReader):
    """Reader of TextGrids; an interval tier is a speaker."""

    Options = TierOptions
    options: TierOptions
    extensions = (".textgrid",)

    @classmethod
    def recognises(cls, head: bytes, name: str) -> bool:
        """Return whether the file starts with Praat's header of a TextGrid."""
        del name
        return _HEADER.match(head_text(head)) is not None

    def read(self, source: TranscriptSource) -> Iterator[TranscriptRow | DataError]:
        """Yield a row per interval with words, in the order of time.

        Raises:
            DataError: the file is cut off or is no TextGrid.
        """
        text = source.text(self.options.encoding)
        header = _HEADER.match(text)
        if header is None:
            hint = "save it in Praat as a text file; binary TextGrids are not read"
            raise DataError("not a TextGrid in Praat's text format", where=f"{source.name}:1", hint=hint)
        yield from merged(list(_Values(text, header.end(), source).tiers()), self.options.tiers, source)


class _Values:
    """The numbers and texts of a TextGrid, one after the other."""

    def __init__(self, text: str, start: int, source: TranscriptSource) -> None:
        self._text, self._source = text, source
        self._matches = _VALUE.finditer(text, start)
        self._position = start

    def tiers(self) -> Iterator[Tier]:
        self._number(), self._number()  # the file's start and end
        if "<exists>" not in self._text:
            raise DataError("the TextGrid holds no tier", where=self._source.name, hint="is the file incomplete?")
        for _ in range(int(self._number())):
            kind, name = self._string(), self._string()
            self._number(), self._number()  # the tier's start and end
            if kind not in {_INTERVALS, _POINTS}:
                raise DataError(f"unknown kind of tier {kind!r}", where=self._where())
            intervals = [self._interval() if kind == _INTERVALS else self._point() for _ in range(int(self._number()))]
            if kind == _POINTS:
                self._source.leave_out(f"points of the tier {name!r}", len(intervals))
            else:
                yield Tier(name, name, [item for item in intervals if item.text.strip()])

    def _interval(self) -> Interval:
        start, end = self._number(), self._number()
        where = self._where()
        return Interval(start, end, self._string(), where)

    def _point(self) -> Interval:
        time = self._number()
        return Interval(time, time, self._string(), self._where())

    def _number(self) -> float:
        number = self._next()["number"]
        if number is None:
            raise DataError("a text where a number is expected", where=self._where())
        return float(number)

    def _string(self) -> str:
        text = self._next()["text"]
        if text is None:
            raise DataError("a number where a text is expected", where=self._where(), hint="put texts in quotes")
        return text.replace('""', '"')

    def _next(self) -> dict[str, str | None]:
        match = next(self._matches, None)
        if match is None:
            raise DataError("the TextGrid ends too early", where=self._where(), hint="is the file cut off?")
        self._position = match.start()
        return match.groupdict()

    def _where(self) -> str:
        line = self._text.count("\n", 0, self._position) + 1
        return f"{self._source.name}:{line}"
