"""Check the contract of an audio encoder."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from ecef_cli.api.components import AudioFeatures
from ecef_cli.testing.requirements import check_identity, require

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from ecef_cli.api.components import AudioEncoder

    Wave = npt.NDArray[np.float32]

AUDIO_TOLERANCE = 1e-4
"""Maximum difference of a wave's frames between batches, relative to the largest of them."""

_SAME_RATE = 1e-6  # relative difference
_LITTLE = 1e-3  # share of the largest value of all frames, the minimum scale for differences of a wave's frames
_SLACK = 0.5  # seconds by which frames may be shorter or longer than their wave; windows reach beyond hops
_SLACK_FRAMES = 2


def odd_waves(sample_rate: int) -> dict[str, Wave]:
    """Return unusual mono waveforms (S,) that an encoder must handle, by description.

    Args:
        sample_rate: sampling rate of the waveforms, Hz.
    """
    import numpy as np

    chance = np.random.default_rng(0)

    def noise(samples: int, loudness: float) -> npt.NDArray[np.float64]:
        return loudness * chance.standard_normal(samples).clip(-3, 3) / 3

    def times(seconds: float) -> npt.NDArray[np.float64]:
        return np.arange(round(seconds * sample_rate)) / sample_rate

    sweep = times(11.3)
    pitch = 40 + 0.45 * sample_rate * sweep / sweep[-1]  # Hz at the end of it: twice this, less 40
    found = {
        "one sample": noise(1, 1.0),
        "five milliseconds of noise": noise(max(2, sample_rate // 200), 0.3),
        "a tenth of a second of noise": noise(sample_rate // 10, 0.02),
        "a constant": np.full(sample_rate // 3, 0.25),
        "silence but for dither": noise(sample_rate // 2, 3e-5),
        "a square wave that clips": np.sign(np.sin(2 * np.pi * 110 * times(0.7)) + 1e-3),
        "a quiet tone, a sample less than a second": 0.01 * np.sin(2 * np.pi * 220 * times(1.0)[:-1]),
        "a tone of exactly a second": 0.3 * np.sin(2 * np.pi * 220 * times(1.0)),
        "a tone, a sample more than a second": 0.3 * np.sin(2 * np.pi * 220 * np.append(times(1.0), 1.0)),
        "noise": noise(round(1.37 * sample_rate), 1.0),
        "a long, loud sweep": 0.9 * np.sin(np.pi * pitch * sweep),
    }
    return {name: wave.astype(np.float32) for name, wave in found.items()}


def check_audio_encoder(encoder: AudioEncoder, *, tolerance: float = AUDIO_TOLERANCE) -> None:
    """Check an audio encoder: shapes, lengths, and that a wave's frames depend on that wave alone.

    The check includes neither a wave without samples nor an empty list of waves: ecef never encodes either, so an
    encoder may handle them in any way.

    Args:
        encoder: the encoder, on the CPU.
        tolerance: maximum difference of frames between batches, relative to the largest.

    Raises:
        AssertionError: the encoder breaks its contract.
    """
    check_identity(encoder)
    require(isinstance(encoder.width, int) and encoder.width > 0, "width must be a whole number above 0")
    require(
        isinstance(encoder.sample_rate, int) and encoder.sample_rate > 0, "sample_rate must be a whole number above 0"
    )
    waves = odd_waves(encoder.sample_rate)
    alone = _check_alone(encoder, waves)
    _check_lengths(waves, alone, encoder.sample_rate)
    _check_batches(encoder, waves, alone, tolerance)


def _check_alone(encoder: AudioEncoder, waves: Mapping[str, Wave]) -> dict[str, AudioFeatures]:
    """Return the frames of each wave, encoded by itself; check that the order of encoding does not matter."""
    alone, given = {}, {}
    for name, wave in waves.items():
        [given[name]] = _encode(encoder, [wave], name)
        _check_features(given[name], encoder.width, name)
        alone[name] = AudioFeatures(given[name].frames.copy(), given[name].rate)
        [again] = _encode(encoder, [wave], name)
        require(_same(again, alone[name]), f"{name}: the frames differ when computed a second time")
    for name, features in given.items():
        require(_same(features, alone[name]), f"{name}: returned frames change when other waves are encoded")
    for name, wave in [*waves.items()][::-1]:
        [later] = _encode(encoder, [wave], name)
        require(_same(later, alone[name]), f"{name}: the frames depend on earlier waves")
    return alone


def _encode(encoder: AudioEncoder, waves: Sequence[Wave], name: str) -> list[AudioFeatures]:
    import numpy as np

    given = [wave.copy() for wave in waves]
    try:
        found = encoder.encode(given)
    except Exception as error:
        raise AssertionError(f"{name}: encode() raises {type(error).__name__}: {error}") from error
    kept = all(np.array_equal(one, other) for one, other in zip(given, waves, strict=True))
    require(kept, f"{name}: encode() changes its input")
    require(isinstance(found, list), "encode() must return a list")
    require(len(found) == len(waves), f"{name}: {len(waves)} waves gave {len(found)} results")
    require(all(isinstance(features, AudioFeatures) for features in found), "encode() must return AudioFeatures")
    return found


def _check_features(features: AudioFeatures, width: int, name: str) -> None:
    import numpy as np

    frames, rate = features.frames, features.rate
    require(isinstance(frames, np.ndarray) and frames.dtype == np.float32, f"{name}: frames must be float32")
    require(
        frames.ndim == 2 and frames.shape[1] == width,  # noqa: PLR2004 - (T, d)
        f"{name}: frames must have the shape (T, {width}), not {frames.shape}",
    )
    require(len(frames), f"{name}: no frames, which ecef uses to mark a recording that cannot be read")
    require(np.isfinite(frames).all(), f"{name}: a frame is not finite")
    require(math.isfinite(rate) and rate > 0, f"{name}: rate must be frames per second, above 0, not {rate}")


def _check_lengths(waves: Mapping[str, Wave], alone: Mapping[str, AudioFeatures], sample_rate: int) -> None:
    rates = sorted(features.rate for features in alone.values())
    require(
        math.isclose(rates[0], rates[-1], rel_tol=_SAME_RATE),
        f"the rate must be the same for every wave, not {rates[0]:g} and {rates[-1]:g} frames per second",
    )
    slack = max(_SLACK, _SLACK_FRAMES / rates[0])
    for name, features in alone.items():
        wave, heard = len(waves[name]) / sample_rate, len(features.frames) / features.rate
        require(
            abs(wave - heard) <= slack,
            f"{name}: {len(features.frames)} frames at {features.rate:g} per second last {heard:.2f} s, but the wave "
            f"lasts {wave:.2f} s",
        )
    counts = sorted((len(waves[name]), len(features.frames)) for name, features in alone.items())
    for (samples, frames), (more, fewer) in pairwise(counts):
        require(fewer >= frames, f"{more} samples have {fewer} frames, but {samples} samples have {frames}")


def _check_batches(
    encoder: AudioEncoder, waves: Mapping[str, Wave], alone: Mapping[str, AudioFeatures], tolerance: float
) -> None:
    """Check waves in batches: with one of the same length, with longer ones, and all in two orders."""
    least = _LITTLE * max(_largest(features) for features in alone.values())

    def check(name: str, features: AudioFeatures, problem: str) -> None:
        distance = _distance(alone[name], features, least)
        require(distance <= tolerance, f"{name}: {problem} (by {distance:.2g} of the largest value)")

    [found, _] = _encode(encoder, [waves["noise"], waves["noise"][::-1]], "two waves of one length")
    check("noise", found, "the frames depend on another wave of the same length in the batch")
    for name in ("five milliseconds of noise", "a tenth of a second of noise", "a tone of exactly a second"):
        [found, _] = _encode(encoder, [waves[name], waves["a long, loud sweep"]], "a short wave beside a long one")
        check(name, found, "the frames depend on a longer wave in the batch, or on the padding to its length")
    for order in (list(waves), list(waves)[::-1]):
        batch = _encode(encoder, [waves[name] for name in order], "a batch of waves")
        for name, features in zip(order, batch, strict=True):
            check(name, features, "the frames depend on the other waves of the batch, or on their order")


def _same(one: AudioFeatures, other: AudioFeatures) -> bool:
    import numpy as np

    return one.rate == other.rate and np.array_equal(one.frames, other.frames)


def _largest(features: AudioFeatures) -> float:
    import numpy as np

    return float(np.abs(features.frames).max())


def _distance(one: AudioFeatures, other: AudioFeatures, least: float) -> float:
    """Return the largest difference of two waves' frames as a share of the largest value of one, or of `least`."""
    import numpy as np

    if one.frames.shape != other.frames.shape or one.rate != other.rate:
        return math.inf
    difference = float(np.abs(one.frames - other.frames).max())
    return difference / max(_largest(one), least) if difference else 0.0
