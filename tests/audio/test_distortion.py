"""Distorted copies: each changes what its name says, and the same seed gives the same copy."""

from __future__ import annotations

from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest

from ecef_cli.audio.distortion import DISTORTIONS, distorted
from ecef_cli.audio.level import speech_level
from ecef_cli.recipe.sections import Distortion

RATE = 16_000
Array = npt.NDArray[np.float32]


def buzz(pitch: float, seconds: float = 1.0) -> Array:
    """Return ten harmonics of a pitch."""
    times = np.arange(round(seconds * RATE)) / RATE
    waves = [0.05 * np.sin(2 * np.pi * pitch * n * times) for n in range(1, 11)]
    wave: Array = np.sum(waves, axis=0).astype(np.float32)
    return wave


def share(wave: Array, low: float, high: float) -> float:
    """Return the share of a waveform's power between two frequencies."""
    power = np.square(np.abs(np.fft.rfft(wave)))
    frequencies = np.fft.rfftfreq(len(wave), 1 / RATE)
    return float(power[(frequencies >= low) & (frequencies <= high)].sum() / power.sum())


def test_a_recipe_names_the_distortions() -> None:
    assert set(get_args(Distortion)) == set(DISTORTIONS)


@pytest.mark.parametrize("how", DISTORTIONS)
@pytest.mark.parametrize("samples", [1, 100, 700, RATE])
def test_a_copy_is_as_long_and_follows_from_its_seed(how: str, samples: int) -> None:
    wave = buzz(150)[:samples]
    copy = distorted(wave, RATE, how, seed=3)
    assert copy.shape == wave.shape
    assert copy.dtype == np.float32
    assert np.isfinite(copy).all()
    np.testing.assert_array_equal(copy, distorted(wave, RATE, how, seed=3))


@pytest.mark.parametrize("how", ["noise", "pitch"])
def test_seeds_give_other_copies(how: str) -> None:
    copies = [distorted(buzz(150), RATE, how, seed=seed) for seed in range(6)]
    assert len({copy.tobytes() for copy in copies}) > 2


@pytest.mark.parametrize("seed", range(8))
def test_noise_lies_5_to_25_db_below_the_speech(seed: int) -> None:
    wave = buzz(150)
    noise = distorted(wave, RATE, "noise", seed=seed) - wave
    assert -25.5 < speech_level(noise, RATE) - speech_level(wave, RATE) < -4.5


def test_a_telephone_leaves_its_band() -> None:
    wave = buzz(150) + buzz(700)
    assert share(wave, 300, 3_400) < 0.85
    assert share(distorted(wave, RATE, "telephone", seed=0), 300, 3_400) == pytest.approx(1, abs=1e-3)


def test_pitch_is_shifted_by_up_to_four_semitones() -> None:
    shifts = set()
    for seed in range(12):
        copy = distorted(buzz(200, seconds=2.0), RATE, "pitch", seed=seed)
        spectrum = np.abs(np.fft.rfft(copy))[: round(280 * len(copy) / RATE)]
        pitch = float(spectrum.argmax() * RATE / len(copy))
        assert 155 < pitch < 255
        shifts.add(round(pitch / 10))
    assert len(shifts) > 2


def test_without_a_distortion_a_waveform_stays_as_it_is() -> None:
    wave = buzz(150)
    assert distorted(wave, RATE, None, seed=0) is wave
