"""Recordings: every format, rate and segment is read right, and every broken file is named with what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ecef_cli.api.errors import DataError
from ecef_cli.audio.reading import Recording, check_segment, decode, inspect, read_wave

FORMATS = {
    "pcm16.wav": ("WAV", "PCM_16"),
    "pcm24.wav": ("WAV", "PCM_24"),
    "pcm32.wav": ("WAV", "PCM_32"),
    "pcm8.wav": ("WAV", "PCM_U8"),
    "float.wav": ("WAV", "FLOAT"),
    "double.wav": ("WAV", "DOUBLE"),
    "ulaw.wav": ("WAV", "ULAW"),
    "gsm.wav": ("WAV", "GSM610"),
    "extensible.wav": ("WAVEX", "PCM_16"),
    "long.wav": ("RF64", "PCM_16"),
    "lossless.flac": ("FLAC", "PCM_16"),
    "vorbis.ogg": ("OGG", "VORBIS"),
    "opus.ogg": ("OGG", "OPUS"),
    "layer3.mp3": ("MP3", "MPEG_LAYER_III"),
}
EXACT = ["pcm16.wav", "pcm24.wav", "float.wav", "gsm.wav", "extensible.wav", "long.wav", "lossless.flac"]
"""Files of which any part decodes to the same samples as the whole does."""

PLACE_OF_SIZE = 40  # byte of a plain WAV file at which the size of its samples stands


def tone(seconds: float, rate: int, *, hertz: float = 440.0, loud: float = 0.5) -> np.ndarray:
    return loud * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def speech(seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    """Return a sweep in noise, in which no moment is like another."""
    times = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).standard_normal(len(times))
    return 0.3 * np.sin(2 * np.pi * (200 + 40 * times) * times) + 0.03 * noise


def save(path: Path, samples: np.ndarray, rate: int = 16_000, name: str | None = None) -> Path:
    form, kind = FORMATS.get(name or path.name, (None, None))
    soundfile.write(path, samples, rate, format=form, subtype=kind)
    return path


def cut(path: Path, share: float) -> Path:
    """Keep only the first `share` of a file's bytes."""
    os.truncate(path, int(path.stat().st_size * share))
    return path


def with_size(path: Path, declared: int) -> Path:
    """Have a plain WAV file say that its samples take `declared` bytes."""
    content = bytearray(path.read_bytes())
    assert content[PLACE_OF_SIZE - 4 : PLACE_OF_SIZE] == b"data"
    content[PLACE_OF_SIZE : PLACE_OF_SIZE + 4] = declared.to_bytes(4, "little")
    path.write_bytes(content)
    return path


def hertz_and_loudness(samples: np.ndarray, rate: int) -> tuple[float, float]:
    """Return the frequency of the loudest tone, and the amplitude that a tone of this power has."""
    middle = samples[len(samples) // 8 : -len(samples) // 8]
    padded = 16 * len(middle)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), padded))
    return float(spectrum.argmax() * rate / padded), float(np.sqrt(2 * np.mean(middle.astype(float) ** 2)))


def problem_of(path: Path, **segment: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        read_wave(path, rate=16_000, **segment)
    assert caught.value.where == str(path)
    assert caught.value.hint
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


# What is read


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, tone(2, 16_000))
    found = read_wave(path, rate=16_000)
    assert found.dtype == np.float32
    assert found.shape == (32_000,)
    hertz, loud = hertz_and_loudness(found, 16_000)
    assert hertz == pytest.approx(440, abs=1)
    assert loud == pytest.approx(0.5, rel=0.05)
    assert replace(inspect(path), decoder="") == Recording(path, 2.0, 16_000, 1)


