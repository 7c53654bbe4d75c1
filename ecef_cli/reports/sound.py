"""Recordings in a page: the sound itself, and its pitch and energy as curves."""

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
"""Samples a second of an embedded recording (Hz)."""

LONGEST = 120.0
"""Seconds of an utterance whose recording a page takes in at most."""

WIDTH, HEIGHT = 1000, 100
"""Units of a drawing; it is stretched to the page."""

_POINTS = 400  # of a curve
_FLOOR, _CEILING = 60.0, 600.0  # Hz of pitch
_RANGE = 50.0  # dB of energy that are drawn, below the loudest
_VOICED = 0.5  # confidence from which on a frame has a pitch
_BLOCK = 2**16  # samples that are encoded at once


@dataclass(frozen=True, slots=True)
class Curves:
    """Pitch and energy as paths of SVG in a field of `WIDTH` x `HEIGHT`.

    Attributes:
        pitch: path of log F0 between 60 and 600 Hz; broken where nothing is voiced.
        energy: closed path of the level, from 50 dB below the loudest frame up to it.
        median: median pitch in Hz; None where nothing is voiced.
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
        seconds: how long it is.
        curves: its pitch and energy.
        data: the recording in base64, mono MP3 of 16 kHz; None where it is left out.
    """

    seconds: float
    curves: Curves
    data: str | None


class SoundReader:
    """Reads recordings until the page holds as many as it may.

    They are MP3, which every browser plays and which takes 6 kB a second. FLAC takes twice as much, and Chromium's
    player breaks where one seeks in its last frame. Ogg numbers its streams at random, so that no page would be the
    same twice, and Safari has learned it only lately.

    Args:
        limit: bytes of sound that the page may hold.
    """

    def __init__(self, limit: int) -> None:
        self._left = limit
        self.left_out = 0

    def read(self, utterance: Utterance) -> Sound:
        """Return the recording of an utterance; without its sound, where the page holds no more.

        Raises:
            DataError: it cannot be read, or is longer than `LONGEST`.
        """
        assert utterance.audio is not None  # noqa: S101 - the caller asks for those that have one
        end = inspect(utterance.audio).seconds if utterance.end is None else utterance.end
        seconds = end - (utterance.start or 0.0)
        if seconds > LONGEST:
            self.left_out += 1
            raise DataError(f"lasts {seconds:.0f} s; a page takes in up to {LONGEST:.0f} s of an utterance")
        wave = read_wave(utterance.audio, rate=RATE, start=utterance.start, end=utterance.end)
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
        heard = pitch[voiced]
        return Curves(
            pitch=_line(pitch, voiced),
            energy=_area(level),
            median=float(np.median(heard)) if len(heard) else None,
            lowest=float(heard.min()) if len(heard) else None,
            highest=float(heard.max()) if len(heard) else None,
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
            if not drawing:  # a single frame is a dot: a line of no length with round ends
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
