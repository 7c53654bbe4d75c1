"""Speech level of a waveform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

_FRAME = 0.02  # seconds
_PAUSE = 30.0  # dB below the loudest frame at which a frame is a pause
_GREATEST = 40.0  # dB of gain: more would turn the noise of an empty recording into speech


def speech_level(wave: Array, rate: int) -> float:
    """Return the level of the speech in a waveform (S,): dBFS, the RMS over its frames of 20 ms that are not pauses.

    It has no minimum length, unlike the loudness of EBU R128, whose blocks last 400 ms: "Oh." is shorter.
    """
    size = max(1, min(round(_FRAME * rate), len(wave)))
    count = len(wave) // size
    powers = np.square(wave[: count * size].reshape(count, size), dtype=np.float64).mean(axis=1)
    speech = powers[powers >= powers.max() * 10 ** (-_PAUSE / 10)]
    return float(10 * np.log10(max(float(speech.mean()), np.finfo(np.float64).tiny)))


def levelled(wave: Array, rate: int, target: float | None) -> Array:
    """Return a waveform (S,) with its speech at a level, by a gain of at most 40 dB; peaks may exceed full scale.

    Args:
        wave: the waveform.
        rate: its sampling rate (Hz).
        target: the level, dBFS; None to return the waveform as it is.
    """
    if target is None:
        return wave
    gain = min(target - speech_level(wave, rate), _GREATEST)
    return wave * np.float32(10 ** (gain / 20))
