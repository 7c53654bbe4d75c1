"""Embed recordings in a page, with curves of pitch and energy."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ecef_cli.api.errors import DataError
from ecef_cli.audio.reading import inspect, read_wave

if TYPE_CHECKING:
    import numpy.typing as npt

    from ecef_cli.api.dialogue import Utterance

    Array = npt.NDArray[np.float32]

RATE = 16_000
"""Sample rate of an embedded recording, Hz."""

LONGEST = 120.0
"""Maximum duration of an embedded recording, seconds."""

WIDTH, HEIGHT = 1000, 100
"""Units of a drawing, which is stretched to the page."""

_POINTS = 400  # points of a curve
_FLOOR, _CEILING = 60.0, 600.0  # Hz, range of pitch
_RANGE = 50.0  # dB, range of energy below the loudest
_VOICED = 0.5  # minimum confidence of a voiced frame
_BLOCK = 2**16  # samples per encoding step


@dataclass(frozen=True, slots=True)
class Curves:
    """Pitch and energy as paths of SVG in a field of `WIDTH` x `HEIGHT`.

    Attributes:
        pitch: path of log F0 between 60 and 600 Hz; with gaps at unvoiced frames.
        energy: closed path of the level, from 50 dB below the loudest frame up to it.
        median: median pitch in Hz; None without voiced frames.
        lowest: lowest pitch in Hz, or None.
        highest: highest pitch in Hz, or None.
        loudest: level of the loudest frame in dB of full scale.
    """

    pitch: str
    energy: str
    median: float | None
    lowest: float | None
    highest: float | None
    loudest: float


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording in a page.

    Attributes:
        seconds: its duration.
        curves: its pitch and energy.
        data: the recording in base64, mono MP3 at 16 kHz; None if it is left out.
    """

    seconds: float
    curves: Curves
    data: str | None


class SoundReader:
    """Reader of recordings up to the page's limit.

    Recordings become MP3, which every browser plays and which takes 6 kB a second. FLAC takes twice as much, and
    Chromium's player fails when seeking in the last frame. Ogg has random stream numbers, so pages would not be
    reproducible, and Safari supports it only recently.

    Args:
        limit: maximum bytes of audio in the page.
    """

    def __init__(self, limit: int) -> None:
        self._left = limit
        self.left_out = 0

    def read(self, utterance: Utterance) -> Sound:
        """Return the recording of an utterance, without its audio if the page is full.

        Raises:
            DataError: it cannot be read, or is longer than `LONGEST`.
        """
        assert utterance.audio is not None  # noqa: S101 - guaranteed by the caller
        end = inspect(utterance.audio).seconds if utterance.end is None else utterance.end
        seconds = end - (utterance.start or 0.0)
        if seconds > LONGEST:
            self.left_out += 1
            raise DataError(f"lasts {seconds:.0f} s; the maximum is {LONGEST:.0f} s")
        wave = read_wave(
            utterance.audio, rate=RATE, start=utterance.start, end=utterance.end, channel=utterance.channel
        )
        encoded = base64.b64encode(_encoded(wave)).decode()
        fits = len(encoded) <= self._left
        if fits:
            self._left -= len(encoded)
        else:
            self.left_out += 1
        return Sound(len(wave) / RATE, self._curves(wave), encoded if fits else None)

    @cached_property
    def _detector(self) -> Any:
        from swift_f0 import SwiftF0

        return SwiftF0(threads=1, spin=False)

    def _curves(self, wave: Array) -> Curves:
        found = self._detector.detect(np.pad(wave, (0, max(0, 512 - len(wave)))), RATE, _FLOOR, _CEILING)
        level = np.asarray(found.loudness_db, dtype=float)
        voiced = np.asarray(found.confidence) >= _VOICED
        pitch = np.asarray(found.pitch_hz, dtype=float)
        voiced_pitch = pitch[voiced]
        return Curves(
            pitch=_line(pitch, voiced),
            energy=_area(level),
            median=float(np.median(voiced_pitch)) if len(voiced_pitch) else None,
            lowest=float(voiced_pitch.min()) if len(voiced_pitch) else None,
            highest=float(voiced_pitch.max()) if len(voiced_pitch) else None,
            loudest=float(level.max()),
        )


def _encoded(wave: Array) -> bytes:
    import soundfile

    stream = io.BytesIO()
    with soundfile.SoundFile(stream, "w", RATE, 1, "MPEG_LAYER_III", format="MP3") as sound:
        for start in range(0, len(wave), _BLOCK):
            sound.write(np.clip(wave[start : start + _BLOCK], -1, 1))
    return stream.getvalue()


def _line(pitch: npt.NDArray[np.float64], voiced: npt.NDArray[np.bool_]) -> str:
    share = np.log(np.clip(pitch, _FLOOR, _CEILING) / _FLOOR) / np.log(_CEILING / _FLOOR)
    across = WIDTH * (np.arange(len(pitch)) + 0.5) / len(pitch)
    step = max(1, len(pitch) // _POINTS)
    parts, drawing = [], False
    for n in range(0, len(pitch), step):
        if voiced[n]:
            parts.append(f"{'L' if drawing else 'M'}{across[n]:.1f} {HEIGHT * (1 - share[n]):.1f}")
            if not drawing:  # a single frame is a dot: a line of zero length with round ends
                parts.append("h0")
        drawing = bool(voiced[n])
    return "".join(parts)


def _area(level: npt.NDArray[np.float64]) -> str:
    step = max(1, len(level) // _POINTS)
    starts = np.arange(0, len(level), step)
    loudest = np.maximum.reduceat(level, starts)
    share = np.clip(1 + (loudest - level.max()) / _RANGE, 0, 1)
    across = WIDTH * (starts + 0.5) / len(level)
    points = "".join(f"L{x:.1f} {HEIGHT * (1 - y):.1f}" for x, y in zip(across, share, strict=True))
    return f"M0 {HEIGHT}{points}L{WIDTH} {HEIGHT}Z"
