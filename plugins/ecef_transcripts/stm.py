"""Read STM reference transcripts: file, channel, speaker, start, end, an optional label, words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ecef_cli.api.components import TranscriptOptions, TranscriptReader
from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import TranscriptRow, head_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecef_cli.api.transcripts import TranscriptSource

_LINE = re.compile(r"(\S+)\s+(\S+)\s+(\S+)\s+(\d+(?:\.\d*)?)\s+(\d+(?:\.\d*)?)(?:\s+(<[^>]*>))?(?:\s+(.*))?")
_IGNORED = "ignore_time_segment_in_scoring"
_GAP = "inter_segment_gap"


class Stm(TranscriptReader):
    """Reader of STM; each file in it is a dialogue."""

    options: TranscriptOptions
    extensions = (".stm",)

    @classmethod
    def recognises(cls, head: bytes, name: str) -> bool:
        """Return whether the first line that is no comment reads like STM."""
        del name
        lines = [line for line in head_text(head).split("\n") if line.strip() and not line.startswith(";;")]
        match = _LINE.fullmatch(lines[0].strip()) if lines else None
        if match is None or lines[0].startswith(("SPEAKER ", "SPKR-INFO ")):  # RTTM
            return False
        return match.group(7) is not None and float(match.group(5)) >= float(match.group(4))

    def read(self, source: TranscriptSource) -> Iterator[TranscriptRow | DataError]:
        """Yield a row per segment with words."""
        for where, line in source.lines(self.options.encoding):
            if not line.strip() or line.startswith(";;"):
                continue
            match = _LINE.fullmatch(line.strip())
            if match is None:
                hint = "write: file channel speaker start end words"
                yield DataError("not a line of STM", where=where, hint=hint)
                continue
            file, _, speaker, start, end, _, text = match.groups()
            if not text or text.strip().casefold() == _IGNORED or speaker == _GAP:
                source.leave_out("segments that are not scored or have no words")
                continue
            row = {"dialogue": file, "speaker": speaker, "text": text, "start": float(start), "end": float(end)}
            yield TranscriptRow(row, where)
