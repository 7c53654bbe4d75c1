"""Level of speech: pauses do not count, and a gain brings every recording of the same words to the same waveform."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from ecef_cli.audio.level import levelled, speech_level

RATE = 16_000


def tone(seconds: float, level: float) -> npt.NDArray[np.float32]:
    """Return a tone of 200 Hz with an RMS of a level, dBFS."""
    times = np.arange(round(seconds * RATE)) / RATE
    wave: npt.NDArray[np.float32] = (2**0.5 * 10 ** (level / 20) * np.sin(2 * np.pi * 200 * times)).astype(np.float32)
    return wave


@pytest.mark.parametrize("seconds", [0.3, 1.0, 10.0])
def test_pauses_around_the_speech_do_not_lower_its_level(seconds: float) -> None:
    pause = 1e-4 * np.random.default_rng(0).standard_normal(3 * RATE).astype(np.float32)
    assert speech_level(tone(seconds, -30), RATE) == pytest.approx(-30, abs=0.1)
    assert speech_level(np.concatenate([pause, tone(seconds, -30), pause]), RATE) == pytest.approx(-30, abs=0.5)


@pytest.mark.parametrize("gain", [-25.0, -12.0, 0.0, 12.0])
def test_any_gain_gives_the_same_waveform(gain: float) -> None:
    wave = tone(1.0, -30) + tone(1.0, -60)
    louder = wave * np.float32(10 ** (gain / 20))
    np.testing.assert_allclose(levelled(louder, RATE, -26), levelled(wave, RATE, -26), rtol=1e-4, atol=1e-6)
    assert speech_level(levelled(louder, RATE, -26), RATE) == pytest.approx(-26, abs=0.01)


def test_the_noise_of_an_empty_recording_does_not_become_speech() -> None:
    noise = 10 ** (-90 / 20) * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    assert speech_level(levelled(noise, RATE, -26), RATE) == pytest.approx(-50, abs=0.5)
    assert not levelled(np.zeros(RATE, dtype=np.float32), RATE, -26).any()


@pytest.mark.parametrize("samples", [1, 2, 319, 321])
def test_the_shortest_waveforms_have_a_level(samples: int) -> None:
    wave = np.full(samples, 0.1, dtype=np.float32)
    assert speech_level(wave, RATE) == pytest.approx(-20, abs=0.01)
    assert levelled(wave, RATE, -26).dtype == np.float32


def test_without_a_level_a_waveform_stays_as_it_is() -> None:
    wave = tone(0.5, -40)
    assert levelled(wave, RATE, None) is wave
