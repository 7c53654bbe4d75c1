"""Read WebVTT subtitles (.vtt)."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from ecef_cli.api.components import TranscriptReader
from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import TranscriptRow, head_text
from ecef_transcripts.cues import Cue, SubtitleOptions, rows, times

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecef_cli.api.transcripts import TranscriptSource

_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>")
_TAG = re.compile(r"</?[a-z][^>]*>|<[\d:.]+>", re.IGNORECASE)
_WORD_TIME = re.compile(r"<\d[\d:.]+>")
_OTHER = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")
_GAP = 0.1  # seconds between two cues of a rolling caption


class WebVtt(TranscriptReader):
    """Reader of WebVTT; voice tags name the speakers."""

    Options = SubtitleOptions
    options: SubtitleOptions
    extensions = (".vtt",)

    @classmethod
    def recognises(cls, head: bytes, name: str) -> bool:
        """Return whether the file starts with the word WEBVTT."""
        del name
        return re.match(r"WEBVTT(?:\s|$)", head_text(head)) is not None

    def read(self, source: TranscriptSource) -> Iterator[TranscriptRow | DataError]:
        """Yield a row per voice, or per turn, of each cue.

        Rolling captions, whose cues repeat the line before with a time per word, are read once.

        Raises:
            DataError: a block is neither a cue, a comment nor a style.
        """
        lines = [*source.lines(self.options.encoding)]
        if not lines[0][1].startswith("WEBVTT"):
            raise DataError("the first line is not WEBVTT", where=lines[0][0], hint="is it SubRip? pass --from srt")
        cues = [cue for block in _blocks(lines) for cue in _cues(block, source)]
        if _WORD_TIME.search(source.text(self.options.encoding)):
            cues = [*_once(cues, source)]
        yield from rows(cues, source, self.options.speakers)


def _blocks(lines: Sequence[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Yield the runs of lines between empty ones, without the header; a line of spaces is not empty."""
    block: list[tuple[str, str]] = []
    header = True
    for place, line in [*lines, ("", "")]:
        if line:
            block.append((place, line))
            continue
        if block and not header:
            yield block
        header, block = False, []


def _cues(block: list[tuple[str, str]], source: TranscriptSource) -> Iterator[Cue]:
    if _OTHER.match(block[0][1]):
        return
    number = next((n for n, (_, line) in enumerate(block[:2]) if "-->" in line), 0)
    place, timing = block[number]
    span = times(timing)
    if span is None:
        hint = "write 00:01.000 --> 00:02.500, and no blank line inside a cue"
        raise DataError(f"not a timing line of WebVTT: {timing.strip()[:60]!r}", where=place, hint=hint)
    text = "\n".join(line for _, line in block[number + 1 :])
    pieces = _VOICE.split(text)
    found = False
    for speaker, said in zip([None, *pieces[1::2]], pieces[::2], strict=True):
        lines = tuple(filter(None, (html.unescape(_TAG.sub("", line)).strip() for line in said.split("\n"))))
        if lines:
            found = True
            yield Cue(lines, *span, place, None if speaker is None else html.unescape(speaker).strip())
    if not found:
        source.leave_out("empty cues")


def _once(cues: Sequence[Cue], source: TranscriptSource) -> Iterator[Cue]:
    """Yield the cues of rolling captions without the lines that repeat the cue before."""
    shown: tuple[str, ...] = ()
    until = 0.0
    for cue in cues:
        repeated = 0
        if shown and cue.start <= until + _GAP:
            repeated = next((n for n in range(len(cue.lines), 0, -1) if shown[-n:] == cue.lines[:n]), 0)
        if repeated:
            source.leave_out("repeated lines of rolling captions", repeated)
        shown, until = cue.lines, cue.end
        if cue.lines[repeated:]:
            yield Cue(cue.lines[repeated:], cue.start, cue.end, cue.where, cue.speaker)
