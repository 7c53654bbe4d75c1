"""Readers of what speech recognisers write: Whisper, Deepgram, RTTM, STM."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transcript_examples import DEEPGRAM, EXAMPLES, WHISPERX, read, read_text, write

from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import TranscriptSource, read_head
from ecef_transcripts.whisper import Whisper


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_a_segment_has_its_words_times_and_speaker(tmp_path: Path) -> None:
    rows, _ = read_text(tmp_path, "whisper", json.dumps(WHISPERX))
    assert rows[0] == {"text": " Hello there.", "speaker": "SPEAKER_00", "start": 0.03, "end": 1.2}
    assert "speaker" not in rows[1]


def test_a_segment_without_a_speaker_is_divided_by_those_of_its_words(tmp_path: Path) -> None:
    words = [
        {"word": "Hi", "start": 0.0, "end": 0.2, "speaker": "A"},
        {"word": "you.", "start": 0.2, "end": 0.5},
        {"word": "Go!", "start": 0.6, "end": 0.9, "speaker": "B"},
    ]
    content = json.dumps({"segments": [{"start": 0, "end": 1, "text": " Hi you. Go!", "words": words}]})
    assert read_text(tmp_path, "whisper", content)[0] == [
        {"text": "Hi you.", "speaker": "A", "start": 0.0, "end": 0.5},
        {"text": "Go!", "speaker": "B", "start": 0.6, "end": 0.9},
    ]


def test_json_lines_of_segments_are_read(tmp_path: Path) -> None:
    content = lines({"start": 0.1, "end": 1.2, "text": " Hi", "speaker": "A"}, {"start": 1.2, "end": 2, "text": " go"})
    path = tmp_path / "talk.jsonl"
    path.write_text(content, encoding="utf-8")
    assert Whisper.recognises(read_head(path), path.name)
    assert [row["text"] for row in read(path, "whisper")[0]] == [" Hi", " go"]


def test_a_dialogue_file_is_not_taken_for_segments() -> None:
    row = {"speaker": "A", "text": "hi", "start": 0, "end": 1, "audio": "a.wav"}
    assert not Whisper.recognises(lines(row, {**row, "text": "you"}).encode(), "a.jsonl")


def test_whisper_cpp_gives_milliseconds_and_transformers_pairs(tmp_path: Path) -> None:
    segment = {"timestamps": {"from": "00:00:00,000"}, "offsets": {"from": 40, "to": 1500}, "text": " Hi"}
    assert read_text(tmp_path, "whisper", json.dumps({"transcription": [segment]}))[0] == [
        {"text": " Hi", "start": 0.04, "end": 1.5}
    ]
    chunks = {"text": "Hi", "chunks": [{"timestamp": [0.5, 1.5], "text": "Hi"}]}
    assert read_text(tmp_path, "whisper", json.dumps(chunks))[0] == [{"text": "Hi", "start": 0.5, "end": 1.5}]


def test_words_of_deepgram_become_turns_by_speaker_and_pause(tmp_path: Path) -> None:
    rows, source = read_text(tmp_path, "deepgram", json.dumps(DEEPGRAM))
    assert rows == [
        {"text": "Hello.", "speaker": 0, "start": 0.1, "end": 0.4},
        {"text": "Who is this?", "speaker": 1, "start": 0.9, "end": 1.3},
        {"text": "Go away.", "speaker": 1, "start": 3.0, "end": 3.5},
    ]
    assert source.remarks


def test_channels_of_deepgram_are_speakers_in_the_order_of_time(tmp_path: Path) -> None:
    def channel(word: str, start: float) -> dict[str, Any]:
        return {"alternatives": [{"words": [{"word": word, "start": start, "end": start + 0.5}]}]}

    content = json.dumps({"results": {"channels": [channel("later", 2.0), channel("first", 1.0)]}})
    assert read_text(tmp_path, "deepgram", content)[0] == [
        {"text": "first", "speaker": "channel 2", "channel": 2, "start": 1.0, "end": 1.5},
        {"text": "later", "speaker": "channel 1", "channel": 1, "start": 2.0, "end": 2.5},
    ]


def test_utterances_of_deepgram_are_in_seconds_and_those_of_assemblyai_in_milliseconds(tmp_path: Path) -> None:
    said = {"transcript": "hi", "start": 0.5, "end": 1.0, "speaker": 0, "channel": 0}
    assert read_text(tmp_path, "deepgram", json.dumps({"results": {"utterances": [said], "channels": []}}))[0] == [
        {"text": "hi", "speaker": 0, "start": 0.5, "end": 1.0}
    ]
    content = {"audio_url": "x", "utterances": [{"text": "hi", "start": 500, "end": 1000, "speaker": "A"}]}
    assert read_text(tmp_path, "deepgram", json.dumps(content))[0] == [
        {"text": "hi", "speaker": "A", "start": 0.5, "end": 1.0}
    ]


def test_turns_of_rttm_get_the_words_of_the_ctm_beside_them(tmp_path: Path) -> None:
    path = write(tmp_path, "rttm")
    words = "call 1 0.20 0.30 hello 0.9\ncall 1 0.60 0.55 there\ncall 1 1.05 0.40 go\ncall 1 2.00 0.50 away\n"
    (tmp_path / "call.ctm").write_text(";; made by hand\n" + words + "call 1 9.0 0.5 lost\n", encoding="utf-8")
    rows, source = read(path, "rttm")
    assert rows == [
        {"dialogue": "call", "speaker": "spk0", "start": 0.1, "end": 1.1, "text": "hello there"},
        {"dialogue": "call", "speaker": "spk1", "start": 1.3, "end": 3.3, "text": "go away"},
    ]
    assert source.left_out == {"words outside every turn": 1}
    assert source.remarks == [f"words from {tmp_path / 'call.ctm'}"]


def test_turns_of_rttm_get_the_words_of_a_named_stm(tmp_path: Path) -> None:
    path = write(tmp_path, "rttm")
    words = tmp_path / "words.stm"
    words.write_text("call 1 x 0.1 1.1 <o,f0> hello there\ncall 1 x 1.4 3.0 go away\n", encoding="utf-8")
    assert [row["text"] for row in read(path, "rttm", words=str(words))[0]] == ["hello there", "go away"]


def test_turns_without_words_have_no_text(tmp_path: Path) -> None:
    rows, _ = read(write(tmp_path, "rttm"), "rttm")
    assert [("text" in row, row["start"], row["end"]) for row in rows] == [(False, 0.1, 1.1), (False, 1.3, 3.3)]


@pytest.mark.parametrize("name", ["rttm", "stm"])
def test_a_line_that_is_not_of_the_format_is_the_error_of_a_row(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"call.{name}:\d: not a line of"):
        read_text(tmp_path, name, EXAMPLES[name][1] + "SPEAKER call\n")


def test_a_line_of_words_that_is_not_one_names_its_file(tmp_path: Path) -> None:
    path = write(tmp_path, "rttm")
    (tmp_path / "call.ctm").write_text("call 1 soon 0.3 hello\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"call.ctm:1: not a line of words"):
        read(path, "rttm")


def test_segments_of_stm_that_are_not_scored_are_counted(tmp_path: Path) -> None:
    rows, source = read_text(tmp_path, "stm", EXAMPLES["stm"][1])
    assert rows == [
        {"dialogue": "call", "speaker": "ann", "text": "hello there", "start": 0.1, "end": 1.1},
        {"dialogue": "call", "speaker": "bob", "text": "go away", "start": 1.3, "end": 3.3},
    ]
    assert source.left_out == {"segments that are not scored or have no words": 1}


@pytest.mark.parametrize("name", ["whisper", "deepgram", "json", "slack", "discord", "labelstudio"])
@pytest.mark.parametrize("content", ['{"a": [', "[1, 2]", '{"a": 1}', '"text"', "12", "", "nonsense"])
def test_other_json_is_an_error_that_names_the_file(name: str, content: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_text(tmp_path, name, content)
    assert caught.value.where
    assert EXAMPLES[name][0] in caught.value.where


def test_a_cut_off_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"talk.json:1: not JSON.*is the file cut off\?"):
        read_text(tmp_path, "whisper", json.dumps(WHISPERX)[:60])


def test_a_segment_that_is_not_an_object_is_the_error_of_a_row(tmp_path: Path) -> None:
    path = tmp_path / "talk.json"
    path.write_text(json.dumps({"segments": [{"text": "hi"}, 7]}), encoding="utf-8")
    found = list(Whisper(Whisper.Options()).read(TranscriptSource.open(path)))
    assert str(found[1]) == f"{path}: segments[1]: not an object"
