"""Recordings that FFmpeg decodes: every container and codec is read by its content, and counted, not estimated."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from ecef_cli.api.errors import DataError
from ecef_cli.audio.reading import decode, inspect, read_wave

RATE = 16_000
FORMATS = {
    "call.m4a": ("ipod", "aac", RATE),
    "call.mp4": ("mp4", "aac", 44_100),
    "call.aac": ("adts", "aac", RATE),
    "call.webm": ("webm", "libopus", 48_000),
    "call.opus": ("opus", "libopus", 48_000),
    "call.mka": ("matroska", "flac", RATE),
    "call.amr": ("amr", "libopencore_amrnb", 8_000),
    "call.3gp": ("3gp", "libopencore_amrnb", 8_000),
    "call.ac3": ("ac3", "ac3", 48_000),
    "call.mp3": ("mp3", "libmp3lame", RATE),
    "mulaw.wav": ("wav", "pcm_mulaw", 8_000),
    "mulaw.au": ("au", "pcm_mulaw", 8_000),
    "alaw.wav": ("wav", "pcm_alaw", 8_000),
}
"""Container, codec and rate, by a usual name."""


def waves(seconds: float = 5, channels: int = 1) -> np.ndarray:
    """Return tones of 300 Hz, 600 Hz, … (channels, samples) that grow louder."""
    times = np.arange(round(seconds * RATE)) / RATE
    rise = 0.1 + 0.4 * times / seconds
    return np.stack([rise * np.sin(2 * np.pi * 300 * n * times) for n in range(1, channels + 1)]).astype(np.float32)


def encode(path: Path, samples: np.ndarray, *, video: bool = False, options: dict[str, str] | None = None) -> Path:
    """Write sound, and a moving picture with it, as `FORMATS` says for the file's name."""
    form, codec, rate = FORMATS[path.name]
    layout = {1: "mono", 2: "stereo"}[len(samples)]
    with av.open(str(path), "w", format=form, options=options or {}) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.layout = layout
        if video:
            _moving(container, samples.shape[1] / RATE, "libvpx" if form == "webm" else "mpeg4")
        whole = av.AudioFrame.from_ndarray(samples, "fltp", layout)
        whole.sample_rate, whole.pts = RATE, 0
        resampler = av.AudioResampler(stream.format.name, layout, rate)
        for frame in (*resampler.resample(whole), *resampler.resample(None), None):
            container.mux(stream.encode(frame))
    return path


def _moving(container: Any, seconds: float, codec: str) -> None:
    picture = container.add_stream(codec, rate=10)
    picture.width = picture.height = 64
    picture.pix_fmt = "yuv420p"
    noise = np.random.default_rng(0)
    for _ in range(round(10 * seconds)):
        frame = av.VideoFrame.from_ndarray(noise.integers(0, 255, (64, 64, 3), dtype=np.uint8))
        container.mux(picture.encode(frame))
    container.mux(picture.encode(None))


def without_xing(path: Path, samples: np.ndarray) -> Path:
    """Write an MP3 file of variable bit rate whose header does not state a length."""
    with av.open(str(path), "w", format="mp3", options={"write_xing": "0"}) as container:
        stream: Any = container.add_stream("libmp3lame", rate=RATE, options={"compression_level": "9"})
        stream.layout = "mono"
        stream.codec_context.qscale = True
        stream.codec_context.global_quality = 118 * 9
        frame = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
        frame.sample_rate, frame.pts = RATE, 0
        for part in (*av.AudioResampler("s16p", "mono", RATE).resample(frame), None):
            container.mux(stream.encode(part))
    return path


def hertz(wave: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(wave * np.hanning(len(wave)))).argmax() * RATE / len(wave))


