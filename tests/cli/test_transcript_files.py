"""`predict`, `tag` and `prepare` read transcripts of any format."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transcript_examples import EXAMPLES, write

from ecef_cli.cli.main import run as run_cli
from ecef_cli.runs.run import Run

Ecef = Callable[..., tuple[int, list[dict[str, Any]], str]]


@pytest.fixture
def ecef(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ecef:
    """Run a command in a workspace of its own; return its exit code, its rows and stderr."""

    def run(*arguments: object) -> tuple[int, list[dict[str, Any]], str]:
        code = run_cli(["--workspace", str(tmp_path / "work"), *map(str, arguments)])
        captured = capsys.readouterr()
        return code, [json.loads(line) for line in captured.out.splitlines()], captured.err

    return run


def manifest(folder: Path, name: str) -> list[dict[str, Any]]:
    text = (folder / "work" / name / "manifest" / "train.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_predict_answers_each_row_of_a_transcript(ecef: Ecef, toy_run: Run, tmp_path: Path) -> None:
    code, rows, told = ecef("predict", write(tmp_path, "srt"), "--model", toy_run.folder, "--format", "jsonl")
    assert code == 0
    assert [(row["speaker"], row["text"], row["start"]) for row in rows] == [
        ("?", "Hello there", 1.0),
        ("BOB", "Go away", 2.5),
    ]
    assert all("prediction" in row for row in rows)
    assert "1 row names no speaker; it is '?'" in told


@pytest.mark.parametrize("name", ["empty.srt", "empty.txt", "empty.csv", "empty.json", "empty.jsonl"])
def test_an_empty_file_is_an_error_before_a_model_is_looked_for(ecef: Ecef, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.touch()
    code, _, told = ecef("predict", path, "--model", tmp_path / "missing")
    assert (code, told) == (3, f"ecef: {path}: the file is empty (is it the right file?)\n")


def test_options_of_a_reader_come_from_the_command_line(ecef: Ecef, toy_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    path.write_text("who;2024\nA;hello\n", encoding="utf-8")
    chosen = ("--model", toy_run.folder, "--format", "jsonl")
    code, rows, _ = ecef("predict", path, "--option", "text=2024", "--option", "speaker=who", *chosen)
    assert code == 0
    assert [(row["speaker"], row["text"]) for row in rows] == [("A", "hello")]
    code, _, told = ecef("predict", path, *chosen)
    assert code == 3
    assert "calls.csv:1: no column named 'text'; found 'who', '2024' (pass --option text=COLUMN)" in told
    code, _, told = ecef("predict", path, "--from", "cvs", *chosen)
    assert code == 2
    assert "no transcript format is called 'cvs' (did you mean 'csv'?)" in told


def test_invalid_rows_of_a_transcript_count_against_the_tolerance(ecef: Ecef, toy_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    path.write_text("speaker,text\nA,hello\nB,go,away\n", encoding="utf-8")
    chosen = ("--model", toy_run.folder, "--format", "jsonl")
    code, _, told = ecef("predict", path, *chosen)
    assert (code, "calls.csv:3: the row has 3 values" in told) == (3, True)
    code, rows, told = ecef("predict", path, "--tolerate", "1", *chosen)
    assert (code, len(rows)) == (0, 1)
    assert "warning: left out: " in told


def test_tag_reads_a_transcript(ecef: Ecef, tmp_path: Path) -> None:
    path = tmp_path / "talk.txt"
    path.write_text("Ann: the dog barks\nBob: which dog?\n", encoding="utf-8")
    code, rows, _ = ecef("tag", path, "--format", "jsonl")
    assert code == 0
    assert ["dog", "dog"] in [row["words"] for row in rows]
    code, _, told = ecef("tag", path, "--from", "srt", "--from-option", "encoding=utf-9")
    assert code == 2
    assert "invalid option of the srt reader" in told


def test_prepare_makes_a_dataset_of_labelled_tasks(ecef: Ecef, tmp_path: Path) -> None:
    source = write(tmp_path, "labelstudio")
    rates = ("--option", "dev=0", "--option", "test=0")
    code, counts, _ = ecef("prepare", "transcripts", "--source", source, "--name", "ls", *rates, "--format", "jsonl")
    assert code == 0
    assert counts[0] | {"anger": 1, "joy": 1, "utterances": 3} == counts[0]
    assert [row.get("emotion") for row in manifest(tmp_path, "ls")] == ["joy", "anger", None]
    code, _, told = ecef("prepare", "transcripts", "--source", source, "--name", "ls", *rates)
    assert (code, "nothing to do" in told) == (0, True)


def test_prepare_reads_every_format_of_a_folder_and_passes_its_options_on(ecef: Ecef, tmp_path: Path) -> None:
    folder = tmp_path / "talks"
    folder.mkdir()
    write(folder, "labelstudio")
    (folder / "more.csv").write_text("said,speaker,emotion\nwell,A,joy\n", encoding="utf-8")
    (folder / "notes.docx").write_bytes(b"PK\x03\x04")
    rates = ("--option", "dev=0", "--option", "test=0")
    code, _, told = ecef("prepare", "transcripts", "--source", folder, "--name", "t", *rates)
    assert (code, "no column named 'text'; found 'said'" in told) == (3, True)
    options = ("--option", "format=csv", "--option", "text=said")
    code, _, _ = ecef("prepare", "transcripts", "--source", folder, "--name", "t", *rates, *options)
    assert code == 0
    assert [row["text"] for row in manifest(tmp_path, "t")] == ["well"]


def test_prepare_gives_rows_their_part_and_channel_of_a_recording(ecef: Ecef, tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    tone = np.sin(np.arange(5 * 8000) / 5)[:, None] * [0.3, 0.2]
    soundfile.write(tmp_path / "call.wav", tone, 8000)
    path = tmp_path / "call.csv"
    rows = "speaker,text,start,end,emotion\nann,hi,0.1,1.1,joy\nbob,go,1.3,3.3,anger\n"
    path.write_text(rows, encoding="utf-8")
    code, _, _ = ecef(
        *("prepare", "transcripts", "--source", path, "--name", "c", "--option", "dev=0", "--option", "test=0"),
        *("--option", f"recording={tmp_path / 'call.wav'}", "--option", "channels={ann: 2, bob: 1}"),
    )
    assert code == 0
    found = [(row["audio"], row["start"], row["end"], row["channel"]) for row in manifest(tmp_path, "c")]
    call = str(tmp_path / "call.wav")
    assert found == [(call, 0.1, 1.1, 2), (call, 1.3, 3.3, 1)]


def test_channels_that_have_no_effect_are_refused(ecef: Ecef, toy_run: Run, tmp_path: Path) -> None:
    path = write(tmp_path, "srt")
    chosen = ("--model", toy_run.folder, "--format", "jsonl")
    for option in (["--channel-per-speaker"], ["--channels", "BOB=left"]):
        code, rows, told = ecef("predict", path, *option, *chosen)
        assert (code, rows, len(told.splitlines())) == (2, [], 1)
        assert f"{option[0]} needs a recording" in told
    code, _, told = ecef("predict", path, "--channel-per-speaker", "--channels", "BOB=left", *chosen)
    assert (code, "--channel-per-speaker and --channels exclude each other" in told) == (2, True)


def test_prepare_names_its_own_options_for_channels(ecef: Ecef, tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    soundfile.write(tmp_path / "call.wav", np.random.default_rng(0).uniform(-0.1, 0.1, (40_000, 2)), 8000)
    path = tmp_path / "call.csv"
    path.write_text("speaker,text,start,end,emotion\nCALLER,hi,0.1,1.1,joy\nAGENT,go,1.3,3.3,anger\n", encoding="utf-8")
    start = ("prepare", "transcripts", "--source", path, "--name", "c", "--option", "dev=0", "--option", "test=0")
    sound = ("--option", f"recording={tmp_path / 'call.wav'}")
    code, _, told = ecef(*start, *sound, "--option", "channels={caller: 1, agnet: 2}")
    assert (code, "did you mean 'AGENT' by 'agnet' in --option channels?" in told) == (3, True)
    code, _, told = ecef(*start, "--option", "channels={caller: 1, agent: 2}")
    assert (code, "--option channels needs a recording" in told, "add --option recording=FILE" in told) == (
        2,
        True,
        True,
    )
    code, _, told = ecef(*start, *sound, "--option", "channels={caller: 1}", "--option", "channel_per_speaker=true")
    assert (code, "channel_per_speaker and channels exclude each other" in told) == (2, True)
    code, _, _ = ecef(*start, *sound, "--option", "channels={caller: 1, agent: 2}")
    assert code == 0
    assert [row["channel"] for row in manifest(tmp_path, "c")] == [1, 2]


def test_every_example_is_a_format_of_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "own-dialogues.md").read_text(encoding="utf-8")
    table = page.partition("## Formats")[2].partition("\n## ")[0]
    for file, _ in EXAMPLES.values():
        assert Path(file).suffix in table
