"""Divide a recording into parts of minutes at quiet places, recognise each once, and keep what is recognised."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ecef_cli.api.components import TRANSCRIBER_RATE, SpokenSegment, SpokenWord
from ecef_cli.api.errors import DataError
from ecef_cli.audio.reading import Recording, SilenceError, read_wave
from ecef_cli.plugin.boundary import calling
from ecef_cli.workspace import content_key, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from ecef_cli.api.components import Transcriber

PART = 300.0
"""Seconds of the longest part. A recording at most a fifth longer is one part."""

_SEARCH = 60.0  # seconds at the end of a part in which the quietest place is looked for
_QUIET = 0.5  # seconds that must be quiet together
_FRAME = 0.05  # seconds over which loudness is measured


@dataclass(frozen=True, slots=True)
class Part:
    """A recognised part of a recording.

    Attributes:
        end: seconds from the start of the recording at which the part ends.
        segments: its speech, with times from the start of the recording.
    """

    end: float
    segments: tuple[SpokenSegment, ...]


class Kept:
    """Recognised parts in a folder, so that an interrupted command does not recognise them again.

    Args:
        folder: the folder, made when there is something to keep; None keeps nothing.
        facts: everything that affects the speech that is recognised.
    """

    def __init__(self, folder: Path | None, facts: Mapping[str, Any]) -> None:
        self.folder, self._facts = folder, facts

    def load(self, channel: int | None, start: float) -> Part | None:
        """Return the part that begins at a time, or None if it was not recognised yet."""
        file = self._file(channel, start)
        if file is None or not file.is_file():
            return None
        try:
            row = read_json(file)
            return Part(row["end"], tuple(_segment(segment) for segment in row["segments"]))
        except (DataError, KeyError, TypeError):  # damaged: it is recognised again
            return None

    def save(self, channel: int | None, start: float, part: Part) -> None:
        """Keep a part."""
        file = self._file(channel, start)
        if file is not None:
            write_json(file, {"end": part.end, "segments": [asdict(segment) for segment in part.segments]})

    def clear(self) -> None:
        """Remove all parts."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, channel: int | None, start: float) -> Path | None:
        key = content_key({**self._facts, "channel": channel, "start": start})
        return None if self.folder is None else self.folder / f"{key}.json"


def _segment(row: Mapping[str, Any]) -> SpokenSegment:
    return SpokenSegment(**{**row, "words": tuple(SpokenWord(**word) for word in row["words"])})


def recognise(
    recording: Recording,
    transcriber: Transcriber,
    kept: Kept,
    *,
    channel: int | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> Iterator[SpokenSegment]:
    """Yield the speech of a recording, part by part; only one part is in memory.

    Args:
        recording: the recording.
        transcriber: the recogniser.
        kept: parts that are recognised already; new ones are added.
        channel: the channel to hear, from 1; None is the mean of all.
        progress: called with the number of seconds heard so far.

    Raises:
        DataError: the recording is damaged.
        PluginError: the transcriber fails.
    """
    start = 0.0
    while start < recording.seconds:
        part = kept.load(channel, start)
        if part is None:
            part = _part(recording, transcriber, start, channel, progress)
            kept.save(channel, start, part)
        progress(part.end)
        yield from part.segments
        start = part.end


def _part(
    recording: Recording,
    transcriber: Transcriber,
    start: float,
    channel: int | None,
    progress: Callable[[float], None],
) -> Part:
    last = recording.seconds - start <= 1.2 * PART
    end = recording.seconds if last else start + PART
    try:
        wave = read_wave(recording.path, rate=TRANSCRIBER_RATE, start=start, end=end, channel=channel)
    except SilenceError:
        return Part(end, ())
    if not last:
        wave = wave[: _quietest(wave)]
        end = start + len(wave) / TRANSCRIBER_RATE
    segments = []
    with calling(transcriber, "transcribe", f"{recording.path} from {start:.1f} s to {end:.1f} s"):
        for segment in transcriber.transcribe(wave):
            segments.append(_later(segment, start))
            progress(segments[-1].end)
    return Part(end, tuple(segments))


def _later(segment: SpokenSegment, by: float) -> SpokenSegment:
    """Return a segment with times from the start of the recording, in ms."""

    def at(seconds: float) -> float:
        return round(float(seconds) + by, 3)

    words = tuple(SpokenWord(word.text, at(word.start), at(word.end)) for word in segment.words)
    return replace(segment, start=at(segment.start), end=at(segment.end), words=words)


def _quietest(wave: npt.NDArray[np.float32]) -> int:
    """Return the sample in the middle of the quietest place near the end of a waveform."""
    import numpy as np

    frame = round(_FRAME * TRANSCRIBER_RATE)
    first = len(wave) - round(_SEARCH * TRANSCRIBER_RATE)
    frames = (len(wave) - first) // frame
    energy = np.square(wave[first : first + frames * frame], dtype=np.float64).reshape(frames, frame).sum(axis=1)
    together = round(_QUIET / _FRAME)
    sums = np.convolve(energy, np.ones(together), mode="valid")
    return first + int(sums.argmin()) * frame + together * frame // 2
