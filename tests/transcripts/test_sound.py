"""Rows of a transcript hear their part of a recording, and their channel of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ecef_cli.api.dialogue import Utterance
from ecef_cli.api.errors import DataError, UsageProblem
from ecef_cli.api.transcripts import TranscriptChoice
from ecef_cli.transcripts.opening import open_transcript
from ecef_cli.transcripts.sound import parse_channels

SRT = "1\n00:00:01,000 --> 00:00:02,000\nANN: hi\n\n2\n00:00:02,000 --> 00:00:03,000\nBOB: go\n\n"
THIRD = "3\n00:00:03,000 --> 00:00:04,000\nCY: stop\n"


def opened(path: Path, **choice: Any) -> list[Utterance | DataError]:
    with open_transcript(path, TranscriptChoice(**choice)) as utterances:
        return list(utterances)


def heard(path: Path, **choice: Any) -> list[tuple[Any, Any, Any, Any]]:
    return [(u.audio, u.start, u.end, u.row.get("channel")) for u in opened(path, **choice) if isinstance(u, Utterance)]


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.srt"
    path.write_text(SRT, encoding="utf-8")
    return path


def recording(path: Path, channels: int = 2) -> Path:
    soundfile.write(path, np.random.default_rng(0).uniform(-0.1, 0.1, (32_000, channels)), 8_000)
    return path


@pytest.fixture
def call(tmp_path: Path) -> Path:
    return recording(tmp_path / "call.wav")


def problem(path: Path, **choice: Any) -> str:
    """Return the first error of a row."""
    return next(str(item) for item in opened(path, **choice) if isinstance(item, DataError))


def dialogue_file(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "talk.jsonl"
    path.write_text("".join(json.dumps({"text": "hi", **row}) + "\n" for row in rows), encoding="utf-8")
    return path


def test_each_row_hears_its_part_of_the_recording(talk: Path, call: Path) -> None:
    assert heard(talk, audio=call) == [(call, 1.0, 2.0, None), (call, 2.0, 3.0, None)]


def test_speakers_take_left_and_right_in_the_order_in_which_they_speak(
    talk: Path, call: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [row[3] for row in heard(talk, audio=call, channel_per_speaker=True)] == [1, 2]
    assert "'ANN' is on the left channel; 'BOB' is on the right channel" in capsys.readouterr().err


def test_speakers_have_the_channels_that_are_named(talk: Path, call: Path) -> None:
    assert [row[3] for row in heard(talk, audio=call, channels={"BOB": 1, "ANN": 2})] == [2, 1]


def test_a_speaker_without_a_channel_is_the_error_of_a_row(talk: Path, call: Path) -> None:
    talk.write_text(SRT + THIRD, encoding="utf-8")
    (error,) = (i for i in opened(talk, audio=call, channel_per_speaker=True) if isinstance(i, DataError))
    assert "talk.srt:10: a third speaker, 'CY', has no channel of its own" in str(error)
    (error, _) = (item for item in opened(talk, audio=call, channels={"ANN": 1}) if isinstance(item, DataError))
    assert "talk.srt:6: no channel is given for the speaker 'BOB' (known: 'ANN'" in str(error)


def test_a_dialogue_file_hears_the_recording_too_and_keeps_what_its_rows_say(tmp_path: Path, call: Path) -> None:
    path = tmp_path / "talk.jsonl"
    told = [
        {"speaker": "A", "text": "hi", "start": 0.5, "end": 1.0},
        {"speaker": "B", "text": "go", "audio": "own.wav", "channel": 2},
        {"speaker": "B", "text": "oh"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in told), encoding="utf-8")
    assert heard(path, audio=call, channel_per_speaker=True) == [
        (call, 0.5, 1.0, 1),
        (tmp_path / "own.wav", None, None, 2),
        (None, None, None, 2),
    ]


def test_rows_without_times_hear_nothing_and_are_counted(
    tmp_path: Path, call: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "talk.txt"
    path.write_text("[00:01] Ann: hi\nBob: go\n[00:04] Ann: oh\n", encoding="utf-8")
    assert heard(path, audio=call) == [(call, 1.0, 4.0, None), (None, None, None, None), (call, 4.0, None, None)]
    assert "1 row has no times and hears nothing of the recording" in capsys.readouterr().err


def test_turns_without_words_need_the_recording(tmp_path: Path, call: Path) -> None:
    path = tmp_path / "call.rttm"
    path.write_text("SPEAKER call 1 0.5 1.0 <NA> <NA> a <NA> <NA>\n", encoding="utf-8")
    (error,) = opened(path)
    assert "call.rttm:1: the row has neither words nor a recording (give the recording" in str(error)
    (found,) = opened(path, audio=call)
    assert isinstance(found, Utterance)
    assert (found.text, found.audio, found.start, found.end) == ("", call, 0.5, 1.5)
    assert "text" not in found.row


NEEDS_A_RECORDING = (
    r"needs a recording, but no row of .* has one \(add --audio FILE, or give the rows the key 'audio'\)"
)


@pytest.mark.parametrize(
    ("choice", "option"),
    [({"channel_per_speaker": True}, "--channel-per-speaker"), ({"channels": {"A": 1}}, "--channels")],
)
def test_channels_without_any_recording_are_refused(tmp_path: Path, choice: dict[str, Any], option: str) -> None:
    srt = tmp_path / "talk.srt"
    srt.write_text(SRT.replace("ANN", "A").replace("BOB", "A"), encoding="utf-8")
    for path in (srt, dialogue_file(tmp_path, {"speaker": "A"}, {"speaker": "A"})):
        with pytest.raises(UsageProblem, match=f"^{option} {NEEDS_A_RECORDING}"):
            opened(path, **choice)


def test_rows_with_recordings_of_their_own_need_no_other(tmp_path: Path) -> None:
    path = dialogue_file(tmp_path, {"speaker": "A"}, {"speaker": "B", "audio": "own.wav"}, {"speaker": "A"})
    found = opened(path, channel_per_speaker=True)
    assert [item.channel for item in found if isinstance(item, Utterance)] == [None, 2, None]


def test_an_invalid_file_keeps_its_own_errors(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    path.write_text("{\n", encoding="utf-8")
    assert "talk.jsonl:1: " in problem(path, channel_per_speaker=True)


def test_channels_need_speakers_with_names(tmp_path: Path, call: Path) -> None:
    srt = tmp_path / "talk.srt"
    srt.write_text(SRT.replace("ANN: ", "").replace("BOB: ", ""), encoding="utf-8")
    unnamed = dialogue_file(tmp_path, {"speaker": "?", "start": 1.0}, {"speaker": "?", "start": 2.0})
    for path in (srt, unnamed):
        for choice, option in (
            ({"channel_per_speaker": True}, "channel-per-speaker"),
            ({"channels": {"A": 1}}, "channels"),
        ):
            expected = rf"{path.name}: no speakers are named, so --{option} has no effect \(name the speakers, or leave"
            with pytest.raises(DataError, match=expected):
                opened(path, audio=call, **choice)


def test_rows_without_a_speaker_hear_all_channels_and_are_counted(
    talk: Path, call: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk.write_text(SRT.replace("ANN: ", ""), encoding="utf-8")
    assert [row[3] for row in heard(talk, audio=call, channels={"BOB": 2})] == [None, 2]
    assert "1 row names no speaker and hears all channels" in capsys.readouterr().err
    path = dialogue_file(talk.parent, *({"speaker": who, "start": 1.0} for who in ("?", "?", "BOB")))
    assert [row[3] for row in heard(path, audio=call, channel_per_speaker=True)] == [None, None, 1]
    assert "2 rows name no speaker and hear all channels" in capsys.readouterr().err


def test_channels_that_the_recording_lacks_are_refused_before_any_row(talk: Path, call: Path, tmp_path: Path) -> None:
    mono = recording(tmp_path / "mono.wav", 1)
    with pytest.raises(DataError, match=r"mono.wav: the recording is mono.* \(leave out --channel-per-speaker\)"):
        opened(talk, audio=mono, channel_per_speaker=True)
    with pytest.raises(DataError, match=r"no channel 2 for 'BOB': the recording is mono.* in --channels"):
        opened(talk, audio=mono, channels={"ANN": 1, "BOB": 2})
    with pytest.raises(
        DataError, match=r"call.wav: there is no channel 3 for 'ANN': .* has 2 channels .* in --channels"
    ):
        opened(talk, audio=call, channels={"ANN": 3, "BOB": 1})


def test_names_match_without_regard_to_case(talk: Path, call: Path) -> None:
    assert [row[3] for row in heard(talk, audio=call, channels={"bob": 1, "Ann": 2})] == [2, 1]
    exact = {"ann": 1, "ANN": 2, "BOB": 1}
    assert [row[3] for row in heard(talk, audio=call, channels=exact)] == [2, 1]


def test_names_that_are_ambiguous_or_misspelled_are_errors(talk: Path, call: Path) -> None:
    ambiguous = {"ann": 1, "Ann": 2, "BOB": 1}
    assert "the speaker 'ANN' may be 'ann' or 'Ann' (write the name" in problem(talk, audio=call, channels=ambiguous)
    told = problem(talk, audio=call, channels={"ANN": 1, "bobb": 2})
    assert "no channel is given for the speaker 'BOB' (did you mean 'BOB' by 'bobb' in --channels?)" in told
    talk.write_text(SRT.replace("BOB", "Ann"), encoding="utf-8")
    told = problem(talk, audio=call, channels={"ann": 1})
    assert "talk.srt:6: the speakers 'ANN' and 'Ann' differ only in case (give each of them a channel" in told


def test_a_dialogue_file_is_read_from_the_channels_of_its_rows(tmp_path: Path, call: Path) -> None:
    rows = ({"speaker": " Ann ", "start": 1.0}, {"speaker": "B", "start": 2.0, "channel": "right"})
    found = opened(dialogue_file(tmp_path, *rows), audio=call, channels={"ann": 1})
    assert [(u.channel, u.row["speaker"]) for u in found if isinstance(u, Utterance)] == [(1, " Ann "), (2, "B")]


def test_channels_are_named_by_side_or_number() -> None:
    with pytest.raises(UsageProblem, match="duplicate speaker 'a'"):
        parse_channels("a=left,a=right")
    assert parse_channels("caller=left, the agent=RIGHT,c=3") == {"caller": 1, "the agent": 2, "c": 3}
    for wrong in ("caller", "caller=up", "=left", "caller=0", ""):
        with pytest.raises(UsageProblem, match="is not SPEAKER=left or SPEAKER=right"):
            parse_channels(wrong)
