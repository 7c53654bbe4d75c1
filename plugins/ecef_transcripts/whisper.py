"""Read segments of Whisper, WhisperX and whisper.cpp, as JSON or JSON Lines."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ecef_cli.api.components import TranscriptOptions, TranscriptReader
from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import TranscriptRow, head_text
from ecef_transcripts.json_files import first_of, json_lines, objects, opening, parsed
from ecef_transcripts.turns import SpokenWord, turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecef_cli.api.transcripts import TranscriptSource

_SEGMENT = frozenset({"text", "start", "end"})
_LISTS = ("segments", "transcription", "chunks")
_NOTHING = re.compile(rf'\s*\{{\s*"(?:{"|".join(_LISTS)})"\s*:\s*\[\s*\]')
_MILLISECONDS = 1000
_SPEAKER = ("speaker", "speaker_id")


class Whisper(TranscriptReader):
    """Reader of recognised segments; without a speaker of its own, a segment is divided by those of its words."""

    options: TranscriptOptions
    extensions = (".json", ".jsonl", ".ndjson")

    @classmethod
    def recognises(cls, head: bytes, name: str) -> bool:
        """Return whether the file holds timed segments, and is no dialogue file."""
        del name
        lines = json_lines(head)
        if len(lines) > 1 or (lines and lines[0].keys() >= _SEGMENT):
            other = any("audio" in row or "dialogue" in row for row in lines)
            return not other and all(row.keys() >= _SEGMENT for row in lines)
        first, keys = opening(head)
        if first == "{":
            return bool(keys.intersection(_LISTS)) and ("text" in keys or _NOTHING.match(head_text(head)) is not None)
        return first == "[" and keys >= _SEGMENT and bool(keys & {"words", "seek", "avg_logprob", "no_speech_prob"})

    def read(self, source: TranscriptSource) -> Iterator[TranscriptRow | DataError]:
        """Yield a row per segment, or per speaker of its words.

        Raises:
            DataError: the file is not JSON, or holds no segments.
        """
        for where, segment in self._segments(source):
            if isinstance(segment, DataError):
                yield segment
            else:
                yield from (TranscriptRow(row, where) for row in _rows(segment))

    def _segments(self, source: TranscriptSource) -> Iterator[tuple[str, dict[str, Any] | DataError]]:
        if len(json_lines(source.raw)) > 1 or _is_segment_line(source.raw):
            yield from self._lines(source)
            return
        content, what = parsed(source, self.options.encoding), ""
        if isinstance(content, dict):
            what = next((key for key in _LISTS if key in content), "")
            if not what:
                hint = f"the keys are: {', '.join(map(repr, content))}; pass another --from FORMAT"
                raise DataError("the file holds no 'segments'", where=source.name, hint=hint)
            content = content[what]
            if content == []:
                raise DataError(f"no {what}", where=source.name, hint="the recogniser found no speech")
        yield from objects(content, what, source)

    def _lines(self, source: TranscriptSource) -> Iterator[tuple[str, dict[str, Any] | DataError]]:
        for where, line in source.lines(self.options.encoding):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield where, DataError(f"not JSON: {error}", where=where, hint="write one segment per line")
                continue
            yield where, row if isinstance(row, dict) else DataError("not an object", where=where)


def _is_segment_line(raw: bytes) -> bool:
    lines = json_lines(raw)
    return len(lines) == 1 and lines[0].keys() >= _SEGMENT


def _rows(segment: dict[str, Any]) -> Iterator[dict[str, Any]]:
    speaker = first_of(segment, _SPEAKER)
    words = [word for word in segment.get("words") or () if isinstance(word, dict)]
    if speaker is None and any(first_of(word, _SPEAKER) is not None for word in words):
        said = [
            SpokenWord(
                str(first_of(word, ("word", "text")) or ""),
                word.get("start"),
                word.get("end"),
                first_of(word, _SPEAKER),
            )
            for word in words
        ]
        yield from turns(said)
        return
    start, end = _times(segment)
    yield {"text": segment.get("text"), "speaker": speaker, "start": start, "end": end}


def _times(segment: dict[str, Any]) -> tuple[Any, Any]:
    """Return start and end in seconds; whisper.cpp gives milliseconds, transformers a pair."""
    offsets, pair = segment.get("offsets"), segment.get("timestamp")
    if isinstance(offsets, dict):
        return tuple(  # type: ignore[return-value]
            value / _MILLISECONDS if isinstance(value := offsets.get(key), int) else None for key in ("from", "to")
        )
    if isinstance(pair, list) and len(pair) == 2:  # noqa: PLR2004 - start and end
        return pair[0], pair[1]
    return segment.get("start"), segment.get("end")
