"""The kit for audio encoders: right ones pass, and each way to be wrong is found and named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ecef_cli.api.components import AudioEncoder, AudioFeatures, Options
from ecef_cli.testing import check_audio_encoder, odd_waves

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RATE = 1000  # Hz
HOP = 50  # samples


class PlainEncoder(AudioEncoder):
    """Right: 20 frames a second, each with its samples' energy, peak and mean; a subclass spoils one thing."""

    width = 3
    sample_rate = RATE

    def encode(self, waves: Sequence[np.ndarray]) -> list[AudioFeatures]:
        return [self.spoil(AudioFeatures(frames(wave), RATE / HOP), wave, waves) for wave in waves]

    def spoil(self, features: AudioFeatures, wave: np.ndarray, waves: Sequence[np.ndarray]) -> AudioFeatures:
        return features


def frames(wave: np.ndarray) -> np.ndarray:
    hops = [wave[start : start + HOP] for start in range(0, len(wave), HOP)]
    return np.array([[(hop**2).mean(), abs(hop).max(), hop.mean()] for hop in hops], np.float32)


def spoilt(change: Callable[..., Any]) -> PlainEncoder:
    class Spoilt(PlainEncoder):
        def spoil(self, *facts: Any) -> AudioFeatures:
            found: AudioFeatures = change(*facts)
            return found

    return Spoilt(Options())


def encoder(**members: Any) -> AudioEncoder:
    made: AudioEncoder = type("Wrong", (PlainEncoder,), members)(Options())
    return made


def encoding(change: Callable[[list[AudioFeatures]], Any]) -> AudioEncoder:
    return encoder(encode=lambda self, waves: change(PlainEncoder.encode(self, waves)))


def test_a_right_encoder_passes() -> None:
    check_audio_encoder(PlainEncoder(Options()))


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
def test_odd_waves_are_mono_and_within_full_scale_at_any_rate(rate: int) -> None:
    waves = odd_waves(rate)
    for wave in waves.values():
        assert (wave.dtype, wave.ndim) == (np.dtype(np.float32), 1)
        assert 0 < abs(wave).max() <= 1
    lengths = {len(wave) for wave in waves.values()}
    assert {1, rate - 1, rate, rate + 1} < lengths
    assert max(lengths) > 10 * rate


def _add(amount: Callable[..., float]) -> Callable[..., AudioFeatures]:
    """Return a change that adds to a wave's frames a share of their largest value."""

    def change(features: AudioFeatures, wave: np.ndarray, waves: Sequence[np.ndarray]) -> AudioFeatures:
        added = np.float32(amount(wave, waves)) * np.abs(features.frames).max()
        return replace(features, frames=features.frames + added)

    return change


def _overwrite(features: AudioFeatures, wave: np.ndarray, _: object) -> AudioFeatures:
    wave[0] += 1
    return features


BUFFER = np.zeros((1000, 3), np.float32)


def _into_a_buffer(features: AudioFeatures, *_: object) -> AudioFeatures:
    found = BUFFER[: len(features.frames)]
    found[:] = features.frames
    return replace(features, frames=found)


