"""Read rows from a JSON array, or from an object that holds one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli.api.components import TranscriptOptions, TranscriptReader
from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import TranscriptRow
from ecef_transcripts.json_files import objects, opening, parsed
from ecef_transcripts.whisper import Whisper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecef_cli.api.transcripts import TranscriptSource

LISTS = ("utterances", "turns", "rows", "dialogue", "conversation", "messages")
"""Keys that hold the rows of a file that is an object."""
_SERVICE = frozenset({"results", "audio_url", "audio_duration", "transcript"})


class Rows(TranscriptReader):
    """Reader of an array of rows with the keys of a dialogue file."""

    options: TranscriptOptions
    extensions = (".json",)

    @classmethod
    def recognises(cls, head: bytes, name: str) -> bool:
        """Return whether the file is an array of objects with `text` and `speaker`, or an object with such a list."""
        first, keys = opening(head)
        if Whisper.recognises(head, name) or not keys >= {"text", "speaker"}:
            return False
        if first == "[":
            return not keys & {"annotations", "ts", "user_profile"}
        return first == "{" and bool(keys.intersection(LISTS)) and not keys & _SERVICE and "guild" not in keys

    def read(self, source: TranscriptSource) -> Iterator[TranscriptRow | DataError]:
        """Yield the rows of the array.

        Raises:
            DataError: the file is not JSON, or holds no list of rows.
        """
        content, what = parsed(source, self.options.encoding), ""
        if isinstance(content, dict):
            what = next((key for key in LISTS if isinstance(content.get(key), list)), "")
            if not what:
                hint = f"put the rows in an array, or under one of: {', '.join(LISTS)}"
                raise DataError("the file holds no list of rows", where=source.name, hint=hint)
            content = content[what]
        for where, row in objects(content, what, source):
            yield row if isinstance(row, DataError) else TranscriptRow(row, where)