def problem_of(path: Path, **segment: Any) -> str:
    with pytest.raises(DataError) as caught:
        read_wave(path, rate=RATE, **segment)
    assert caught.value.where == str(path)
    assert caught.value.hint
    return caught.value.problem


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read_whatever_its_suffix(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, waves()).rename(tmp_path / "call.gsm")
    assert inspect(path).seconds == pytest.approx(5, abs=0.15)  # some codecs have no field for their padding
    assert inspect(path).rate == FORMATS[name][2]
    found = read_wave(path, rate=RATE)
    assert len(found) == pytest.approx(5 * RATE, abs=0.15 * RATE)
    assert hertz(found) == pytest.approx(300, abs=1)
    assert np.abs(found[-RATE:]).max() == pytest.approx(0.5, rel=0.2)
    assert decode(path) == inspect(path)


@pytest.mark.parametrize("name", FORMATS)
def test_a_segment_is_in_its_place(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, waves())
    whole = read_wave(path, rate=RATE)
    for start, end in ((0, 1), (1.5, 3.25), (4, None)):
        found = read_wave(path, rate=RATE, start=start, end=end)
        expected = whole[round(start * RATE) : None if end is None else round(end * RATE)]
        assert abs(len(found) - len(expected)) <= 16  # Matroska rounds times to milliseconds
        assert np.abs(found).max() == pytest.approx(np.abs(expected).max(), rel=0.1)
        assert hertz(found) == pytest.approx(300, abs=1)


@pytest.mark.parametrize("name", ["call.mp3", "call.aac", "call.m4a"])
def test_a_segment_of_a_format_with_exact_times_is_a_slice(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, waves())
    whole = read_wave(path, rate=RATE)
    assert read_wave(path, rate=RATE, start=2.3, end=3.7) == pytest.approx(whole[36_800:59_200], abs=1e-4)


@pytest.mark.parametrize("name", ["call.mp4", "call.webm"])
def test_the_sound_of_a_video_is_read(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, waves(), video=True)
    assert inspect(path).seconds == pytest.approx(5, abs=0.05)
    assert hertz(read_wave(path, rate=RATE, start=2, end=4)) == pytest.approx(300, abs=1)


@pytest.mark.parametrize(("form", "codec"), [("mp4", "mpeg4"), ("webm", "libvpx")])
def test_a_video_without_sound_is_named(tmp_path: Path, form: str, codec: str) -> None:
    path = tmp_path / "call.wav"
    with av.open(str(path), "w", format=form) as container:
        _moving(container, 1, codec)
    assert problem_of(path) == "the file contains no sound"


@pytest.mark.parametrize("name", ["call.m4a", "call.webm", "call.mp3", "mulaw.wav"])
def test_a_channel_is_read_alone(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, waves(channels=2))
    assert inspect(path).channels == 2
    assert hertz(read_wave(path, rate=RATE, channel=1)) == pytest.approx(300, abs=1)
    assert hertz(read_wave(path, rate=RATE, channel=2)) == pytest.approx(600, abs=1)
    assert problem_of(path, channel=3) == "there is no channel 3: the recording has 2 channels"


def test_the_frames_of_an_mp3_file_without_a_length_are_counted(tmp_path: Path) -> None:
    quiet = np.random.default_rng(0).standard_normal(20 * RATE).astype(np.float32) * 1e-3
    loud = np.random.default_rng(1).standard_normal(20 * RATE).astype(np.float32) * 0.1
    for name, parts in {"loud.mp3": (loud, quiet), "quiet.mp3": (quiet, loud)}.items():
        path = without_xing(tmp_path / name, np.concatenate(parts)[None])
        with av.open(str(path)) as container:
            estimate = float(container.duration or 0) / av.time_base
        assert abs(estimate - 40) > 2, "the estimate is right: the file shows nothing"
        assert inspect(path).seconds == pytest.approx(40, abs=0.15)
        found = read_wave(path, rate=RATE)
        assert len(found) == pytest.approx(40 * RATE, abs=0.15 * RATE)
        begin, end = float(found[:RATE].std()), float(found[-RATE:].std())
        assert (begin > 10 * end) == (name == "loud.mp3")


