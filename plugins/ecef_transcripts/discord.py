"""Read channel exports of Discord, the JSON of DiscordChatExporter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli.api.components import TranscriptOptions, TranscriptReader
from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import TranscriptRow
from ecef_transcripts.json_files import objects, opening, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecef_cli.api.transcripts import TranscriptSource

_SPOKEN = {"Default", "Reply"}


class Discord(TranscriptReader):
    """Reader of Discord; a speaker is named by the nickname of the server."""

    options: TranscriptOptions
    extensions = (".json",)

    @classmethod
    def recognises(cls, head: bytes, name: str) -> bool:
        """Return whether the file is an export of a channel with its messages."""
        del name
        first, keys = opening(head)
        return first == "{" and keys >= {"guild", "channel", "messages"}

    def read(self, source: TranscriptSource) -> Iterator[TranscriptRow | DataError]:
        """Yield a row per message that a person typed.

        Raises:
            DataError: the file is not such an export.
        """
        content = parsed(source, self.options.encoding)
        if not isinstance(content, dict):
            raise DataError("not an export of a Discord channel", where=source.name)
        for where, message in objects(content.get("messages"), "messages", source):
            if isinstance(message, DataError):
                yield message
                continue
            author = message.get("author") or {}
            if message.get("type") not in _SPOKEN or author.get("isBot"):
                source.leave_out("messages of bots and of Discord")
            elif not str(message.get("content") or "").strip():
                source.leave_out("messages with attachments alone")
            else:
                row = {
                    "speaker": author.get("nickname") or author.get("name"),
                    "text": message["content"],
                    "time": message.get("timestamp"),
                }
                yield TranscriptRow(row, where)
