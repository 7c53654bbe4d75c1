"""Rows of a transcript hear their part of a recording, and their channel of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

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


@pytest.fixture
def call(tmp_path: Path) -> Path:
    return tmp_path / "call.wav"


def test_each_row_hears_its_part_of_the_recording(talk: Path, call: Path) -> None:
    assert heard(talk, audio=call) == [(call, 1.0, 2.0, None), (call, 2.0, 3.0, None)]


def test_speakers_take_left_and_right_in_the_order_in_which_they_speak(
    talk: Path, call: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [row[3] for row in heard(talk, audio=call, channel_per_speaker=True)] == [1, 2]
    assert "'ANN' is on the left channel; 'BOB' is on the right channel" in capsys.readouterr().err


def test_speakers_have_the_channels_that_are_named(talk: Path, call: Path) -> None:
    assert [row[3] for row in heard(talk, audio=call, channels={"BOB": 1, "ANN": 2})] == [2, 1]


def test_a_speaker_without_a_channel_is_the_error_of_a_row(talk: Path) -> None:
    talk.write_text(SRT + THIRD, encoding="utf-8")
    (error,) = (item for item in opened(talk, channel_per_speaker=True) if isinstance(item, DataError))
    assert "talk.srt:10: a third speaker, 'CY', has no channel of its own" in str(error)
    (error, _) = (item for item in opened(talk, channels={"ANN": 1}) if isinstance(item, DataError))
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


def test_channels_are_named_by_side_or_number() -> None:
    assert parse_channels("caller=left, the agent=RIGHT,c=3") == {"caller": 1, "the agent": 2, "c": 3}
    for wrong in ("caller", "caller=up", "=left", "caller=0", ""):
        with pytest.raises(UsageProblem, match="is not SPEAKER=left or SPEAKER=right"):
            parse_channels(wrong)