@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_a_cut_mp3_file_without_a_length_is_named(tmp_path: Path, share: float) -> None:
    path = without_xing(tmp_path / "call.mp3", waves(20))
    size = int(path.stat().st_size * share)
    os.truncate(path, size - size % 36 - 1)  # within a frame: all have a multiple of 36 bytes
    length = inspect(path).seconds
    assert length < 20
    assert problem_of(path) == f"the file is cut off within a frame, after {length:.2f} s"
    assert len(read_wave(path, rate=RATE, start=1, end=3)) == 2 * RATE


def test_what_follows_the_last_frame_of_an_mp3_file_is_no_cut(tmp_path: Path) -> None:
    path = without_xing(tmp_path / "call.mp3", waves())
    length = inspect(path).seconds
    path.write_bytes(path.read_bytes() + b"TAG" + b"a title".ljust(125, b"\0"))
    assert decode(path).seconds == pytest.approx(length)


@pytest.mark.parametrize("name", ["call.webm", "call.mka", "call.aac", "call.amr", "call.mp3"])
def test_a_file_that_is_cut_off_is_named(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, waves())
    os.truncate(path, int(path.stat().st_size * 0.6) // 13 * 13 + 9)
    assert problem_of(path).startswith("the file is cut off ")
    with pytest.raises(DataError, match="the file is cut off "):
        decode(path)


def test_a_flac_file_with_a_tag_before_it_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "call.flac"
    soundfile.write(path, waves()[0], RATE)
    path.write_bytes(b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + path.read_bytes())
    assert len(read_wave(path, rate=RATE)) == 5 * RATE
    os.truncate(path, path.stat().st_size // 2)
    assert problem_of(path).startswith("the file is cut off or damaged: its header promises 5.00 s, ")


def test_a_video_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = encode(tmp_path / "call.mp4", waves(), video=True, options={"movflags": "faststart"})
    os.truncate(path, int(path.stat().st_size * 0.5))
    assert problem_of(path).startswith("the file is cut off or damaged: its header promises 5.0")
    other = encode(tmp_path / "call.m4a", waves())
    os.truncate(other, int(other.stat().st_size * 0.5))  # the index is at its end
    assert problem_of(other) == "is not a readable audio file"


def test_a_pause_in_the_timestamps_is_silence(tmp_path: Path) -> None:
    """Telephone services leave out the packets of a muted microphone."""
    path = tmp_path / "call.mka"
    with av.open(str(path), "w", format="matroska") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=RATE)
        stream.layout = "mono"
        for begin in (0, 3):
            frame = av.AudioFrame.from_ndarray((waves(1) * 2**15).astype(np.int16), "s16", "mono")
            frame.sample_rate, frame.pts = RATE, begin * RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert inspect(path).seconds == pytest.approx(4, abs=0.01)
    found = read_wave(path, rate=RATE)
    assert not found[RATE + 100 : 3 * RATE - 100].any()
    assert hertz(found[3 * RATE :]) == pytest.approx(300, abs=1)
    assert hertz(read_wave(path, rate=RATE, start=3.1, end=3.9)) == pytest.approx(300, abs=2)


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    sound = encode(tmp_path / "call.aac", waves())
    listed = tmp_path / "list.m3u8"
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:9", "#EXTINF:5,", sound.name, "#EXT-X-ENDLIST", ""]
    listed.write_text("\n".join(lines))
    assert problem_of(listed) == "is not a readable audio file"
    listed.write_text(f"ffconcat version 1.0\nfile {sound}\n")
    assert problem_of(listed) == "is not a readable audio file"


def test_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    path = encode(tmp_path / "call.mp3", waves(5))
    assert inspect(path).seconds == pytest.approx(5, abs=0.01)
    path.unlink()
    encode(path, waves(2))
    assert inspect(path).seconds == pytest.approx(2, abs=0.01)


def test_libsndfile_and_ffmpeg_give_the_same_samples(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", waves(channels=2).T, RATE)
    with av.open(str(tmp_path / "a.flac")) as source, av.open(str(tmp_path / "a.mka"), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    shutil.copy(tmp_path / "a.mka", tmp_path / "a.wav")
    assert np.array_equal(read_wave(tmp_path / "a.wav", rate=RATE), read_wave(tmp_path / "a.flac", rate=RATE))
