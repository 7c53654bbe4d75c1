"""A recording that is decoded to its end: whole ones say what they are, others what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from recorded import RATE, noise, record

from ecef_cli.api.errors import DataError
from ecef_cli.audio.reading import decode, inspect


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_a_whole_recording_is_what_its_header_says(tmp_path: Path, name: str) -> None:
    path = record(tmp_path / name, 1.5)
    assert decode(path) == inspect(path)
    assert decode(path).seconds == pytest.approx(1.5, abs=0.2)


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_one_that_is_cut_off_is_told_although_its_header_is_whole(tmp_path: Path, name: str) -> None:
    path = record(tmp_path / name, 4.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert inspect(path).seconds == pytest.approx(4.0)
    with pytest.raises(DataError, match=r"cut off or damaged: its header promises 4\.00 s, but decoding fails after"):
        decode(path)


def test_one_that_is_damaged_in_the_middle_is_told(tmp_path: Path) -> None:
    path = record(tmp_path / "a.flac", 4.0)
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    content[half : half + 4000] = bytes(4000)
    path.write_bytes(content)
    with pytest.raises(DataError, match="cut off or damaged"):
        decode(path)


def test_samples_that_are_not_finite_are_counted_to_the_end(tmp_path: Path) -> None:
    samples = noise(20.0)
    samples[[5, 6, -1]] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(DataError, match="3 samples are not finite"):
        decode(tmp_path / "a.wav")


def test_silence_is_told_and_a_silent_beginning_is_none(tmp_path: Path) -> None:
    samples = np.zeros(20 * RATE)
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    with pytest.raises(DataError, match="the recording is silent from 0 s to 20 s"):
        decode(tmp_path / "a.wav")
    samples[-1] = 0.5
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    assert decode(tmp_path / "a.wav").seconds == 20.0
    soundfile.write(tmp_path / "a.wav", samples[:1], RATE)
    assert decode(tmp_path / "a.wav").seconds == pytest.approx(1 / RATE)
