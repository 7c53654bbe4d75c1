"""Answers in other formats than JSON Lines, and the summary of a conversation."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from prepared import RunEcef

from ecef_cli.api.dialogue import Utterance
from ecef_cli.api.errors import DataError
from ecef_cli.prediction.outcomes import Predicted
from ecef_cli.reports.answers import WRITERS, flat, write_answers
from ecef_cli.reports.mood import moods
from ecef_cli.runs.run import Run
from ecef_cli.transcripts.opening import read_transcript


def answer(emotion: str, probability: float = 0.8) -> dict[str, Any]:
    other = {"joy": "anger", "anger": "joy"}[emotion]
    return {"emotion": emotion, "probabilities": {emotion: probability, other: round(1 - probability, 2)}}


ROWS: list[dict[str, Any]] = [
    {"speaker": "ANN", "text": 'He said "no" & <left>', "start": 0.5, "end": 2, "prediction": answer("anger")},
    {"speaker": "BEN", "text": "two\n\nlines", "start": 2.25, "end": 61.0015, "prediction": answer("joy"), "note": "x"},
    {"speaker": "ANN", "text": "", "start": 61.5, "end": 3700, "prediction": answer("joy", 0.5), "tags": ["a", "b"]},
]


@pytest.mark.parametrize("name", ["a.srt", "a.vtt", "a.TextGrid", "a.eaf", "a.jsonl"])
def test_what_is_written_is_read_back_with_its_times(tmp_path: Path, name: str) -> None:
    write_answers(tmp_path / name, ROWS[:2])
    (dialogue,) = read_transcript(tmp_path / name)
    found = [u for u in dialogue.utterances if "emotion" not in u.speaker]
    assert [u.speaker for u in found] == ["ANN", "BEN"]
    assert [(u.start, u.end) for u in found] == [(0.5, 2), (2.25, pytest.approx(61.0015, abs=1e-3))]
    prefix = ["[anger] ", "[joy] "] if name in {"a.srt", "a.vtt"} else ["", ""]
    assert [" ".join(u.text.split()) for u in found] == [f'{prefix[0]}He said "no" & <left>', f"{prefix[1]}two lines"]


def test_tiers_have_the_emotions(tmp_path: Path) -> None:
    for name in ("a.TextGrid", "a.eaf"):
        write_answers(tmp_path / name, ROWS)
        (dialogue,) = read_transcript(tmp_path / name)
        felt = [(u.speaker, u.text) for u in dialogue.utterances if u.speaker.endswith(" emotion")]
        assert felt == [("ANN emotion", "anger"), ("BEN emotion", "joy"), ("ANN emotion", "joy")]


def test_a_table_has_a_column_for_each_probability(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    for name, delimiter in (("a.csv", ","), ("a.tsv", "\t")):
        write_answers(tmp_path / name, ROWS)
        with (tmp_path / name).open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter=delimiter))
        assert [row["text"] for row in rows] == [row["text"] for row in ROWS]
        assert [(row["prediction"], row["prediction_joy"]) for row in rows] == [
            ("anger", "0.2"),
            ("joy", "0.8"),
            ("joy", "0.5"),
        ]
        assert [row["note"] for row in rows] == ["", "x", ""]
        assert json.loads(rows[2]["tags"]) == ["a", "b"]
    write_answers(tmp_path / "a.parquet", ROWS)
    table = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert [{key: value for key, value in row.items() if value is not None} for row in table] == [*map(flat, ROWS)]


@pytest.mark.parametrize("suffix", [".srt", ".vtt", ".TextGrid", ".eaf"])
def test_rows_without_times_are_refused_and_the_old_file_stays(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text("old")
    with pytest.raises(DataError, match="row 1 has no 'start' and 'end'"):
        write_answers(path, [{"speaker": "Ann", "text": "Hi", "prediction": answer("joy")}])
    assert path.read_text() == "old"


def test_a_textgrid_cannot_hold_a_speaker_who_overlaps_with_himself(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "end": 3}, {**ROWS[0], "start": 2}]
    with pytest.raises(DataError, match="two utterances of ANN overlap at 2 s"):
        write_answers(tmp_path / "a.textgrid", rows)
    write_answers(tmp_path / "a.eaf", rows)


def test_a_summary_counts_emotions_and_sure_changes() -> None:
    felt = [
        ("Ann", "anger", 0.8),
        ("Ben", "joy", 0.9),
        ("Ann", "joy", 0.4),
        ("Ann", "anger", 0.7),
        ("Ben", "anger", 0.6),
    ]
    items = [
        Predicted(Utterance("x", speaker, "d", n), {"prediction": answer(emotion, p)})
        for n, (speaker, emotion, p) in enumerate(felt, start=1)
    ]
    whole, ann, ben = [mood.as_dict() for mood in moods(items)]
    assert (whole["speaker"], whole["utterances"], whole["shares"]) == (None, 5, {"anger": 0.6, "joy": 0.4})
    assert ann["turning_points"] == [], "the model was not sure of the joy between"
    assert ben["turning_points"] == whole["turning_points"] == [{"utterance": 5, "from": "joy", "to": "anger"}]


def test_predict_writes_a_file_or_a_summary_instead_of_the_rows(
    toy_run: Run, tmp_path: Path, run_ecef: RunEcef
) -> None:
    talk = tmp_path / "talk.jsonl"
    talk.write_text('{"speaker": "Ann", "text": "hello"}\n{"speaker": "Ben", "text": "go"}\n', encoding="utf-8")
    base = ("predict", talk, "--model", toy_run.folder, "--device", "cpu")
    done = run_ecef(*base, "--output", tmp_path / "out.csv", "--summary")
    assert done.code == 0, done.err
    assert f"output: {tmp_path / 'out.csv'}" in done.err
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3
    assert [json.loads(line)["speaker"] for line in done.out.splitlines()] == [None, "Ann", "Ben"]
    assert "hello" not in run_ecef(*base, "--summary", "--format", "table").out
    refused = run_ecef(*base, "--output", tmp_path / "out.docx")
    assert refused.code == 2
    assert ", ".join(WRITERS) in refused.err
    assert run_ecef(*base, "--output", talk).code == 2
