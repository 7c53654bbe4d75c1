"""Read recordings: their headers, and segments as mono waveforms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ecef_cli.api.errors import DataError
from ecef_cli.audio.files import COPY, opened, promised_frames, unfinished
from ecef_cli.audio.packets import DECODER, PacketSound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt
    from torchaudio.transforms import Resample

SLACK = 0.1
"""Seconds that may be missing at the end of a recording: encoders drop a frame, and tables of segments round."""

_RATES = range(1_000, 1_000_001)  # Hz; a header with another rate is corrupt
_UNKNOWN = 2**63 - 1  # frames, if libsndfile does not know the number
_BLOCK = 2**16  # samples to decode at once, of all channels together
_PIECE = 2**20  # samples to resample at once
_TERM = 2_000  # largest number in a ratio of rates
_LOUDEST = 100.0  # samples above it, 40 dB above full scale, are damaged, or integers that were never scaled


@dataclass(frozen=True, slots=True)
class Recording:
    """Header of a recording.

    Attributes:
        path: the file.
        seconds: its length.
        rate: sampling rate (Hz).
        channels: number of channels.
        decoder: version of the decoder, if not libsndfile; a change alters the samples of this recording.
    """

    path: Path
    seconds: float
    rate: int
    channels: int
    decoder: str = ""


def inspect(path: Path) -> Recording:
    """Return the header of a recording without decoding it.

    If a header does not state the length, as in MP3 and AAC, the packets are counted, never estimated. A truncated
    file of these formats, or Ogg, looks like a shorter recording; `decode` reports it.

    Raises:
        DataError: the file is missing, not a readable sound file, or has no samples.
    """
    with opened(path) as sound:
        return _recording(path, sound)


def decode(path: Path) -> Recording:
    """Decode all of a recording, one block at a time, and return its header.

    Raises:
        DataError: as in `inspect`; or the file is truncated or damaged, has invalid samples, or is silent.
    """
    with opened(path) as sound:
        recording = _recording(path, sound)
        count = round(recording.seconds * recording.rate)
        first, silent = None, count > 1
        for piece in _pieces(sound, recording, 0, count):
            first = piece[0] if first is None else first
            silent = silent and bool((piece == first).all())
    if silent:
        raise _silence(recording, 0, count)
    return recording


def check_segment(recording: Recording, start: float | None, end: float | None, channel: int | None = None) -> None:
    """Check that a segment is inside a recording, except for `SLACK` seconds at its end, and that its channel exists.

    Args:
        recording: the recording.
        start: seconds at which it starts; None is the start of the recording.
        end: seconds at which it ends; None is the end of the recording.
        channel: number of its channel, from 1; None for all.

    Raises:
        DataError: it starts or ends outside of the recording, or is empty, or has no such channel.
    """
    if channel is not None and channel > recording.channels:
        found, hint = f"{recording.channels} channels", "name one that it has, with --channels or the key 'channel'"
        if recording.channels == 1:
            found = "one channel, it is mono"
            hint = "leave out --channels or --channel-per-speaker, or remove the key 'channel'"
        raise DataError(
            f"there is no channel {channel}: the recording has {found}", where=str(recording.path), hint=hint
        )
    start = 0.0 if start is None else start
    length, problem = recording.seconds, None
    # Numbers that are not finite fail these conditions, too.
    if not 0 <= start < length:
        problem = f"the segment starts at {start:g} s, but the recording lasts from 0 s to {length:g} s"
    elif end is not None and not end <= length + SLACK:
        problem = f"the segment ends at {end:g} s, but the recording lasts from 0 s to {length:g} s"
    elif end is not None and not start < end:
        problem = f"the segment from {start:g} s to {end:g} s is empty"
    if problem:
        raise DataError(
            problem, where=str(recording.path), hint="give 'start' and 'end' in seconds from the start of the recording"
        )


class SilenceError(DataError):
    """A segment of a recording is silent: all of its samples are the same."""


def read_wave(
    path: Path,
    *,
    rate: int,
    start: float | None = None,
    end: float | None = None,
    longest: float | None = None,
    channel: int | None = None,
) -> npt.NDArray[np.float32]:
    """Return a segment of a recording as a mono waveform: the mean of its channels, or one of them, resampled.

    Only the segment is decoded, so memory grows with the segment and not with the recording.

    Args:
        path: the recording.
        rate: sampling rate of the waveform (Hz).
        start: seconds at which the segment starts; None is the start of the recording.
        end: seconds at which it ends; None is the end of the recording.
        longest: maximum seconds; of a longer segment, only the last ones are read.
        channel: number of the channel to read, from 1; None for the mean of all.

    Returns:
        Samples `(S,)`, at least one, finite, within [-1, 1] except for overshoot.

    Raises:
        SilenceError: the segment is silent.
        DataError: the file cannot be read or lacks the channel; or the segment is outside of it, empty, truncated,
            damaged, or has invalid samples.
    """
    with opened(path) as sound:
        recording = _recording(path, sound)
        check_segment(recording, start, end, channel)
        first, last = _frames(recording, start, end, longest)
        wave = np.concatenate(list(_pieces(sound, recording, first, last, channel)))
    if len(wave) > 1 and (wave == wave[0]).all():  # a single sample always equals itself
        raise _silence(recording, first, last, channel)
    return _resampled(wave, recording.rate, rate)


def _silence(recording: Recording, first: int, last: int, channel: int | None = None) -> SilenceError:
    what, hint = "the recording", "check the recording, and that its channels do not cancel out"
    if channel is not None and recording.channels > 1:
        what = f"channel {channel}"
        hint = "are the channels swapped? check --channels, or the key 'channel'"
    problem = f"{what} is silent from {first / recording.rate:g} s to {last / recording.rate:g} s"
    return SilenceError(problem, where=str(recording.path), hint=hint)


def _recording(path: Path, sound: Any) -> Recording:
    problem, hint = None, COPY
    if sound.frames == 0:
        problem = "the recording has no samples"
    elif sound.frames == _UNKNOWN:
        problem = "the header does not state the length of the recording"
        hint = "it was written to a pipe: convert it again, to a file"
    elif sound.samplerate not in _RATES:
        problem = f"the header states a rate of {sound.samplerate} Hz"
        hint = f"resample it to a rate from {_RATES[0]} Hz to {_RATES[-1]} Hz"
    if problem:
        raise DataError(problem, where=str(path), hint=hint)
    decoder = DECODER if isinstance(sound, PacketSound) else ""
    return Recording(path, promised_frames(path, sound) / sound.samplerate, sound.samplerate, sound.channels, decoder)


def _frames(recording: Recording, start: float | None, end: float | None, longest: float | None) -> tuple[int, int]:
    """Return the first frame of a segment, and the one after its last."""
    rate = recording.rate
    count = round(recording.seconds * rate)
    first = min(round((start or 0.0) * rate), count - 1)
    last = count if end is None else min(max(round(end * rate), first + 1), count)
    if longest is not None:
        first = max(first, last - max(round(longest * rate), 1))
    return first, last


def _pieces(
    sound: Any, recording: Recording, first: int, last: int, channel: int | None = None
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the mean of the channels piece by piece, and raise a problem at the latest after the last piece."""
    done, infinite, loud, peak = first, 0, 0, 0.0
    try:
        for found in _blocks(sound, first, last):
            block = found if channel is None else found[:, channel - 1 : channel]  # the others may be damaged
            done += len(block)
            infinite += block.size - int(np.count_nonzero(np.isfinite(block)))
            highest = float(np.abs(block).max(initial=0.0))
            if highest > _LOUDEST:
                loud, peak = loud + int(np.count_nonzero(np.abs(block) > _LOUDEST)), max(peak, highest)
            if not infinite:
                # The sum of two large samples need not fit into 32 bits.
                yield block.mean(axis=1, dtype=np.float64).astype(np.float32)
        failed = done == first or done < last - SLACK * recording.rate
    except RuntimeError:
        failed = True
    problem, hint = None, COPY
    after = min(done, sound.frames) / recording.rate
    if failed:
        problem = (
            f"the file is cut off or damaged: its header promises {recording.seconds:.2f} s, "
            f"but decoding fails after {after:.2f} s"
        )
    elif infinite:
        problem = "1 sample is not finite" if infinite == 1 else f"{infinite:,} samples are not finite"
    elif loud:
        found_loud = "1 sample is" if loud == 1 else f"{loud:,} samples are"
        problem = f"{found_loud} far beyond full scale: the largest is {peak:g} times as large"
        hint = "divide the samples by their full scale, or convert the recording anew from its source"
    elif last >= sound.frames and (part := unfinished(recording.path, sound)):
        problem = f"the file is cut off within a {part}, after {after:.2f} s"
    if problem:
        raise DataError(problem, where=str(recording.path), hint=hint)


