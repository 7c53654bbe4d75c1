"""What is taken of a clip, and which clips are of no use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from meld_archive import clip, write

from ecef_cli.api.errors import DataError
from ecef_datasets import clips
from ecef_datasets.clips import RATE, convert, decode, note_of, same_source, sweep
from ecef_datasets.meld_clips import Clip, clip_of, wrong_length


@pytest.mark.parametrize("form", ["mp4", "wav", "flac"])
@pytest.mark.parametrize("rate", [48_000, 44_100, 16_000])
@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
def test_every_recording_becomes_one_channel_at_sixteen_kilohertz(form: str, rate: int, layout: str) -> None:
    wave = decode(clip(0.5, form=form, rate=rate, layout=layout))
    assert wave.dtype == np.int16
    assert len(wave) == pytest.approx(0.5 * RATE, abs=1_500 if form == "mp4" else 2)  # AAC adds a frame
    spectrum = np.abs(np.fft.rfft(wave))
    assert np.argmax(spectrum) * RATE / len(wave) == pytest.approx(330, abs=3)  # Hz, the tone that was recorded
    assert 4_000 < np.abs(wave).max() < 33_000


def test_of_a_clip_with_pictures_the_sound_is_taken() -> None:
    assert np.array_equal(decode(clip(0.5, video=True)), decode(clip(0.5)))


def test_the_file_holds_what_was_decoded_and_says_what_of(tmp_path: Path) -> None:
    sound = clip(0.5)
    convert(sound, tmp_path / "a.flac", "12 34")
    wave, rate = soundfile.read(tmp_path / "a.flac", dtype="int16")
    assert rate == RATE
    assert np.array_equal(wave, decode(sound))
    assert note_of(tmp_path / "a.flac") == ("12 34", len(wave) / RATE)
    assert [path.name for path in tmp_path.iterdir()] == ["a.flac"]


def test_a_file_that_is_not_ours_has_an_empty_note_and_one_that_is_not_whole_has_none(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "other.flac", np.zeros(160, np.int16), RATE)
    assert note_of(tmp_path / "other.flac") == ("", 0.01)
    convert(clip(0.5), tmp_path / "a.flac", "12 34")
    whole = (tmp_path / "a.flac").read_bytes()
    for part in (b"", whole[:100], whole[: len(whole) // 2], whole[:-1], whole[:-300] + bytes(300)):
        assert note_of(write(tmp_path / "part.flac", part)) is None
    assert note_of(tmp_path / "none.flac") is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("12 34", "12 34", True),
        ("12 34 0000abcd", "12 34 0000abcd", True),
        ("12 34 0000abcd", "12 34", True),
        ("12 34 0000abcd", "12 34 0000abce", False),
        ("12 34", "12 35", False),
        ("", "12 34", False),
        ("12", "12 34", False),
    ],
)
def test_notes_are_compared_as_far_as_both_say(one: str, other: str, same: bool) -> None:
    assert same_source(one, other) == same_source(other, one) == same


BROKEN = {
    "silence": (clip(0.5, level=0.0), "it is silent"),
    "pictures alone": (clip(0.5, video=True, sound=False), "it contains no audio"),
    "an index that is missing": (clip(1.0)[:4_000], "it cannot be decoded"),
    "an index that is cut off": (clip(1.0)[:-400], "it is cut off or damaged: only 0.00 of 1.0. s can be decoded"),
    "sound that is cut off": (clip(2.0, front=True)[:-9_000], "it is cut off or damaged: only [01].* of 2.0. s can be"),
    "nothing": (b"", "it cannot be decoded"),
    "a page": (b"<html>404 Not Found</html>" * 50, "it cannot be decoded"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_clip_is_told_and_leaves_nothing(tmp_path: Path, what: str) -> None:
    sound, problem = BROKEN[what]
    with pytest.raises(DataError, match=problem):
        convert(sound, tmp_path / "a.flac", "")
    with pytest.raises(DataError, match=problem):
        convert(write(tmp_path / "a.mp4", sound), tmp_path / "a.flac", "")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_packet_that_is_damaged_costs_no_more_than_itself() -> None:
    sound = bytearray(clip(3.0, front=True))
    middle = len(sound) // 2
    sound[middle : middle + 40] = bytes(40)
    whole, damaged = decode(clip(3.0)), decode(bytes(sound))
    assert clips.SHARE * len(whole) < len(damaged) <= len(whole)


def test_a_clip_that_never_ends_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "LONGEST", 0.4)
    with pytest.raises(DataError, match=r"it lasts 1 s; the maximum is 0 s"):
        decode(clip(1.0))
    monkeypatch.setattr(clips, "_promised", lambda *_: None)  # of a header that does not say
    with pytest.raises(DataError, match="it lasts more than 0 s"):
        decode(clip(1.0))


def test_what_a_killed_process_had_begun_is_swept_away(tmp_path: Path) -> None:
    part = write(tmp_path / "train" / ".a.flac.x1.part", b"half")
    kept = write(tmp_path / "train" / "a.flac", b"whole")
    sweep(tmp_path)
    assert not part.exists()
    assert kept.exists()


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("MELD.Raw/train.tar.gz/train_splits/dia3_utt14.mp4", Clip("train", 3, 14)),
        ("dev_splits_complete/dia0_utt0.mp4", Clip("dev", 0, 0)),
        ("output_repeated_splits_test/dia7_utt1.MP4", Clip("test", 7, 1)),
        ("wavs/Test/dia7_utt1.wav", Clip("test", 7, 1)),
        ("wavs/dev_dia7_utt1.flac", Clip("dev", 7, 1)),
        ("train/old/dia7_utt1.flac", Clip("train", 7, 1)),
        ("output_repeated_splits_test/final_videos_testdia7_utt1.mp4", None),
        ("train_splits/._dia7_utt1.mp4", None),
        ("train_splits/dia7_utt1.mp4.part", None),
        ("wavs/dia7_utt1.wav", None),
        ("train_splits/readme.txt", None),
    ],
)
def test_the_folder_and_the_name_say_whose_recording_a_file_is(path: str, found: Clip | None) -> None:
    assert clip_of(path.split("/")) == found


@pytest.mark.parametrize(
    ("seconds", "stated", "wrong"),
    [
        (2.0, 2.0, False),
        (6.9, 2.0, False),
        (7.1, 2.0, True),
        (305.0, 1.2, True),
        (19.0, 10.0, False),
        (21.0, 10.0, True),
    ],
)
def test_a_clip_of_twice_its_time_and_five_seconds_more_was_cut_wrongly(
    seconds: float, stated: float, wrong: bool
) -> None:
    assert bool(wrong_length(seconds, stated)) == wrong
