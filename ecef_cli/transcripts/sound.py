"""Give the rows of a transcript their part of one recording, and their channel of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecef_cli.api.dialogue import channel_of
from ecef_cli.api.errors import DataError, UsageProblem, nearest

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
        UsageProblem: a part is not `SPEAKER=left`, `SPEAKER=right` or `SPEAKER=NUMBER`, or a speaker is named twice.
    """
    found = {}
    for part in text.split(","):
        speaker, equals, side = (piece.strip() for piece in part.rpartition("="))
        number = SIDES.get(side.casefold()) or (int(side) if side.isdecimal() else 0)
        if not (equals and speaker and number):
            hint = "write --channels caller=left,agent=right"
            raise UsageProblem(f"--channels {text!r}: {part.strip()!r} is not SPEAKER=left or SPEAKER=right", hint=hint)
        if speaker in found:
            raise UsageProblem(f"--channels {text!r}: duplicate speaker {speaker!r}", hint="name each speaker once")
        found[speaker] = number
    return found


@dataclass(frozen=True, slots=True)
class SoundOptions:
    """Options for the sound of a transcript, as the user writes them.

    Attributes:
        audio: the option for the recording.
        channels: the option for the channel of each speaker.
        per_speaker: the option for a channel per speaker.
        example: the channels of three speakers.
    """

    audio: str = "--audio FILE"
    channels: str = "--channels"
    per_speaker: str = "--channel-per-speaker"
    example: str = "--channels NAME=left,NAME=right,NAME=right"


COMMAND = SoundOptions()
READER = SoundOptions(
    "--option recording=FILE",
    "--option channels",
    "--option channel_per_speaker",
    "--option 'channels={NAME: 1, NAME: 2, NAME: 2}'",
)


