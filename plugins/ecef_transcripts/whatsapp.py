"""Read chat exports of WhatsApp, from iOS and Android."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ecef_cli.api.components import TranscriptOptions, TranscriptReader
from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import TranscriptRow, head_text
from ecef_transcripts.whatsapp_notices import is_file, is_notice, without_edit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecef_cli.api.transcripts import TranscriptSource

_DATE = r"(\d{1,4})[./-]\s?(\d{1,2})[./-]\s?(\d{1,4})\.?"
_CLOCK = r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?(?:\s?([ap])\.?\s?m\.?)?"
_STAMP = rf"{_DATE},?\s+(?:[^\W\d]+\s+)?{_CLOCK}"
_MESSAGE = re.compile(rf"(?:\[{_STAMP}\]\s|{_STAMP}\s[-\u2013]\s)(.*)", re.IGNORECASE)
_SPEAKER = re.compile(r"([^:\"\u201c-\u201e\u00ab\u00bb]{1,60}?):(?:\s|$)(.*)")
_EVENT = re.compile(r"\S (?:changed|added|removed|left|created|joined)\b")
_MARK = "\u200e"  # left-to-right mark, which WhatsApp puts before everything that nobody typed
_MARKS = re.compile("[\u200e\u200f\u202a-\u202c]")
_SYSTEM, _ATTACHMENTS = "system messages", "attachments, calls and deleted messages"
_ORDERS = {"dmy": (2, 1, 0), "mdy": (2, 0, 1), "ymd": (0, 1, 2)}
"""Positions of year, month and day in a date, by the name of the order."""
_MONTHS, _YEAR = 12, 1000
_CENTURY, _NOON = 2000, 12


class WhatsAppOptions(TranscriptOptions):
    """The order of a date."""

    dates: Literal["dmy", "mdy", "ymd"] | None = Field(
        None, description="order of day, month and year; null: the order that all dates of the file allow"
    )


@dataclass(slots=True)
class _Message:
    where: str
    date: tuple[int, int, int]
    clock: tuple[int, int, int]
    rest: str
    more: list[str] = field(default_factory=list)


class WhatsApp(TranscriptReader):
    """Reader of WhatsApp; `time` is when a message was sent."""

    Options = WhatsAppOptions
    options: WhatsAppOptions
    extensions = (".txt",)

    @classmethod
    def recognises(cls, head: bytes, name: str) -> bool:
        """Return whether the first line is a dated message."""
        del name
        lines = [line for line in head_text(head).split("\n") if line.strip()]
        return bool(lines) and _MESSAGE.match(_plain(lines[0])) is not None

    def read(self, source: TranscriptSource) -> Iterator[TranscriptRow | DataError]:
        """Yield a row per message; a message may have several lines.

        Raises:
            DataError: the file does not start with a dated message, or a date is not in the order that was named.
        """
        messages = list(self._messages(source))
        order = self.options.dates or _order(messages)
        if order is None and messages:
            source.remark("day and month cannot be told apart, so no row has a 'time'; pass --option dates=dmy or mdy")
        for message in messages:
            match = _SPEAKER.match(message.rest)
            if match is None or _EVENT.search(match.group(1)):
                source.leave_out(_SYSTEM)
                continue
            speaker, text = match.groups()
            said = _said(text, message.more)
            if said is None:
                source.leave_out(_ATTACHMENTS)
                continue
            row = {"speaker": _MARKS.sub("", speaker).strip(), "text": said}
            yield TranscriptRow(row | ({"time": _time(message, order)} if order else {}), message.where)

    def _messages(self, source: TranscriptSource) -> Iterator[_Message]:
        current: _Message | None = None
        for where, line in source.lines(self.options.encoding):
            match = _MESSAGE.match(_plain(line))
            if match is None:
                if current is not None:
                    current.more.append(line)
                elif line.strip():
                    raise DataError("not a message of WhatsApp", where=where, hint="the export starts with a date")
                continue
            if current is not None:
                yield current
            *parts, rest = match.groups()
            year, month, day, hour, minute, second, half = parts[:7] if parts[0] is not None else parts[7:]
            hours = int(hour) if half is None else int(hour) % _NOON + (_NOON if half.casefold() == "p" else 0)
            date = (int(year), int(month), int(day))
            current = _Message(where, date, (hours, int(minute), int(second or 0)), rest)
        if current is not None:
            yield current


def _said(first: str, more: Sequence[str]) -> str | None:
    """Return the words of a message, or None if nobody typed any; the name of a file is not part of its caption."""
    text, rest = _MARKS.sub("", first).strip(), _MARKS.sub("", "\n".join(more)).strip()
    if is_file(text):
        return without_edit(rest) or None
    if first.startswith(_MARK) or (not rest and is_notice(text)):
        return None
    return without_edit(f"{text}\n{rest}".strip())


def _plain(line: str) -> str:
    """Return a line without the marks before its date, and with plain spaces."""
    return line.lstrip("\u200e\u200f\ufeff").replace("\u202f", " ").replace("\xa0", " ")


def _order(messages: Sequence[_Message]) -> str | None:
    """Return the one order in which all dates are possible, or None if there are several."""
    possible = [name for name in _ORDERS if all(_fits(message.date, name) for message in messages)]
    return possible[0] if len(possible) == 1 else None


def _fits(date: tuple[int, int, int], order: str) -> bool:
    year, month, day = (date[position] for position in _ORDERS[order])
    if order == "ymd" and year < _YEAR:
        return False
    try:
        datetime(year + _CENTURY if year < _YEAR else year, month, day)  # noqa: DTZ001 - the export has no zone
    except ValueError:
        return False
    return True


def _time(message: _Message, order: str) -> str:
    year, month, day = (message.date[position] for position in _ORDERS[order])
    try:
        sent = datetime(year + _CENTURY if year < _YEAR else year, month, day, *message.clock)  # noqa: DTZ001
    except ValueError:
        hint = "pass another --option dates=dmy, mdy or ymd"
        raise DataError(f"the date is not in the order {order}", where=message.where, hint=hint) from None
    return sent.isoformat()
