"""Give the rows of a transcript their part of one recording, and their channel of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import DataError, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.api.transcripts import TranscriptChoice

UNKNOWN = "?"
"""Speaker of a row that names none."""
SIDES = {"left": 1, "right": 2}
_PAIR = 2  # channels of a stereo recording


def parse_channels(text: str) -> dict[str, int]:
    """Return the channel of each speaker, from `caller=left,agent=right`.

    Raises:
        UsageProblem: a part is not `SPEAKER=left`, `SPEAKER=right` or `SPEAKER=NUMBER`.
    """
    found = {}
    for part in text.split(","):
        speaker, equals, side = (piece.strip() for piece in part.rpartition("="))
        number = SIDES.get(side.casefold()) or (int(side) if side.isdecimal() else 0)
        if not (equals and speaker and number):
            hint = "write --channels caller=left,agent=right"
            raise UsageProblem(f"--channels {text!r}: {part.strip()!r} is not SPEAKER=left or SPEAKER=right", hint=hint)
        found[speaker] = number
    return found


class Sound:
    """The recording of one transcript, and the channels of its speakers.

    Args:
        choice: how the transcript is read.
    """

    def __init__(self, choice: TranscriptChoice) -> None:
        self._audio = None if choice.audio is None else str(choice.audio.resolve())
        self._per_speaker = choice.channel_per_speaker
        self._channels: dict[str, int] = dict(choice.channels or {})
        self._named = choice.channels is not None
        self.without_times = 0
        """Rows that cannot be found in the recording."""

    @property
    def active(self) -> bool:
        """Whether rows change at all."""
        return self._audio is not None or self._per_speaker or self._named

    def on(self, values: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Return a row with its recording and channel.

        Raises:
            DataError: the speaker has no channel.
        """
        row = dict(values)
        if self._audio is not None and not row.get("audio"):
            if row.get("start") is None and row.get("end") is None:
                self.without_times += 1
            else:
                row["audio"] = self._audio
        speaker = row.get("speaker", UNKNOWN)
        if (self._per_speaker or self._named) and row.get("channel") is None and speaker != UNKNOWN:
            row["channel"] = self._channel(str(speaker), where)
        return row

    def _channel(self, speaker: str, where: str) -> int:
        if speaker in self._channels:
            return self._channels[speaker]
        known = " and ".join(map(repr, self._channels))
        if self._named:
            hint = f"known: {known}; name every speaker in --channels"
            raise DataError(f"no channel is given for the speaker {speaker!r}", where=where, hint=hint)
        if len(self._channels) == _PAIR:
            hint = f"left and right are {known}; name the channels: --channels NAME=left,NAME=right,NAME=right"
            raise DataError(f"a third speaker, {speaker!r}, has no channel of its own", where=where, hint=hint)
        self._channels[speaker] = len(self._channels) + 1
        return self._channels[speaker]

    def remarks(self) -> tuple[str, ...]:
        """Return which speaker is on which channel, and how many rows hear nothing."""
        sides = {number: side for side, number in SIDES.items()}
        said = [
            f"{speaker!r} is on the {sides[n]} channel" if n in sides else f"{speaker!r} is on channel {n}"
            for speaker, n in self._channels.items()
        ]
        found = ["; ".join(said)] if said and self._per_speaker else []
        if self.without_times:
            one = self.without_times == 1
            rows = "1 row has" if one else f"{self.without_times:,} rows have"
            found.append(f"{rows} no times and {'hears' if one else 'hear'} nothing of the recording")
        return tuple(found)


def heard(utterances: Iterable[Utterance | DataError], sound: Sound) -> Iterator[Utterance | DataError]:
    """Yield utterances of a dialogue file with their recording and channel, or errors in their place."""
    for found in utterances:
        if isinstance(found, DataError):
            yield found
            continue
        try:
            row = sound.on(found.row, found.where or "")
        except DataError as error:
            yield error
            continue
        audio = found.audio if found.row.get("audio") or not row.get("audio") else Path(row["audio"])
        yield replace(found, audio=audio, row=row)