def _blocks(sound: Any, first: int, last: int) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the frames from `first` up to `last`, or to the end of the file, in arrays `(frames, channels)`."""
    step = max(1, _BLOCK // sound.channels)
    # A codec that cannot seek, such as GSM, is decoded from the start, and samples before the segment are dropped.
    at = sound.seek(first) if sound.seekable() else 0
    while at < last:
        block = sound.read(min(step, last - at), dtype="float32", always_2d=True)
        if not len(block):
            return
        yield block[max(0, first - at) :]
        at += len(block)


def _resampled(wave: npt.NDArray[np.float32], before: int, after: int) -> npt.NDArray[np.float32]:
    """Return a waveform of `before` Hz at `after` Hz."""
    ratio = Fraction(before, after)
    # The size of the kernel is the product of the ratio's two numbers: gigabytes from 22051 Hz to 16000 Hz.
    # A close ratio has smaller numbers, and its change of speed and pitch is inaudible.
    ratio = ratio.limit_denominator(max(1, int(_TERM / max(Fraction(1), ratio))))
    if ratio == 1:
        return wave
    import torch

    old, new = ratio.numerator, ratio.denominator
    resample = _resampler(old, new)
    # Resampling a long waveform at once would take many times its memory. Pieces join without a seam if they begin at
    # multiples of `old`, which samples of both rates share, and have a margin as wide as the filter.
    step = old * math.ceil(_PIECE / old)
    margin = old * math.ceil(resample.width / old)
    pieces = []
    for at in range(0, len(wave), step):
        begin = max(0, at - margin)
        piece = resample(torch.from_numpy(wave[begin : at + step + margin])).numpy()
        skip = (at - begin) // old * new
        pieces.append(piece[skip : skip + step // old * new])
    return np.concatenate(pieces)


@lru_cache(maxsize=16)
def _resampler(before: int, after: int) -> Resample:
    """Return a resampler with the filter `kaiser_best` of librosa, as given in torchaudio's documentation."""
    from torchaudio.transforms import Resample

    return Resample(
        before,
        after,
        resampling_method="sinc_interp_kaiser",
        lowpass_filter_width=64,
        rolloff=0.9475937167399596,
        beta=14.769656459379492,
    )
