"""Read SubRip subtitles (.srt)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ecef_cli.api.components import TranscriptReader
from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import TranscriptRow, head_text
from ecef_transcripts.cues import TIMING, Cue, SubtitleOptions, rows, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecef_cli.api.transcripts import TranscriptSource

_MARKUP = re.compile(r"</?(?:[biu]|font)\b[^>]*>|\{\\[^}]*\}", re.IGNORECASE)
_ARROW = re.compile(r"-->|^\s*[\d:,.]{5,}\s*-+>")
_START = re.compile(rf"\s*(?:\d+\s*\n)?{TIMING.pattern}\n")


class SubRip(TranscriptReader):
    """Reader of SubRip: a number, a timing line and the text of each cue."""

    Options = SubtitleOptions
    options: SubtitleOptions
    extensions = (".srt",)

    @classmethod
    def recognises(cls, head: bytes, name: str) -> bool:
        """Return whether the file starts with a timing line, after a number."""
        del name
        return _START.match(head_text(head) + "\n") is not None

    def read(self, source: TranscriptSource) -> Iterator[TranscriptRow | DataError]:
        """Yield a row per turn of each cue.

        Raises:
            DataError: a line is neither a number, a timing line nor text of a cue.
        """
        cues = list(self._cues(source))
        for cue in cues:
            if not any(cue.lines):
                source.leave_out("empty cues")
        yield from rows((cue for cue in cues if any(cue.lines)), source, self.options.speakers)

    def _cues(self, source: TranscriptSource) -> Iterator[Cue]:
        lines = [*source.lines(self.options.encoding)]
        starts = [number for number, (_, line) in enumerate(lines) if TIMING.fullmatch(line)]
        _check(lines, starts[0] if starts else len(lines))
        for start, following in zip(starts, [*starts[1:], len(lines) + 1], strict=False):
            place, timing = lines[start]
            numbered = following <= len(lines) and lines[following - 1][1].strip().isdecimal()
            text = [_MARKUP.sub("", line).strip() for _, line in lines[start + 1 : following - numbered]]
            begins, ends = times(timing) or (0.0, 0.0)
            yield Cue(tuple(filter(None, text)), begins, ends, place)


def _check(lines: list[tuple[str, str]], first: int) -> None:
    """Check that every line that looks like a timing line is one, and that no text comes before the first."""
    for number, (place, line) in enumerate(lines):
        early = number < first and line.strip() and not line.strip().isdecimal()
        if (early or _ARROW.search(line)) and not TIMING.fullmatch(line):
            hint = "write 00:00:01,000 --> 00:00:02,500"
            raise DataError(f"not a timing line of SubRip: {line.strip()[:60]!r}", where=place, hint=hint)
