"""A language of tones, a word per pitch, and a transcriber that understands it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import soundfile

from ecef_cli.api.components import TRANSCRIBER_RATE, Options, SpokenSegment, SpokenWord, Transcriber

WORDS = {
    word: 300 + 100 * number
    for number, word in enumerate(["I", "see", "you.", "Yes.", "and", "Nobody", "heard", "me,", "Help!"])
}
"""Pitch of each word, Hz."""
LENGTH = 0.4
"""Seconds of a word."""
PLUGIN = """
from ecef_cli.api import hookimpl

@hookimpl
def ecef_register_transcribers(register):
    register("tones", "tones:Tones", summary="words of a pitch")
"""

_FRAME = 800  # samples over which loudness is measured
_LOUD = 0.01


def say(*said: str | float, rate: int = TRANSCRIBER_RATE) -> np.ndarray:
    """Return words as a waveform; a number is a pause in seconds, and words follow one another after 0.1 s."""
    times = np.arange(round(LENGTH * rate)) / rate
    pieces = [
        np.zeros(round(item * rate))
        if isinstance(item, float)
        else np.concatenate([0.3 * np.sin(2 * np.pi * WORDS[item] * times), np.zeros(rate // 10)])
        for item in said
    ]
    return np.concatenate(pieces).astype(np.float32)


def record(path: Path, *channels: Sequence[str | float], rate: int = TRANSCRIBER_RATE) -> Path:
    """Write a recording with what is said on each channel."""
    waves = [say(*said, rate=rate) for said in channels]
    whole = np.zeros((max(map(len, waves)), len(waves)), np.float32)
    for number, wave in enumerate(waves):
        whole[: len(wave), number] = wave
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, whole, rate)
    return path


class TonesOptions(Options):
    """How it hears."""

    language: str = "en"
    confidence: float = 0.9
    times: bool = True
    fail_at: int | None = None


class Tones(Transcriber):
    """Understands `say`, three words a segment."""

    Options = TonesOptions
    options: TonesOptions
    heard: ClassVar[list[float]] = []
    """Seconds of each waveform that was transcribed."""

    def transcribe(self, wave: np.ndarray) -> Iterator[SpokenSegment]:
        Tones.heard.append(len(wave) / TRANSCRIBER_RATE)
        if self.options.fail_at == len(Tones.heard):
            raise KeyboardInterrupt
        words = list(_words(wave))
        for at in range(0, len(words), 3):
            some = tuple(words[at : at + 3])
            text = "".join(word.text for word in some)
            yield SpokenSegment(
                text,
                some[0].start,
                some[-1].end,
                some if self.options.times else (),
                self.options.confidence,
                self.options.language,
            )


def _words(wave: np.ndarray) -> Iterator[SpokenWord]:
    frames = wave[: len(wave) // _FRAME * _FRAME].reshape(-1, _FRAME)
    loud = [False, *(np.abs(frame).max() > _LOUD for frame in frames), False]
    edges = [number for number in range(1, len(loud)) if loud[number] != loud[number - 1]]
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        sound = frames[first - 1 : last - 1].ravel()
        pitch = np.abs(np.fft.rfft(sound)).argmax() * TRANSCRIBER_RATE / len(sound)
        word = min(WORDS, key=lambda known: abs(WORDS[known] - pitch))
        start, end = (edge * _FRAME / TRANSCRIBER_RATE for edge in (first - 1, last - 1))
        yield SpokenWord(f" {word}", start, end)