@pytest.mark.parametrize("name", ["pcm16.wav", "lossless.flac", "vorbis.ogg", "layer3.mp3"])
def test_channels_are_averaged(tmp_path: Path, name: str) -> None:
    left, right = tone(1, 16_000, hertz=300), tone(1, 16_000, hertz=1000)
    path = save(tmp_path / name, np.stack([left, right], axis=1))
    assert inspect(path).channels == 2
    assert read_wave(path, rate=16_000)[1000:-1000] == pytest.approx(((left + right) / 2)[1000:-1000], abs=0.03)


def test_a_recording_may_have_many_channels(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (9_000, 24)).astype(np.float32)
    path = save(tmp_path / "float.wav", samples)
    assert read_wave(path, rate=16_000) == pytest.approx(samples.mean(axis=1), abs=1e-6)


@pytest.mark.parametrize(
    ("scale", "problem"),
    [
        (101, "1 sample is far beyond full scale: the largest is 101 times as large"),
        (3e38, "1 sample is far beyond full scale: the largest is 3e+38 times as large"),
        (2**15, "1 sample is far beyond full scale: the largest is 32768 times as large"),
    ],
)
def test_samples_beyond_full_scale_by_orders_are_damage(tmp_path: Path, scale: float, problem: str) -> None:
    samples = np.tile(speech(1, 16_000)[:, None], 2)
    samples[777, 1] = scale
    path = save(tmp_path / "float.wav", samples)
    assert problem_of(path).problem == problem
    with pytest.raises(DataError, match="far beyond full scale"):
        decode(path)
    assert len(read_wave(path, rate=16_000, channel=1)) == 16_000


def test_samples_a_little_beyond_full_scale_are_read(tmp_path: Path) -> None:
    samples = 20 * speech(1, 16_000).astype(np.float32)
    assert np.array_equal(read_wave(save(tmp_path / "float.wav", samples), rate=16_000), samples)


@pytest.mark.parametrize("samples", [1, 2, 7])
def test_a_few_samples_are_a_recording(tmp_path: Path, samples: int) -> None:
    path = save(tmp_path / "float.wav", np.linspace(0.1, 0.2, samples), rate=8_000)
    assert read_wave(path, rate=8_000) == pytest.approx(np.linspace(0.1, 0.2, samples))
    assert read_wave(path, rate=16_000).shape == (2 * samples,)
    assert read_wave(path, rate=16_000, start=0, end=1e-6).shape == (2,)


def test_a_channel_can_be_read_alone(tmp_path: Path) -> None:
    samples = np.stack([speech(1, 16_000, seed=n) for n in range(3)], axis=1).astype(np.float32)
    path = save(tmp_path / "float.wav", samples)
    for channel in (1, 2, 3):
        found = read_wave(path, rate=16_000, start=0.25, channel=channel)
        assert np.array_equal(found, samples[4_000:, channel - 1])
    assert problem_of(path, channel=4).problem == "there is no channel 4: the recording has 3 channels"


def test_the_suffix_says_nothing(tmp_path: Path) -> None:
    path = save(tmp_path / "lossless.flac", tone(1, 16_000)).rename(tmp_path / "call.wav")
    assert inspect(path).seconds == 1


# Rates


@pytest.mark.parametrize(
    "rate", [8_000, 11_025, 16_000, 16_001, 22_050, 22_051, 32_000, 44_056, 44_100, 48_000, 96_000, 191_999, 192_000]
)
def test_a_tone_keeps_its_pitch_and_loudness_from_every_rate(tmp_path: Path, rate: int) -> None:
    path = save(tmp_path / "pcm16.wav", tone(3, rate), rate)
    found = read_wave(path, rate=16_000)
    assert len(found) == pytest.approx(48_000, abs=3)
    hertz, loud = hertz_and_loudness(found, 16_000)
    assert hertz == pytest.approx(440, abs=0.1)
    assert loud == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("rate", [8_000, 22_050, 24_000, 44_100, 48_000])
