"""Read the JSON files of a Slack export: one per channel and day."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ecef_cli.api.components import TranscriptOptions, TranscriptReader
from ecef_cli.api.errors import DataError
from ecef_cli.api.text_files import read_text
from ecef_cli.api.transcripts import TranscriptRow
from ecef_transcripts.json_files import objects, opening, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ecef_cli.api.transcripts import TranscriptSource

_SPOKEN = {None, "thread_broadcast", "me_message", "file_share"}
"""Subtypes of messages that a person typed."""
_MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|([^>]+))?>")
_LINK = re.compile(r"<([^<>|]+)(?:\|([^<>]+))?>")


class Slack(TranscriptReader):
    """Reader of Slack; names come from the messages, or from `users.json` beside or above the file."""

    options: TranscriptOptions
    extensions = (".json",)

    @classmethod
    def recognises(cls, head: bytes, name: str) -> bool:
        """Return whether the file is an array of messages with `type` and `ts`."""
        del name
        first, keys = opening(head)
        return first == "[" and keys >= {"type", "ts", "text"}

    def read(self, source: TranscriptSource) -> Iterator[TranscriptRow | DataError]:
        """Yield a row per message that a person typed; mentions and links are written out.

        Raises:
            DataError: the file is not an array.
        """
        users = _users(source)
        messages = list(objects(parsed(source, self.options.encoding), "", source))
        for _, message in messages:
            if isinstance(message, dict) and (named := _named(message.get("user_profile"))):
                users.setdefault(str(message.get("user")), named)
        for where, message in messages:
            if isinstance(message, DataError):
                yield message
                continue
            if message.get("type") != "message" or message.get("subtype") not in _SPOKEN or message.get("bot_id"):
                source.leave_out("messages of bots and of Slack")
                continue
            user = str(message.get("user") or message.get("username") or "?")
            row = {
                "speaker": users.get(user, user),
                "text": _written(str(message.get("text") or ""), users),
                "time": _time(message.get("ts")),
                "thread": message.get("thread_ts"),
            }
            yield TranscriptRow(row, where)


def _users(source: TranscriptSource) -> dict[str, str]:
    """Return the names of users by their id, from the export's `users.json` if it is there."""
    if source.path is None:
        return {}
    folder = source.path.resolve().parent
    found = next((path for path in (folder / "users.json", folder.parent / "users.json") if path.is_file()), None)
    if found is None:
        return {}
    try:
        listed = json.loads(read_text(found))
    except ValueError:
        raise DataError("not JSON", where=str(found), hint="export it again, or move it away") from None
    users = [user for user in listed if isinstance(user, dict)] if isinstance(listed, list) else []
    names = {str(user.get("id")): _named(user.get("profile")) or user.get("name") for user in users}
    return {key: str(name) for key, name in names.items() if name}


def _named(profile: Any) -> str | None:
    if not isinstance(profile, dict):
        return None
    return profile.get("display_name") or profile.get("real_name") or profile.get("name") or None


def _written(text: str, users: Mapping[str, str]) -> str:
    text = _MENTION.sub(lambda match: "@" + (match[2] or users.get(match[1], match[1])), text)
    return html.unescape(_LINK.sub(lambda match: match[2] or match[1], text))


def _time(stamp: Any) -> str | None:
    try:
        return datetime.fromtimestamp(int(float(stamp)), UTC).isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
