"""Turn recordings into rows of a dialogue file."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ecef_cli import console
from ecef_cli.api.dialogue import parse_row, to_json
from ecef_cli.api.errors import DataError
from ecef_cli.audio.reading import inspect
from ecef_cli.plugin.boundary import identity
from ecef_cli.plugin.manager import get_registry
from ecef_cli.recipe.model import build_component
from ecef_cli.recipe.options import parse_options
from ecef_cli.transcription.parts import PART, Kept, recognise
from ecef_cli.transcription.utterances import split
from ecef_cli.workspace import checksum

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ecef_cli.api.components import SpokenSegment, Transcriber
    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.transcription.utterances import Spoken

UNKNOWN = "?"
"""Speaker of a row if nothing tells speakers apart."""

_DOUBTFUL = 0.5  # mean probability of the text below which the recogniser rather guesses


@dataclass(frozen=True, slots=True)
class Speakers:
    """How speakers are told apart.

    Attributes:
        by_channel: whether each channel of a recording has one speaker.
        names: names of the speakers by channel, from 1; another channel's is `channel 1` and so on.
    """

    by_channel: bool = False
    names: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, channels: Mapping[str, int] | None, *, by_channel: bool) -> Speakers:
        """Return the speakers with these channels; channels that are given tell speakers apart."""
        names = {channel: name for name, channel in (channels or {}).items()}
        return cls(by_channel or bool(names), names)

    def name(self, channel: int | None) -> str:
        """Return the speaker of a channel."""
        if channel is None:
            return UNKNOWN
        return self.names.get(channel, f"channel {channel}")


def choose_transcriber(name: str | None, settings: Sequence[str], *, device: str) -> Transcriber:
    """Return a transcriber; without a name, the built-in one.

    Args:
        name: its name.
        settings: its options as `key=value`.
        device: where to compute.

    Raises:
        PluginError: there is no such transcriber, or its model is missing.
        RecipeError: an option is wrong.
    """
    registry = get_registry()
    chosen = name or next(entry.name for entry in registry.entries("transcriber") if entry.built_in)
    options = parse_options(settings, registry.find("transcriber", chosen).load().Options)
    transcriber = cast("Transcriber", build_component("transcriber", chosen, options))
    transcriber.place(device)
    return transcriber


def transcribe(
    path: Path, transcriber: Transcriber, speakers: Speakers, *, keep: Path | None = None
) -> tuple[list[Spoken], Kept]:
    """Return the utterances of a recording in order of time, and the parts that were kept.

    Args:
        path: the recording.
        transcriber: the recogniser.
        speakers: how speakers are told apart.
        keep: folder for recognised parts, which a later call takes from there; None keeps nothing.

    Raises:
        DataError: the recording cannot be read, or nobody speaks in it, or its channels are not those of speakers.
        PluginError: the transcriber fails.
    """
    recording = inspect(path)
    channels: list[int | None] = [*range(1, recording.channels + 1)] if speakers.by_channel else [None]
    _check_channels(path, channels, speakers)
    kept = Kept(keep, {} if keep is None else _facts(path, transcriber))
    heard: list[SpokenSegment] = []
    found: list[list[Spoken]] = []
    total = round(recording.seconds * len(channels))
    with console.Progress(total, path.name, "s") as progress:
        for number, channel in enumerate(channels):
            tell = partial(_reach, progress, number * recording.seconds)
            segments = [*recognise(recording, transcriber, kept, channel=channel, progress=tell)]
            heard += segments
            found.append([*split(segments, channel=channel)])
    if not any(found):
        problem = f"no speech was found in {recording.seconds:.1f} s"
        raise DataError(problem, where=str(path), hint="listen to it; music and noise are not transcribed")
    if len(found) > 1 and all([u.text for u in one] == [u.text for u in found[0]] for one in found):
        problem = f"all {len(found)} channels hold the same speech"
        raise DataError(problem, where=str(path), hint="leave out --channel-per-speaker")
    _tell_doubts(path, heard)
    return sorted((u for one in found for u in one), key=lambda u: (u.start, u.end)), kept


def _reach(progress: console.Progress, before: float, seconds: float) -> None:
    progress.reach(round(before + seconds))


def _facts(path: Path, transcriber: Transcriber) -> dict[str, Any]:
    """Return everything that affects the speech that is recognised."""
    return {
        "recording": checksum(path),
        "transcriber": transcriber.origin,
        "version": transcriber.version,
        "options": transcriber.options.decisive(),
        "identity": identity(transcriber),
        "part": PART,
    }


def _check_channels(path: Path, channels: Sequence[int | None], speakers: Speakers) -> None:
    if speakers.by_channel and len(channels) == 1:
        problem, hint = "the recording has one channel, so it cannot tell speakers apart", "leave out "
        raise DataError(problem, where=str(path), hint=f"{hint}--channel-per-speaker")
    beyond = [channel for channel in speakers.names if channel > len(channels)]
    if beyond:
        problem = f"the recording has {len(channels)} channels, but {speakers.names[beyond[0]]} has channel {beyond[0]}"
        raise DataError(problem, where=str(path), hint="give --channels for the channels that there are")


def _tell_doubts(path: Path, heard: Sequence[SpokenSegment]) -> None:
    """Say which other language was heard, and if the recogniser rather guessed."""
    languages = sorted({s.language for s in heard if s.language} - {"en"})
    if languages:
        console.note(f"{path}: recognised language: {', '.join(languages)}")
    rated = [(s.confidence, s.end - s.start) for s in heard if s.confidence is not None]
    seconds = sum(length for _, length in rated)
    if seconds and (mean := sum(c * length for c, length in rated) / seconds) < _DOUBTFUL:
        hint = "is the recording noisy, or in a language that the model does not read?"
        console.warn(f"{path}: the text is doubtful, with a mean probability of {mean:.2f} ({hint})")


def rows(
    utterances: Sequence[Spoken], *, audio: str, dialogue: str, speakers: Speakers, words: bool = False
) -> list[dict[str, Any]]:
    """Return utterances as rows of a dialogue file.

    Args:
        utterances: the utterances, in order of time.
        audio: path of the recording as the rows name it.
        dialogue: id of the dialogue.
        speakers: how speakers are told apart.
        words: whether rows hold the words with their times.
    """
    found = []
    for number, spoken in enumerate(utterances, start=1):
        row: dict[str, Any] = {
            "dialogue": dialogue,
            "utterance": number,
            "speaker": speakers.name(spoken.channel),
            "text": spoken.text,
            "audio": audio,
            "start": spoken.start,
            "end": spoken.end,
        }
        if spoken.channel is not None:
            row["channel"] = spoken.channel
        if words:
            row["words"] = [{"word": w.text.strip(), "start": w.start, "end": w.end} for w in spoken.words]
        found.append(row)
    return found


def recording_utterances(path: Path, transcriber: Transcriber, speakers: Speakers) -> list[Utterance]:
    """Return the utterances of a recording as `ecef predict` reads them from a dialogue file.

    Raises:
        DataError: as in `transcribe`.
        PluginError: the transcriber fails.
    """
    spoken, _ = transcribe(path, transcriber, speakers)
    tell_unknown(speakers)
    found = rows(spoken, audio=str(path), dialogue=path.stem, speakers=speakers)
    return [
        parse_row(to_json(row), where=str(path), dialogue=path.stem, number=number)
        for number, row in enumerate(found, start=1)
    ]


def tell_unknown(speakers: Speakers) -> None:
    """Say that every row has the same speaker, if nothing tells them apart."""
    if not speakers.by_channel:
        console.note(f"speakers are not told apart: every row has the speaker {UNKNOWN!r}")