def test_a_waveform_can_have_another_rate_than_16_khz(tmp_path: Path, rate: int) -> None:
    path = save(tmp_path / "pcm16.wav", tone(2, 16_000))
    hertz, loud = hertz_and_loudness(read_wave(path, rate=rate), rate)
    assert hertz == pytest.approx(440, abs=0.1)
    assert loud == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("rate", [22_051, 44_100, 48_000, 96_000])
def test_what_the_lower_rate_cannot_hold_is_removed(tmp_path: Path, rate: int) -> None:
    path = save(tmp_path / "float.wav", tone(1, rate, hertz=9_000) + tone(1, rate, hertz=1_000, loud=0.1), rate)
    hertz, loud = hertz_and_loudness(read_wave(path, rate=16_000), 16_000)
    assert hertz == pytest.approx(1_000, abs=1)
    assert loud == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize("rate", [22_051, 44_100, 48_000])
def test_resampling_in_pieces_leaves_no_seam(tmp_path: Path, rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "float.wav", speech(3, rate), rate)
    whole = read_wave(path, rate=16_000)
    monkeypatch.setattr("ecef_cli.audio.reading._PIECE", 10_007)
    pieces = read_wave(path, rate=16_000)
    assert pieces.shape == whole.shape
    assert np.abs(pieces - whole).max() < 1e-6


def test_resampling_gives_the_same_samples_each_time(tmp_path: Path) -> None:
    path = save(tmp_path / "pcm16.wav", speech(2, 44_100), 44_100)
    assert np.array_equal(read_wave(path, rate=16_000), read_wave(path, rate=16_000))


# Segments


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (0.5, 0.6), (1.2345, 6.789), (4.9, None), (None, 3.3)])
def test_a_segment_is_a_slice_of_the_recording(tmp_path: Path, name: str, start: float, end: float) -> None:
    path = save(tmp_path / name, speech(8, 16_000))
    whole = read_wave(path, rate=16_000)
    first, last = round((start or 0) * 16_000), None if end is None else round(end * 16_000)
    assert np.array_equal(read_wave(path, rate=16_000, start=start, end=end), whole[first:last])


@pytest.mark.parametrize("name", ["vorbis.ogg", "opus.ogg", "layer3.mp3"])
@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (1.2345, 6.789), (4.9, None)])
def test_a_segment_of_a_lossy_file_is_in_its_place(tmp_path: Path, name: str, start: float, end: float) -> None:
    path = save(tmp_path / name, speech(8, 16_000))
    whole = read_wave(path, rate=16_000)
    first, last = round(start * 16_000), None if end is None else round(end * 16_000)
    assert read_wave(path, rate=16_000, start=start, end=end) == pytest.approx(whole[first:last], abs=0.01)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_a_resampled_segment_is_a_slice_of_the_resampled_recording(tmp_path: Path, rate: int) -> None:
    path = save(tmp_path / "lossless.flac", np.stack([speech(5, rate), speech(5, rate, seed=1)], axis=1), rate)
    whole = read_wave(path, rate=16_000)
    part = read_wave(path, rate=16_000, start=1, end=3)
    assert part.shape == (32_000,)
    assert part[200:-200] == pytest.approx(whole[16_200:47_800], abs=1e-4)


def test_only_the_last_seconds_of_a_long_segment_are_read(tmp_path: Path) -> None:
    path = save(tmp_path / "pcm16.wav", speech(10, 16_000))
    whole = read_wave(path, rate=16_000)
    assert np.array_equal(read_wave(path, rate=16_000, longest=3), whole[-48_000:])
    assert np.array_equal(read_wave(path, rate=16_000, start=1, end=8, longest=2.5), whole[88_000:128_000])
    assert np.array_equal(read_wave(path, rate=16_000, start=1, end=3, longest=2.5), whole[16_000:48_000])
    assert read_wave(path, rate=16_000, longest=1e-9).shape == (1,)


