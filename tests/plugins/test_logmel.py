"""Log-mel and prosody of waves whose pitch, loudness and spectrum are known."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import ValidationError

from ecef_speech import logmel
from ecef_speech.logmel import PROSODY, LogMelOptions, LogMelProsody

Wave = npt.NDArray[np.float32]
RATE = 16_000
HOP = 160
MELS = 64
F0, F0_MOVED, F0_SLOPE, VOICING, CONFIDENCE, ENERGY, BELOW_LOUDEST, ENERGY_SLOPE, SPEECH = range(PROSODY)
PITCHES = (80, 100, 150, 220, 300, 400)  # Hz


def encode(wave: Wave, **options: Any) -> npt.NDArray[np.float32]:
    [features] = LogMelProsody(LogMelOptions(**options)).encode([wave])
    return features.frames


def mel(wave: Wave) -> npt.NDArray[np.float32]:
    return encode(wave)[:, :MELS]


def prosody(wave: Wave, **options: Any) -> npt.NDArray[np.float32]:
    return encode(wave, **options)[:, -PROSODY:]


def seconds(duration: float) -> npt.NDArray[np.float64]:
    return np.arange(round(duration * RATE)) / RATE


def scaled(wave: npt.NDArray[np.float64], peak: float = 0.3) -> Wave:
    scaled_wave: Wave = (peak * wave / np.abs(wave).max()).astype(np.float32)
    return scaled_wave


def sine(pitch: float, duration: float = 1.0) -> Wave:
    return scaled(np.sin(2 * np.pi * pitch * seconds(duration)))


def harmonic(pitch: float | npt.NDArray[np.float64], duration: float = 1.0) -> Wave:
    """Return a tone as voices have it: overtones that fall off. The pitch may differ from sample to sample."""
    cycles = np.cumsum(np.broadcast_to(pitch, len(seconds(duration)))) / RATE
    overtones = range(1, int(7000 // np.max(pitch)) + 1)
    return scaled(np.sum([np.sin(2 * np.pi * k * cycles) / k for k in overtones], axis=0))


def pulses(pitch: float) -> Wave:
    return scaled(
        np.sum([np.cos(2 * np.pi * k * pitch * seconds(1.0)) for k in range(1, int(7000 // pitch) + 1)], axis=0)
    )


def noise(peak: float, duration: float = 1.0) -> Wave:
    return scaled(np.random.default_rng(0).standard_normal(len(seconds(duration))).clip(-3, 3), peak)


def pitch_of(channels: npt.NDArray[np.float32]) -> npt.NDArray[np.floating]:
    """Return the pitch that the first channel says, Hz."""
    return 100 * 2 ** (channels[:, F0] / (1.2 * channels[:, VOICING]) + 1.2)


# ------------------------------------------------------------------------------------------------ prosody


@pytest.mark.parametrize("pitch", PITCHES)
@pytest.mark.parametrize("make", [sine, harmonic, pulses])
def test_the_pitch_of_a_tone_is_right_to_two_percent(make: Any, pitch: float) -> None:
    found = pitch_of(prosody(make(pitch)))
    assert np.abs(found[5:-5] / pitch - 1).max() < 0.02


@pytest.mark.parametrize("pitch", PITCHES)
@pytest.mark.parametrize("make", [harmonic, pulses])
def test_a_tone_with_overtones_is_voiced(make: Any, pitch: float) -> None:
    assert prosody(make(pitch))[5:-5, VOICING].min() > 0.95


@pytest.mark.parametrize("peak", [0.003, 0.05, 0.9])
def test_noise_is_not_voiced_and_its_pitch_is_faded_out(peak: float) -> None:
    found = prosody(noise(peak))
    assert found[:, VOICING].mean() < 0.05
    assert np.abs(found[:, [F0, F0_MOVED, F0_SLOPE]]).mean() < 0.1


def test_pitch_is_in_octaves_around_230_hz_and_around_its_own_mean_and_its_slope_is_its_change() -> None:
    octaves = 0.5 + 0.5 * seconds(2.0)  # from 141 to 283 Hz, half an octave a second
    found = prosody(harmonic(100 * 2**octaves, 2.0))[20:-20]
    expected = 0.5 + 0.5 * np.arange(201)[20:-20] / 100
    np.testing.assert_allclose(found[:, F0], 1.2 * (expected - 1.2), atol=0.02)
    np.testing.assert_allclose(found[:, F0_MOVED], 3 * (expected - 1.0), atol=0.05)
    assert found[:, F0_SLOPE].mean() == pytest.approx(30 * 0.5 / 100, rel=0.02)


def test_voicing_is_a_step_at_a_confidence_of_one_half() -> None:
    found = prosody(np.concatenate([harmonic(150), noise(0.1), sine(200)]))
    expected = 1 / (1 + np.exp(-12 * (found[:, CONFIDENCE].astype(float) - 0.5)))
    np.testing.assert_allclose(found[:, VOICING], expected, atol=1e-4)
    assert {0, 1} == set(found[:, VOICING].round())


def test_pitch_stays_between_the_floor_and_the_ceiling() -> None:
    found = pitch_of(prosody(harmonic(100), f0_floor=150, f0_ceiling=350))
    assert found.min() > 149
    assert found.max() < 351


@pytest.mark.parametrize("decibels", [-50, -20, -3])
def test_energy_is_in_dB_of_full_scale(decibels: float) -> None:  # noqa: N802 - the unit
    wave = sine(400) / np.float32(0.3 / np.sqrt(2)) * np.float32(10 ** (decibels / 20))
    np.testing.assert_allclose(prosody(wave)[5:-5, ENERGY], (decibels + 45) / 15, atol=0.01)


def test_twice_the_amplitude_moves_energy_by_6_dB_and_nothing_else_of_energy_and_mel() -> None:  # noqa: N802 - the unit
    quiet = noise(0.2, 2.0) * np.linspace(0.3, 1, 2 * RATE, dtype=np.float32)
    before, after = encode(quiet), encode(2 * quiet)
    np.testing.assert_allclose(after[:, :MELS], before[:, :MELS], atol=1e-3)
    moved = (after - before)[:, MELS:]
    np.testing.assert_allclose(moved[:, ENERGY], 20 * np.log10(2) / 15, atol=1e-4)
    np.testing.assert_allclose(moved[:, [BELOW_LOUDEST, ENERGY_SLOPE, SPEECH]], 0, atol=1e-4)


def test_loudness_is_measured_from_the_loudest_frame_and_what_lies_40_db_below_is_a_pause() -> None:
    loud = harmonic(200)
    found = prosody(np.concatenate([loud, loud / 10, loud / 89, loud / 112]))  # 20, 39 and 41 dB below
    middles = found[[50, 150, 250, 350]]
    np.testing.assert_allclose(middles[:, BELOW_LOUDEST], [1.5, 0.5, -0.45, -0.55], atol=0.05)
    assert middles[:, SPEECH].tolist() == [1, 1, 1, 0]
    assert middles[3, ENERGY] == 0
    assert np.abs(middles[:, ENERGY_SLOPE]).max() < 0.1
    assert found[95:105, ENERGY_SLOPE].min() < -0.5


def test_energy_is_that_of_25_ms_around_a_frame() -> None:
    click = np.zeros(RATE, np.float32)
    click[RATE // 2] = 0.5
    frames = np.flatnonzero(prosody(click)[:, BELOW_LOUDEST] > 0)
    assert frames.tolist() == [49, 50, 51]  # whose middles are within 12.5 ms of the click


def test_the_mean_of_pitch_is_over_what_is_voiced() -> None:
    found = prosody(np.concatenate([harmonic(150), noise(0.3, 2.0), harmonic(300)]))
    assert found[50, F0_MOVED] == pytest.approx(-1.5, abs=0.1)
    assert found[350, F0_MOVED] == pytest.approx(1.5, abs=0.1)


# --------------------------------------------------------------------------------------------- log-mel


def log_mel(wave: Wave) -> npt.NDArray[np.float64]:
    """Direct transcription: Hann windows of 25 ms, power spectra, triangles on the mel scale, logarithm."""
    padded = np.pad(wave.astype(float), 256, mode="reflect")
    window = np.zeros(512)
    window[56:456] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    low, high = 2595 * np.log10(1 + np.array([50, 7600]) / 700)
    to_hz = [700 * (10 ** (m / 2595) - 1) for m in np.linspace(low, high, 66)]
    bins = np.arange(257) * RATE / 512
    bands = [np.interp(bins, to_hz[band : band + 3], [0, 1, 0]) for band in range(MELS)]
    starts = range(0, len(wave) + 1, HOP)
    power = [np.abs(np.fft.rfft(window * padded[start : start + 512])) ** 2 for start in starts]
    return np.log(np.array(power) @ np.array(bands).T + 1e-7)


def test_mel_bands_are_logarithms_around_their_mean_over_the_frames_of_speech() -> None:
    wave = np.concatenate([harmonic(120, 0.5), noise(0.1, 0.5), noise(1e-5, 0.5)])
    expected, speech = log_mel(wave), prosody(wave)[:, SPEECH] > 0
    assert 90 < speech.sum() < 110
    expected = (expected - expected[speech].mean(axis=0)) / 3.5
    np.testing.assert_allclose(mel(wave), expected, atol=0.02)


# ------------------------------------------------------------------------------------- frames and options


@pytest.mark.parametrize("samples", [1, 159, 160, 161, 400, 511, 512, 513, RATE - 1, RATE, RATE + 1])
def test_there_is_a_frame_each_10_ms_from_the_first_sample_on(samples: int) -> None:
    found = encode(noise(0.1, 2.0)[:samples])
    assert found.shape == (1 + samples // HOP, MELS + PROSODY)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("samples", [1, 300, RATE])
def test_silence_is_finite_unvoiced_and_a_pause(samples: int) -> None:
    found = encode(np.zeros(samples, np.float32))
    assert np.isfinite(found).all()
    assert np.abs(found[:, :MELS]).max() < 1e-5
    assert found[:, MELS + VOICING].max() < 0.01
    assert not found[:, MELS + SPEECH].any()


@pytest.mark.parametrize("pool", [2, 3, 1000])
def test_pooled_frames_are_means_the_last_of_what_is_left(pool: int) -> None:
    wave = np.concatenate([harmonic(150), noise(0.01, 0.3)])
    single = encode(wave)
    [pooled] = LogMelProsody(LogMelOptions(pool=pool)).encode([wave])
    assert pooled.rate == 100 / pool
    expected = [single[start : start + pool].mean(axis=0) for start in range(0, len(single), pool)]
    np.testing.assert_allclose(pooled.frames, expected, atol=1e-5)


@pytest.mark.parametrize("mels", [8, 64, 120])
def test_a_frame_holds_the_mel_bands_and_nine_channels(mels: int) -> None:
    encoder = LogMelProsody(LogMelOptions(mels=mels))
    [features] = encoder.encode([harmonic(150)])
    assert features.frames.shape[1] == encoder.width == mels + 9
    assert encoder.sample_rate == RATE
    assert features.rate == 100


def test_a_wave_is_encoded_bit_by_bit_the_same_in_a_batch() -> None:
    encoder = LogMelProsody(LogMelOptions())
    waves = [harmonic(150), noise(0.9, 3.0), sine(300)[:700]]
    for together, wave in zip(encoder.encode(waves), waves, strict=True):
        np.testing.assert_array_equal(together.frames, encode(wave))


def test_the_identity_is_that_of_the_pitch_model_s_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def identity(**options: Any) -> str:
        return LogMelProsody(LogMelOptions(**options)).identity()

    installed = identity()
    assert installed == identity(pool=2)
    found = []
    for weights in (b"one", b"two", b"one"):
        (tmp_path / "model.onnx").write_bytes(weights)
        spec = ModuleSpec("swift_f0", None, origin=str(tmp_path / "__init__.py"))
        monkeypatch.setattr(logmel, "find_spec", lambda _, spec=spec: spec)
        found.append(identity())
    assert found[0] == found[2]
    assert len({installed, *found}) == 3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"f0_floor": 300, "f0_ceiling": 300}, "f0_ceiling is not above f0_floor"),
        ({"f0_floor": 30}, "greater than or equal to 47"),
        ({"mels": 126}, "less than or equal to 120"),  # a band would lie between two bins of the transform
        ({"pool": 0}, "greater than or equal to 1"),
        ({"mel": 80}, "Extra inputs are not permitted"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        LogMelOptions(**options)