class Sound:
    """The recording of one transcript, and the channels of its speakers.

    Args:
        choice: how the transcript is read.
        options: names of the options, for errors.

    Raises:
        DataError: the recording cannot be read, or lacks a channel that a speaker needs.
    """

    def __init__(self, choice: TranscriptChoice, options: SoundOptions = COMMAND) -> None:
        self.options = options
        self._audio = None if choice.audio is None else str(choice.audio.resolve())
        self._per_speaker = choice.channel_per_speaker
        self._channels: dict[str, int] = dict(choice.channels or {})
        self._named = choice.channels is not None
        self._spelled: dict[str, str] = {}  # the transcript's spelling of each name in the option
        self._rows = self._heard = self._placed = self._all_channels = 0
        self.without_times = 0
        """Rows that cannot be found in the recording."""
        if choice.audio is not None and self._by_channel:
            self._check_recording(choice.audio)

    @property
    def active(self) -> bool:
        """Whether rows change at all."""
        return self._audio is not None or self._by_channel

    @property
    def settled(self) -> bool:
        """Whether the rows so far make `check` pass, whatever follows."""
        return not self._by_channel or self._placed > 0

    @property
    def _by_channel(self) -> bool:
        return self._per_speaker or self._named

    @property
    def _option(self) -> str:
        return self.options.channels if self._named else self.options.per_speaker

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
        if not self._by_channel:
            return row
        heard, speaker = bool(row.get("audio")), str(row.get("speaker", UNKNOWN))
        given = row.get("channel") is not None
        self._rows += 1
        self._heard += heard
        if not given and speaker == UNKNOWN:
            self._all_channels += heard
            return row
        self._placed += heard
        if not given:
            row["channel"] = self._channel(speaker, where)
        return row

    def check(self, name: str) -> None:
        """Check, after the last row, that channels could be given at all.

        Args:
            name: the transcript.

        Raises:
            UsageProblem: no row has a recording.
            DataError: no row names a speaker.
        """
        if not self._by_channel:
            return
        if self._rows and not self._heard and self._audio is None:
            hint = f"add {self.options.audio}, or give the rows the key 'audio'"
            raise UsageProblem(f"{self._option} needs a recording, but no row of {name} has one", hint=hint)
        if self._all_channels and not self._placed:
            hint = f"name the speakers, or leave out {self._option}"
            raise DataError(f"no speakers are named, so {self._option} has no effect", where=name, hint=hint)

    def _check_recording(self, audio: Path) -> None:
        from ecef_cli.audio.reading import inspect

        count = inspect(audio).channels
        if self._per_speaker and count == 1:
            problem = "the recording is mono: it has one channel, so each speaker cannot have their own"
            raise DataError(problem, where=str(audio), hint=f"leave out {self.options.per_speaker}")
        beyond = [(speaker, number) for speaker, number in self._channels.items() if number > count]
        if beyond:
            speaker, number = beyond[0]
            found = "is mono: it has one channel" if count == 1 else f"has {count} channels"
            problem = f"there is no channel {number} for {speaker!r}: the recording {found}"
            hint = f"name a channel that it has in {self.options.channels}, or leave the option out"
            raise DataError(problem, where=str(audio), hint=hint)

    def _channel(self, speaker: str, where: str) -> int:
        if self._named:
            return self._channels[self._name(speaker, where)]
        if speaker in self._channels:
            return self._channels[speaker]
        if len(self._channels) == _PAIR:
            hint = f"left and right are {_listed(self._channels)}; name the channels: {self.options.example}"
            raise DataError(f"a third speaker, {speaker!r}, has no channel of its own", where=where, hint=hint)
        self._channels[speaker] = len(self._channels) + 1
        return self._channels[speaker]

    def _name(self, speaker: str, where: str) -> str:
        """Return the name in the option that means a speaker: the same, or the only one that differs in case."""
        option = self.options.channels
        alike = [name for name in self._channels if name.casefold() == speaker.casefold()]
        exact = [name for name in alike if name == speaker] or alike
        if not exact:
            hint = f"known: {_listed(self._channels)}; name every speaker in {option}"
            if close := nearest(speaker, self._channels):
                hint = f"did you mean {speaker!r} by {close!r} in {option}?"
            raise DataError(f"no channel is given for the speaker {speaker!r}", where=where, hint=hint)
        if len(exact) > 1:
            hint = f"write the name in {option} as in the transcript"
            raise DataError(f"the speaker {speaker!r} may be {_listed(alike, 'or')}", where=where, hint=hint)
        spelled = self._spelled.setdefault(exact[0], speaker)
        if spelled != speaker:
            problem = f"the speakers {spelled!r} and {speaker!r} differ only in case"
            raise DataError(problem, where=where, hint=f"give each of them a channel in {option}")
        return exact[0]

    def remarks(self) -> tuple[str, ...]:
        """Return which speaker is on which channel, how many rows hear all channels, and how many hear nothing."""
        sides = {number: side for side, number in SIDES.items()}
        said = [
            f"{speaker!r} is on the {sides[n]} channel" if n in sides else f"{speaker!r} is on channel {n}"
            for speaker, n in self._channels.items()
        ]
        found = ["; ".join(said)] if said and self._per_speaker else []
        if self._all_channels:
            one = self._all_channels == 1
            rows = "1 row names" if one else f"{self._all_channels:,} rows name"
            found.append(f"{rows} no speaker and {'hears' if one else 'hear'} all channels")
        if self.without_times:
            one = self.without_times == 1
            rows = "1 row has" if one else f"{self.without_times:,} rows have"
            found.append(f"{rows} no times and {'hears' if one else 'hear'} nothing of the recording")
        return tuple(found)


def _listed(names: Iterable[str], word: str = "and") -> str:
    return f" {word} ".join(map(repr, names))


def heard(
    utterances: Iterable[Utterance | DataError], sound: Sound, name: str, *, hold: bool
) -> Iterator[Utterance | DataError]:
    """Yield utterances of a dialogue file with their recording and channel, or errors in their place.

    Args:
        utterances: the utterances, or errors of rows.
        sound: the recording of the conversation.
        name: the file, for errors.
        hold: hold the first rows back until the options for sound are known to have an effect.

    Raises:
        UsageProblem: as in `Sound.check`.
        DataError: as in `Sound.check`.
    """
    held: list[Utterance | DataError] = []
    for found in utterances:
        held.append(found if isinstance(found, DataError) else _placed(found, sound))
        if sound.settled or not hold:
            yield from held
            held.clear()
    sound.check(name)
    yield from held


def _placed(found: Utterance, sound: Sound) -> Utterance | DataError:
    try:
        row = sound.on({**found.row, "speaker": found.speaker}, found.where or "")
        channel = channel_of(row, found.where or "") if row.get("audio") else None
    except DataError as error:
        return error
    row["speaker"] = found.row["speaker"]
    audio = found.audio if found.row.get("audio") or not row.get("audio") else Path(row["audio"])
    return replace(found, audio=audio, channel=channel, row=row)