def test_two_seconds_of_ten_hours_are_read_without_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rate, hours = 8_000, 10
    path = tmp_path / "day.flac"
    quiet = np.zeros(60 * rate, dtype=np.int16)
    with soundfile.SoundFile(path, "w", rate, 1, subtype="PCM_16", compression_level=0) as sound:
        for minute in range(hours * 60):
            sound.write((tone(60, rate, hertz=1000) * 2**15).astype(np.int16) if minute == hours * 60 - 2 else quiet)
    decoded = []

    class Counted(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
        def read(self, *arguments: Any, **options: Any) -> Any:
            decoded.append(len(block := super().read(*arguments, **options)))
            return block

    monkeypatch.setattr(soundfile, "SoundFile", Counted)
    assert inspect(path).seconds == hours * 3600
    assert decoded == []
    found = read_wave(path, rate=16_000, start=hours * 3600 - 91, end=hours * 3600 - 89)
    assert found.shape == (32_000,)
    hertz, loudness = hertz_and_loudness(found, 16_000)
    assert hertz == pytest.approx(1000, abs=0.5)
    assert loudness == pytest.approx(0.5, rel=0.02)
    assert sum(decoded) == 2 * rate
    assert problem_of(path, start=100, end=102).problem == "the recording is silent from 100 s to 102 s"


def test_a_segment_may_end_a_little_after_the_recording(tmp_path: Path) -> None:
    path = save(tmp_path / "pcm16.wav", tone(2, 16_000))
    check_segment(inspect(path), 1, 2.1)
    assert read_wave(path, rate=16_000, start=1, end=2.1).shape == (16_000,)
    assert read_wave(path, rate=16_000, start=1.99999, end=2.1).shape == (1,)


@pytest.mark.parametrize(
    ("start", "end", "problem"),
    [
        (2.0, None, "the segment starts at 2 s, but the recording lasts from 0 s to 2 s"),
        (7.5, 9.0, "the segment starts at 7.5 s, but the recording lasts from 0 s to 2 s"),
        (-1.0, None, "the segment starts at -1 s, but the recording lasts from 0 s to 2 s"),
        (1e300, None, "the segment starts at 1e+300 s, but the recording lasts from 0 s to 2 s"),
        (float("nan"), None, "the segment starts at nan s, but the recording lasts from 0 s to 2 s"),
        (1.0, 2.2, "the segment ends at 2.2 s, but the recording lasts from 0 s to 2 s"),
        (None, 3.0, "the segment ends at 3 s, but the recording lasts from 0 s to 2 s"),
        (None, float("inf"), "the segment ends at inf s, but the recording lasts from 0 s to 2 s"),
        (None, float("nan"), "the segment ends at nan s, but the recording lasts from 0 s to 2 s"),
        (1.0, 1.0, "the segment from 1 s to 1 s is empty"),
        (1.5, 0.5, "the segment from 1.5 s to 0.5 s is empty"),
        (None, 0.0, "the segment from 0 s to 0 s is empty"),
    ],
)
def test_a_segment_outside_of_the_recording_is_refused(
    tmp_path: Path, start: float | None, end: float | None, problem: str
) -> None:
    path = save(tmp_path / "pcm16.wav", tone(2, 16_000))
    assert problem_of(path, start=start, end=end).problem == problem
    with pytest.raises(DataError) as caught:
        check_segment(inspect(path), start, end)
    assert (caught.value.problem, caught.value.where) == (problem, str(path))


# Files that are no recordings


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert problem_of(tmp_path / "a.wav").problem == "there is no such file"


def test_a_folder_is_no_recording(tmp_path: Path) -> None:
    assert problem_of(tmp_path).problem == "is a folder"


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    assert problem_of(tmp_path / "a.wav").problem == "the file is empty"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    assert problem_of(tmp_path / "a.wav").problem == "is not a regular file"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("file/a.wav", "cannot be read: Not a directory"),
        ("loop/a.wav", "cannot be read: Too many levels of symbolic links"),
        ("a" * 300, "cannot be read: File name too long"),
        ("a\0b.wav", "cannot be read: embedded null byte"),
    ],
)
def test_an_error_of_the_system_is_told_in_its_words(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert problem_of(tmp_path / name).problem == problem


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to this user")
def test_a_forbidden_file_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "pcm16.wav", tone(1, 16_000))
    path.chmod(0)
    assert problem_of(path).problem == "cannot be read: Permission denied"


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "gsm", "vox", "au", "raw", "m4a", "txt", ""])
@pytest.mark.parametrize("content", [b"This is a text.\n" * 999, b"R", b"\0" * 5000, b"RIFF\x10\0\0\0WAVEfmt "])
def test_what_is_no_audio_is_none_whatever_its_name(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content)
    assert problem_of(path).problem == "is not a readable audio file"