def _paused(features: AudioFeatures, wave: np.ndarray, _: object) -> AudioFeatures:
    return replace(features, frames=features.frames[: len(features.frames) // (1 + (abs(wave).max() < 0.02))])


def _noisy(wave: np.ndarray, _: object) -> float:
    return np.random.default_rng().uniform(0.5, 1)


def _longest(wave: np.ndarray, waves: Sequence[np.ndarray]) -> float:
    return max(map(len, waves)) / len(wave) - 1


def _loudest(wave: np.ndarray, waves: Sequence[np.ndarray]) -> float:
    return sum(float((other[:HOP] ** 2).mean()) for other in waves if other is not wave)


def _not_first(wave: np.ndarray, waves: Sequence[np.ndarray]) -> float:
    return float(wave is not waves[0])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f, *_: replace(f, frames=f.frames.tolist()), "frames must be float32"),
        (lambda f, *_: replace(f, frames=f.frames.astype(np.float64)), "frames must be float32"),
        (lambda f, *_: replace(f, frames=f.frames.T), r"must have the shape \(T, 3\)"),
        (lambda f, *_: replace(f, frames=f.frames[0]), r"must have the shape \(T, 3\), not \(3,\)"),
        (lambda f, *_: replace(f, frames=f.frames[:0]), "one sample: no frames"),
        (lambda f, *_: replace(f, frames=f.frames * np.float32(np.inf)), "not finite"),
        (lambda f, *_: replace(f, rate=0.0), "rate must be frames per second, above 0"),
        (lambda f, *_: replace(f, rate=float("nan")), "rate must be frames per second, above 0"),
        (lambda f, w, _: replace(f, rate=f.rate + (len(w) > RATE)), "the same for every wave, not 20 and 21"),
        (
            lambda f, *_: replace(f, rate=2 * f.rate),
            r"at 40 per second last 0\.70 s, but the wave lasts 1\.37 s",
        ),
        (_paused, "have .* frames, but .* samples have"),
        (_overwrite, "changes its input"),
        (_into_a_buffer, "change when other waves are encoded"),
        (_add(_noisy), "differ when computed a second time"),
        (_add(_loudest), "depend on another wave of the same length"),
        (_add(_longest), "on a longer wave in the batch, or on the padding"),
        (_add(_not_first), "on the other waves of the batch, or on their order"),
        (lambda *_: None, "must return AudioFeatures"),
    ],
)
def test_a_wrong_encoder_is_found(change: Callable[..., Any], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_audio_encoder(spoilt(change))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (encoder(width=0), "width must be a whole number above 0"),
        (encoder(width=3.0), "width must be a whole number above 0"),
        (encoder(sample_rate=16e3), "sample_rate must be a whole number above 0"),
        (encoder(identity=lambda _: None), "must return a string"),
        (encoding(tuple), "must return a list"),
        (encoding(lambda found: found[:1]), "2 waves gave 1 results"),
        (encoding(lambda found: sorted(found, key=lambda f: len(f.frames))), "or on their order"),
    ],
)
def test_an_encoder_that_is_wrong_as_a_whole_is_found(wrong: AudioEncoder, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_audio_encoder(wrong)


def test_an_encoder_that_remembers_what_it_heard_is_found() -> None:
    heard = [0.0]

    def loudest_ever(wave: np.ndarray, _: object) -> float:
        heard[0] = max(heard[0], float((wave**2).max()))
        return heard[0]

    with pytest.raises(AssertionError, match="depend on earlier waves"):
        check_audio_encoder(spoilt(_add(loudest_ever)))


@pytest.mark.parametrize("odd", odd_waves(RATE))
def test_an_encoder_that_cannot_bear_an_odd_wave_is_found_with_what_was_odd(odd: str) -> None:
    wanted = odd_waves(RATE)[odd]

    def fail(features: AudioFeatures, wave: np.ndarray, _: object) -> AudioFeatures:
        if np.array_equal(wave, wanted):
            raise ValueError("odd")
        return features

    with pytest.raises(AssertionError, match=rf"^{odd}: encode\(\) raises ValueError: odd"):
        check_audio_encoder(spoilt(fail))


def off(name: str, amount: float) -> AudioEncoder:
    """Return an encoder that gives one odd wave other frames in a batch than alone."""
    wanted = odd_waves(RATE)[name]

    def change(features: AudioFeatures, wave: np.ndarray, waves: Sequence[np.ndarray]) -> AudioFeatures:
        added = np.float32(amount * (len(waves) > 1 and np.array_equal(wave, wanted)))
        return replace(features, frames=features.frames + added)

    return spoilt(change)


def test_the_tolerance_is_relative_to_a_wave_s_own_frames_though_others_are_larger() -> None:
    quiet = "a quiet tone, a sample less than a second"
    largest = abs(frames(odd_waves(RATE)[quiet])).max()
    check_audio_encoder(off(quiet, 5e-5 * largest))
    with pytest.raises(AssertionError, match=rf"{quiet}: .*by 0\.0002 of the largest value"):
        check_audio_encoder(off(quiet, 2e-4 * largest))
    check_audio_encoder(off(quiet, 2e-4 * largest), tolerance=1e-3)


def test_rounding_counts_for_nothing_where_a_wave_s_frames_are_close_to_zero() -> None:
    silence = "silence but for dither"
    largest = abs(frames(odd_waves(RATE)[silence])).max()
    check_audio_encoder(off(silence, 1e-3 * largest))
