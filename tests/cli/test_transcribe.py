"""`ecef transcribe`, and `ecef predict` of a recording, as a user meets them; speech is of tones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tones import PLUGIN, Tones, record, say

from ecef_cli.api.dialogue import read_dialogues
from ecef_cli.cli.main import run
from ecef_cli.runs.run import Run
from ecef_cli.transcription import parts

CALLER: list[str | float] = ["I", "see", "you.", 2.0, "Help!"]
AGENT: list[str | float] = [2.0, "Nobody", "heard", "me,", "and", "I", "see", "you."]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install: Callable[..., None]) -> None:
    install("tones-dist", PLUGIN)
    Tones.heard.clear()
    monkeypatch.chdir(tmp_path)


def transcribe(*arguments: str) -> int:
    return run(["transcribe", "--transcriber", "tones", "--device", "cpu", *arguments])


def rows(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def test_a_recording_becomes_a_dialogue_file_with_one_row_per_utterance(capsys: pytest.CaptureFixture[str]) -> None:
    record(Path("calls/may.wav"), CALLER)
    assert transcribe("calls/may.wav", "-o", "texts/may.jsonl") == 0
    first, second = rows("texts/may.jsonl")
    assert first == {
        "dialogue": "may",
        "utterance": 1,
        "speaker": "?",
        "text": "I see you.",
        "audio": "../calls/may.wav",
        "start": 0.0,
        "end": pytest.approx(1.4, abs=0.051),
    }
    assert (second["utterance"], second["text"]) == (2, "Help!")
    assert capsys.readouterr().err.splitlines() == [
        "texts/may.jsonl: 2 utterances",
        "speakers are not told apart: every row has the speaker '?'",
    ]
    (dialogue,) = read_dialogues("texts/may.jsonl")
    assert dialogue.utterances[0].audio == Path("texts/../calls/may.wav")


def test_each_channel_is_a_speaker_and_rows_are_in_order_of_time(capsys: pytest.CaptureFixture[str]) -> None:
    record(Path("call.wav"), CALLER, AGENT)
    assert transcribe("call.wav", "-o", "call.jsonl", "--channel-per-speaker") == 0
    assert [(row["channel"], row["speaker"], row["text"]) for row in rows("call.jsonl")] == [
        (1, "channel 1", "I see you."),
        (2, "channel 2", "Nobody heard me, and I see you."),
        (1, "channel 1", "Help!"),
    ]
    assert "speakers" not in capsys.readouterr().err


def test_names_are_those_of_the_channels() -> None:
    record(Path("call.wav"), CALLER, AGENT)
    assert transcribe("call.wav", "-o", "call.jsonl", "--channels", "Ann=left,Bob=right") == 0
    assert [row["speaker"] for row in rows("call.jsonl")] == ["Ann", "Bob", "Ann"]


def test_words_have_their_times() -> None:
    record(Path("call.wav"), CALLER)
    assert transcribe("call.wav", "-o", "call.jsonl", "--words") == 0
    first, _ = rows("call.jsonl")
    assert [word["word"] for word in first["words"]] == ["I", "see", "you."]
    assert [word["start"] for word in first["words"]] == pytest.approx([0.0, 0.5, 1.0], abs=0.051)


def test_without_an_output_the_rows_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    record(Path("call.wav"), CALLER)
    assert transcribe("call.wav") == 0
    assert [json.loads(line)["audio"] for line in capsys.readouterr().out.splitlines()] == ["call.wav", "call.wav"]
    assert transcribe("call.wav", "--format", "table") == 0
    assert "I see you." in capsys.readouterr().out
    assert [file.name for file in Path().iterdir() if file.is_file()] == ["call.wav"]


def test_a_folder_is_transcribed_into_another(capsys: pytest.CaptureFixture[str]) -> None:
    record(Path("calls/a.wav"), CALLER)
    record(Path("calls/b.wav"), ["Yes."])
    Path("calls/notes.txt").write_text("none of them")
    assert transcribe("calls", "--to", "texts") == 0
    assert sorted(file.name for file in Path("texts").iterdir()) == ["a.jsonl", "b.jsonl"]
    assert rows("texts/b.jsonl")[0]["dialogue"] == "b"
    assert capsys.readouterr().err.count("told apart") == 1


def test_an_output_that_exists_is_left_as_it_is_without_force(capsys: pytest.CaptureFixture[str]) -> None:
    record(Path("call.wav"), CALLER)
    Path("call.jsonl").write_text("mine\n")
    assert transcribe("call.wav", "-o", "call.jsonl") == 0
    assert "call.jsonl: exists already" in capsys.readouterr().err
    assert Path("call.jsonl").read_text() == "mine\n"
    assert transcribe("call.wav", "-o", "call.jsonl", "--force") == 0
    assert len(rows("call.jsonl")) == 2


def test_an_interrupted_transcription_resumes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(parts, "PART", 6.0)
    monkeypatch.setattr(parts, "_SEARCH", 4.0)
    record(Path("long.wav"), ["I", "see", "you.", 0.9] * 8)
    assert transcribe("long.wav", "-o", "whole.jsonl") == 0
    whole = len(Tones.heard)
    Tones.heard.clear()
    assert transcribe("long.wav", "-o", "out.jsonl", "--option", "fail_at=3") == 130
    assert "long.wav: finished parts are kept; run the same command to resume" in capsys.readouterr().err
    assert not Path("out.jsonl").exists()
    assert transcribe("long.wav", "-o", "out.jsonl", "--option", "fail_at=3") == 0
    assert len(Tones.heard) == whole + 1
    assert rows("out.jsonl") == rows("whole.jsonl")
    assert sorted(file.name for file in Path().iterdir() if not file.is_dir()) == [
        "long.wav",
        "out.jsonl",
        "whole.jsonl",
    ]
    assert not [file for file in Path().iterdir() if file.name.endswith(".parts")]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: soundfile.write(path, np.zeros(32_000), 16_000), "no speech was found in 2.0 s"),
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: path.write_bytes(b"RIFF but no more"), "is not a readable audio file"),
        (lambda _: None, "there is no such file"),
    ],
    ids=["silence", "empty", "corrupt", "missing"],
)
def test_a_recording_without_speech_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], make: Callable[[Path], None], problem: str
) -> None:
    make(Path("bad.wav"))
    assert transcribe("bad.wav", "-o", "bad.jsonl") == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ecef: bad.wav: ")
    assert problem in line
    assert [file for file in Path().iterdir() if file.is_file() and file.name != "bad.wav"] == []


def test_one_bad_recording_does_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    Path("calls").mkdir()
    Path("calls/a.wav").write_bytes(b"RIFF but no more")
    record(Path("calls/b.wav"), CALLER)
    assert transcribe("calls", "--to", "texts") == 3
    assert [file.name for file in Path("texts").iterdir()] == ["b.jsonl"]
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("warning: calls/a.wav: is not a readable audio file")
    assert lines[-1] == "ecef: 1 of 2 recordings could not be transcribed (see above)"


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["one.wav", "two.wav"], 2, "2 recordings need a folder for their output (use --to DIR)"),
        (["one.wav", "two.wav", "-o", "x.jsonl"], 2, "-o is for one recording, not 2 (use --to DIR)"),
        (["one.wav", "-o", "x.csv"], 2, "-o x.csv: the output is JSON Lines (name it x.jsonl)"),
        (["one.wav", "-o", "x.jsonl", "--to", "texts"], 2, "-o and --to exclude each other"),
        (["one.wav", "a/one.flac", "--to", "t"], 2, "one.wav and a/one.flac would both be written to t/one.jsonl"),
        (["one.wav", "--channels", "Ann,Bob"], 2, "--channels 'Ann,Bob': 'Ann' is not SPEAKER=left or SPEAKER=right"),
        (["empty", "--to", "t"], 3, "empty: the folder has no recordings"),
        (["one.wav", "-o", "x.jsonl", "--channel-per-speaker"], 3, "one.wav: the recording has one channel"),
        (
            ["two.wav", "-o", "x.jsonl", "--channels", "A=left,C=3"],
            3,
            "two.wav: the recording has 2 channels, but C has channel 3",
        ),
        (["same.wav", "-o", "x.jsonl", "--channel-per-speaker"], 3, "same.wav: all 2 channels hold the same speech"),
        (["one.wav", "--option", "langage=de"], 2, "langage"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, problem: str
) -> None:
    Path("empty").mkdir()
    record(Path("one.wav"), CALLER)
    record(Path("two.wav"), CALLER, AGENT)
    record(Path("same.wav"), CALLER, CALLER)
    assert transcribe(*arguments) == code
    assert problem in capsys.readouterr().err
    assert not Path("x.jsonl").exists()


def test_another_language_and_a_doubtful_text_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    record(Path("call.wav"), CALLER)
    assert transcribe("call.wav", "-o", "de.jsonl", "--option", "language=de", "--option", "confidence=0.3") == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "call.wav: recognised language: de"
    assert lines[1].startswith("warning: call.wav: the text is doubtful, with a mean probability of 0.30")


def test_a_transcriber_without_times_of_words_gives_its_segments() -> None:
    record(Path("call.wav"), AGENT)
    assert transcribe("call.wav", "-o", "call.jsonl", "--option", "times=false") == 0
    assert [row["text"] for row in rows("call.jsonl")] == ["Nobody heard me,", "and I see", "you."]


def test_predict_transcribes_a_recording_and_hears_each_utterance(
    fused_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    record(Path("call.wav"), CALLER, AGENT)
    options = ["--channel-per-speaker", "--transcriber", "tones", "--model", str(fused_run.folder), "--device", "cpu"]
    assert run(["predict", "call.wav", *options]) == 0
    heard = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["speaker"], row["text"], row["audio"]) for row in heard] == [
        ("channel 1", "I see you.", "call.wav"),
        ("channel 2", "Nobody heard me, and I see you.", "call.wav"),
        ("channel 1", "Help!", "call.wav"),
    ]
    assert transcribe("call.wav", "-o", "call.jsonl", "--channel-per-speaker") == 0
    assert run(["predict", "call.jsonl", *options[3:]]) == 0
    assert [json.loads(line)["prediction"] for line in capsys.readouterr().out.splitlines()] == [
        row["prediction"] for row in heard
    ]


def test_predict_of_a_text_takes_no_option_of_a_transcriber(capsys: pytest.CaptureFixture[str]) -> None:
    Path("text.jsonl").write_text('{"speaker": "Ann", "text": "Hello."}\n')
    assert run(["predict", "text.jsonl", "--transcriber", "tones"]) == 2
    assert "text.jsonl is no recording" in capsys.readouterr().err


def test_a_recording_is_told_by_its_content(capsys: pytest.CaptureFixture[str], fused_run: Run) -> None:
    soundfile.write("named.flac", say(*CALLER), 16_000)
    Path("named.flac").rename("call.txt")
    assert run(["predict", "call.txt", "--transcriber", "tones", "--model", str(fused_run.folder)]) == 0
    assert [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()] == ["I see you.", "Help!"]