@pytest.mark.parametrize("name", ["pcm16.wav", "float.wav", "long.wav", "vorbis.ogg"])
def test_a_recording_without_samples_is_named(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, np.zeros(0))
    assert problem_of(path).problem == "the recording has no samples"


def test_a_wav_file_without_samples_may_hold_other_chunks(tmp_path: Path) -> None:
    path = save(tmp_path / "pcm16.wav", np.zeros(0))
    path.write_bytes(path.read_bytes() + b"LIST\x1a\0\0\0INFOISFT\x0e\0\0\0Lavf58.29.100\0")
    assert problem_of(path).problem == "the recording has no samples"


def test_a_flac_file_that_does_not_know_its_length_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "lossless.flac", tone(1, 16_000))
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the number of samples takes 36 bits
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert problem_of(path).problem == "the header does not state the length of the recording"


@pytest.mark.parametrize("rate", [1, 999, 1_000_001, 2**31 - 1])
def test_an_absurd_rate_is_named(tmp_path: Path, rate: int) -> None:
    path = save(tmp_path / "pcm16.wav", tone(1, 16_000))
    content = bytearray(path.read_bytes())
    content[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(content)
    assert problem_of(path).problem == f"the header states a rate of {rate} Hz"


# Broken recordings


@pytest.mark.parametrize(
    "name", ["pcm16.wav", "pcm24.wav", "float.wav", "extensible.wav", "long.wav", "lossless.flac", "layer3.mp3"]
)
def test_a_file_that_is_cut_off_is_named(tmp_path: Path, name: str) -> None:
    path = cut(save(tmp_path / name, speech(20, 16_000)), 0.5)
    beginning = "the file is cut off or damaged: its header promises 20.00 s, but decoding fails after "
    for segment in ({}, {"start": 5}, {"start": 9, "end": 12}, {"longest": 3}):
        problem = problem_of(path, **segment).problem
        assert problem.startswith(beginning)
        assert problem.endswith(" s")
    assert problem_of(path, start=15, end=16).problem.startswith(beginning)
    assert inspect(path).seconds == pytest.approx(20, abs=1e-3)


@pytest.mark.parametrize("name", ["pcm16.wav", "extensible.wav", "long.wav", "layer3.mp3"])
def test_where_decoding_ends_is_told(tmp_path: Path, name: str) -> None:
    problem = problem_of(cut(save(tmp_path / name, speech(20, 16_000)), 0.5)).problem
    assert float(problem.split()[-2]) == pytest.approx(10, abs=0.2)


@pytest.mark.parametrize(
    "name", ["pcm16.wav", "float.wav", "long.wav", "lossless.flac", "vorbis.ogg", "opus.ogg", "layer3.mp3"]
)
def test_a_segment_before_the_cut_is_read(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, speech(20, 16_000))
    whole = read_wave(path, rate=16_000)
    cut(path, 0.5)
    found = read_wave(path, rate=16_000, start=4, end=8.5)
    assert found == pytest.approx(whole[64_000:136_000], abs=0.01)


@pytest.mark.parametrize("name", ["vorbis.ogg", "opus.ogg"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.99])
def test_an_ogg_file_that_is_cut_off_is_named(tmp_path: Path, name: str, share: float) -> None:
    path = cut(save(tmp_path / name, speech(20, 16_000)), share)
    length = inspect(path).seconds
    problem = f"the file is cut off within a page, after {length:.2f} s"
    assert length < 20
    assert problem_of(path).problem == problem
    assert problem_of(path, longest=1).problem == problem
    with pytest.raises(DataError, match=problem):
        decode(path)
    assert len(read_wave(path, rate=16_000, start=1, end=length - 0.5)) == pytest.approx((length - 1.5) * 16_000, abs=2)


@pytest.mark.parametrize("name", ["pcm16.wav", "lossless.flac", "vorbis.ogg", "opus.ogg", "layer3.mp3"])
@pytest.mark.parametrize("size", [1, 3, 4, 11, 30, 43, 44, 45, 60, 100, 500])
def test_a_file_that_is_cut_off_early_is_an_error_in_words(tmp_path: Path, name: str, size: int) -> None:
    path = save(tmp_path / name, speech(5, 16_000))
    os.truncate(path, size)
    problem_of(path)


@pytest.mark.parametrize("name", ["pcm16.wav", "lossless.flac", "vorbis.ogg", "opus.ogg", "layer3.mp3"])
def test_damage_is_read_over_or_is_an_error_in_words(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, speech(3, 16_000))
    sound = path.read_bytes()
    pick = np.random.default_rng(0)
    for _ in range(40):
        content = bytearray(sound)
        at = int(pick.integers(0, len(content) - 64))
        content[at : at + 64] = pick.bytes(64)
        path.write_bytes(content)
        try:
            assert np.isfinite(read_wave(path, rate=16_000)).all()
        except DataError as error:
            assert error.where == str(path)  # noqa: PT017 - either is fine


def test_what_encoders_leave_out_at_the_end_is_not_missed(tmp_path: Path) -> None:
    path = save(tmp_path / "pcm16.wav", speech(2, 16_000))
    os.truncate(path, path.stat().st_size - 3_000)
    assert len(read_wave(path, rate=16_000)) == 32_000 - 1_500


@pytest.mark.parametrize("declared", [0, 0x7FFFF000, 0x7FFFFFDB, 0x7FFFFFFF, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFF])
@pytest.mark.parametrize("riff", [0, 8, 36, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_file_from_a_pipe_does_not_know_its_size(tmp_path: Path, declared: int, riff: int) -> None:
    path = save(tmp_path / "pcm16.wav", speech(3, 16_000))
    whole = read_wave(path, rate=16_000)
    path.write_bytes(b"RIFF" + riff.to_bytes(4, "little") + with_size(path, declared).read_bytes()[8:])
    assert inspect(path) == Recording(path, 3.0, 16_000, 1)
    assert np.array_equal(read_wave(path, rate=16_000), whole)
    assert np.array_equal(read_wave(path, rate=16_000, start=1, end=2), whole[16_000:32_000])


@pytest.mark.parametrize("declared", [2, 1_000, 48_000, 95_000])
def test_samples_after_the_declared_size_are_read(tmp_path: Path, declared: int) -> None:
    path = save(tmp_path / "pcm16.wav", speech(3, 16_000))
    whole = read_wave(path, rate=16_000)
    with_size(path, declared)
    assert inspect(path).seconds == 3
    assert np.array_equal(read_wave(path, rate=16_000), whole)
    assert np.array_equal(read_wave(path, rate=16_000, start=2), whole[32_000:])


@pytest.mark.parametrize("tag", [b"TAG" + bytes(125), b"ID3\x04" + bytes(5_000), bytes(32)])
def test_a_tag_after_the_samples_is_no_sound(tmp_path: Path, tag: bytes) -> None:
    path = save(tmp_path / "pcm16.wav", speech(1, 16_000))
    whole = read_wave(path, rate=16_000)
    path.write_bytes(path.read_bytes() + tag)
    assert np.array_equal(read_wave(path, rate=16_000), whole)


def test_chunks_around_the_samples_are_no_samples(tmp_path: Path) -> None:
    path = save(tmp_path / "pcm16.wav", speech(1, 16_000))
    whole, content = read_wave(path, rate=16_000), path.read_bytes()
    note = b"note\x05\0\0\0hello\0"
    path.write_bytes(content[:36] + note + content[36:] + note)
    assert np.array_equal(read_wave(path, rate=16_000), whole)


@pytest.mark.parametrize(("bad", "problem"), [(1, "1 sample is not finite"), (1234, "1,234 samples are not finite")])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_counted(tmp_path: Path, bad: int, problem: str, value: float) -> None:
    samples = np.stack([speech(10, 16_000)] * 2, axis=1)
    samples[80_000 : 80_000 + (bad + 1) // 2, 0] = value
    samples[80_000 : 80_000 + bad // 2, 1] = -value
    path = save(tmp_path / "float.wav", samples)
    assert problem_of(path).problem == problem
    assert len(read_wave(path, rate=16_000, end=5)) == 80_000


@pytest.mark.parametrize("name", ["pcm16.wav", "pcm8.wav", "float.wav", "lossless.flac"])
@pytest.mark.parametrize("level", [0.0, 0.25])
def test_silence_is_an_error(tmp_path: Path, name: str, level: float) -> None:
    path = save(tmp_path / name, np.full(32_000, level))
    assert problem_of(path).problem == "the recording is silent from 0 s to 2 s"


def test_channels_that_cancel_each_other_are_silent(tmp_path: Path) -> None:
    samples = np.round(speech(2, 16_000) * 2**14) / 2**15
    path = save(tmp_path / "pcm16.wav", np.stack([samples, -samples], axis=1))
    assert problem_of(path, start=0.5, end=1).problem == "the recording is silent from 0.5 s to 1 s"


def test_a_silent_channel_may_be_the_wrong_one(tmp_path: Path) -> None:
    samples = np.stack([np.zeros(32_000), speech(2, 16_000)], axis=1)
    path = save(tmp_path / "pcm16.wav", samples)
    problem = problem_of(path, start=0.5, end=1, channel=1)
    assert problem.problem == "channel 1 is silent from 0.5 s to 1 s"
    assert problem.hint == "are the channels swapped? check --channels, or the key 'channel'"
    assert len(read_wave(path, rate=16_000, channel=2)) == 32_000


def test_a_channel_of_a_mono_recording_is_an_error_that_says_so(tmp_path: Path) -> None:
    problem = problem_of(save(tmp_path / "pcm16.wav", speech(2, 16_000)), channel=2)
    assert problem.problem == "there is no channel 2: the recording has one channel, it is mono"
    assert "--channel-per-speaker" in str(problem.hint)


# What reading leaves alone


def test_decoders_print_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = save(tmp_path / "layer3.mp3", tone(20, 16_000) + 0.02 * np.random.default_rng(0).standard_normal(320_000))
    (tmp_path / "random.mp3").write_bytes(np.random.default_rng(1).bytes(100_000))

    def read(second: int) -> None:
        read_wave(path, rate=16_000, start=second, end=second + 1)
        problem_of(tmp_path / "random.mp3")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, range(20)))
    problem_of(cut(path, 0.5))
    assert capfd.readouterr() == ("", "")


def test_headers_are_read_without_torch(tmp_path: Path) -> None:
    path = save(tmp_path / "pcm16.wav", tone(1, 16_000))
    code = (
        "import sys; from pathlib import Path; from ecef_cli.audio.reading import inspect, read_wave\n"
        f"inspect(Path({str(path)!r})), read_wave(Path({str(path)!r}), rate=16000)\n"
        "assert not {'torch', 'torchaudio'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
