"""The log-mel spectrum of an utterance."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ecef_cli.api.components import Spectrum
from ecef_cli.api.errors import RecipeError
from ecef_cli.audio.spectrum import LogMel
from ecef_cli.testing import check_audio_encoder


@pytest.mark.parametrize("options", [{}, {"rate": 8000, "high": 3900, "bins": 32, "hop": 16, "window": 32}])
def test_it_keeps_the_contract_of_an_audio_encoder(options: dict[str, float]) -> None:
    check_audio_encoder(LogMel(Spectrum(**options)))


def test_bands_are_those_of_torchaudio_less_the_mean_over_speech() -> None:
    from torchaudio.transforms import MelSpectrogram

    wave = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * 0.1
    [found] = LogMel(Spectrum(bins=40)).encode([wave])
    mel = MelSpectrogram(
        16_000, n_fft=1024, win_length=400, hop_length=160, f_min=50, f_max=7600, n_mels=40, pad_mode="constant"
    )
    bands = torch.log(mel(torch.from_numpy(wave)).T + 1e-7)
    expected = (bands - bands.mean(dim=0)) / 3.5  # it is all speech: no frame is 40 dB below the loudest
    assert found.rate == 100
    torch.testing.assert_close(torch.from_numpy(found.frames), expected, atol=1e-3, rtol=1e-3)


def test_a_pause_does_not_move_the_mean() -> None:
    speech = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * 0.1
    pause = 1e-5 * np.random.default_rng(1).standard_normal(32_000).astype(np.float32)
    encoder = LogMel(Spectrum())
    [alone], [paused] = encoder.encode([speech]), encoder.encode([np.concatenate([speech, pause])])
    np.testing.assert_allclose(alone.frames[:95], paused.frames[:95], atol=0.05)
    assert paused.frames[150:].mean() < -2


def test_loudness_makes_no_difference() -> None:
    wave = np.random.default_rng(0).standard_normal(8_000).astype(np.float32) * 0.1
    loud, quiet = (LogMel(Spectrum()).encode([gain * wave])[0].frames for gain in (1.0, 0.1))
    np.testing.assert_allclose(loud, quiet, atol=1e-2)


def test_a_tone_is_in_the_band_of_its_pitch() -> None:
    times = np.arange(16_000) / 16_000
    sweep = np.concatenate([np.sin(2 * np.pi * pitch * times) for pitch in (300, 3000)]).astype(np.float32)
    [found] = LogMel(Spectrum(bins=80)).encode([sweep])
    low, high = found.frames[50].argmax(), found.frames[150].argmax()
    edges = 700 * (10 ** (np.linspace(2595 * np.log10(1 + 50 / 700), 2595 * np.log10(1 + 7600 / 700), 82) / 2595) - 1)
    assert edges[low] < 300 < edges[low + 2]
    assert edges[high] < 3000 < edges[high + 2]


def test_bands_that_would_hold_nothing_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"^fusion\.spectrum\.bins: 512 bands are too many for a window of 25 ms"):
        LogMel(Spectrum(bins=512))
