"""Distorted copies of recordings, to train on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.audio.level import speech_level

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

_RATIOS = (5.0, 25.0)  # dB between speech and noise
_COLOURS = (0.0, 1.5)  # exponent of the frequency by which the power of noise falls: 0 is white, 1 is pink
_BAND = (300.0, 3_400.0)  # Hz: a telephone's
_SHIFTS = (16, 17, 18, 22, 23, 25)  # twentieths of the pitch: -3.9 to +3.9 semitones
_TRANSFORM = 512  # samples


def distorted(wave: Array, rate: int, how: str | None, seed: int) -> Array:
    """Return a distorted copy (S,) of a waveform, of the same length.

    `noise` adds stationary noise 5 to 25 dB below the speech, of a colour between white and brown; `telephone` leaves
    300 to 3,400 Hz; `pitch` shifts pitch and formants by up to four semitones and keeps the duration.

    Args:
        wave: the waveform (S,).
        rate: its sampling rate (Hz).
        how: one of `DISTORTIONS`; None returns the waveform as it is.
        seed: decides ratio, colour, noise and shift; the same seed gives the same copy.
    """
    if how is None:
        return wave
    found: Array = DISTORTIONS[how](wave, rate, np.random.default_rng(seed))
    return found


def _noisy(wave: Array, rate: int, random: np.random.Generator) -> Array:
    spectrum = np.fft.rfft(random.standard_normal(len(wave)))
    bins = np.maximum(np.arange(len(spectrum)), 1)
    noise = np.fft.irfft(spectrum * bins ** (-random.uniform(*_COLOURS) / 2), len(wave))
    level = speech_level(wave, rate) - random.uniform(*_RATIOS)
    power = max(float(np.square(noise).mean()), np.finfo(np.float64).tiny)
    found: Array = (wave + noise * np.sqrt(10 ** (level / 10) / power)).astype(np.float32)
    return found


def _telephoned(wave: Array, rate: int, random: np.random.Generator) -> Array:
    del random
    spectrum = np.fft.rfft(wave)
    frequencies = np.fft.rfftfreq(len(wave), 1 / rate)
    spectrum[(frequencies < _BAND[0]) | (frequencies > _BAND[1])] = 0
    return np.fft.irfft(spectrum, len(wave)).astype(np.float32)


def _shifted(wave: Array, rate: int, random: np.random.Generator) -> Array:
    """Stretch by a phase vocoder, then play as much faster or slower."""
    import torch
    from torchaudio.functional import phase_vocoder, resample

    del rate  # the shift is a ratio
    shift, hop = int(random.choice(_SHIFTS)), _TRANSFORM // 4
    window = torch.hann_window(_TRANSFORM)
    advance = torch.linspace(0, np.pi * hop, _TRANSFORM // 2 + 1)[:, None]
    given = torch.stft(torch.from_numpy(wave), _TRANSFORM, hop, window=window, pad_mode="constant", return_complex=True)
    longer = round(len(wave) * shift / 20)
    stretched = torch.istft(phase_vocoder(given, 20 / shift, advance), _TRANSFORM, hop, window=window, length=longer)
    found = resample(stretched, shift, 20).numpy()[: len(wave)]
    return np.pad(found, (0, len(wave) - len(found)))


DISTORTIONS = {"noise": _noisy, "telephone": _telephoned, "pitch": _shifted}
"""Distortions by the name that a recipe gives them."""
