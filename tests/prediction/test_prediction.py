"""Predicting: rows in, rows out, at once, each distinct window encoded once, memory flat."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from narrow import instance, present
from prepared import RunEcef

from ecef_cli.api.components import TextFeatures, TextWindow
from ecef_cli.api.dialogue import Utterance, read_utterances
from ecef_cli.api.errors import DataError
from ecef_cli.console import shortened, table
from ecef_cli.corpus.tolerance import RowCount, Tolerance
from ecef_cli.prediction import stream
from ecef_cli.prediction.outcomes import Predicted, Rejected
from ecef_cli.prediction.predictor import Predictor
from ecef_cli.prediction.stream import Windows, as_it_comes, predictions

if TYPE_CHECKING:
    from pathlib import Path

    from ecef_cli.runs.run import Run


@pytest.fixture(scope="module")
def predictor(toy_run: Run) -> Predictor:
    return Predictor(toy_run, device="cpu")


def lines(*rows: object) -> list[bytes]:
    return [(row if isinstance(row, str) else json.dumps(row)).encode() + b"\n" for row in rows]


def predicted(predictor: Predictor, *rows: object, tolerate: str = "0") -> list[dict[str, Any]]:
    utterances = read_utterances(lines(*rows), name="talk.jsonl", dialogue="talk")
    items = predictions(predictor, utterances, RowCount(Tolerance.parse(tolerate), "talk.jsonl"))
    return [dict(item.row) for item in items if isinstance(item, Predicted)]


HAPPY = {"speaker": "A", "text": "I am so happy!", "mood": [1, {"x": None}]}
ANGRY = {"speaker": "B", "text": "Get out of my house!"}


def test_rows_come_out_with_both_answers_and_all_their_keys(predictor: Predictor) -> None:
    found = predicted(predictor, HAPPY, ANGRY)
    assert [{k: row[k] for k in HAPPY if k in row} for row in found] == [HAPPY, ANGRY]
    assert [row["prediction"]["emotion"] for row in found] == ["joy", "anger"]
    for row in found:
        for key in ("prediction", "forecast"):
            probabilities = row[key]["probabilities"]
            assert set(probabilities) == {"joy", "anger", "neutral"}
            assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
            assert row[key]["emotion"] == max(probabilities, key=probabilities.get)


def test_dialogues_that_are_interleaved_do_not_mix(predictor: Predictor) -> None:
    one, two = ({**row, "dialogue": "one"} for row in (HAPPY, ANGRY))
    other = {"speaker": "C", "text": "Great, we won!", "dialogue": "two"}
    apart = predicted(predictor, one, two)
    mixed = predicted(predictor, one, other, two)
    for before, after in zip(apart, (mixed[0], mixed[2]), strict=True):
        for label, value in before["forecast"]["probabilities"].items():
            assert after["forecast"]["probabilities"][label] == pytest.approx(value, abs=1e-5)


def test_each_distinct_window_is_encoded_once(toy_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = Predictor(toy_run, device="cpu")
    counted: list[TextWindow] = []
    original = present(fresh._encoder).encode

    def counting(windows: Sequence[TextWindow]) -> list[TextFeatures]:
        counted.extend(windows)
        return original(windows)

    monkeypatch.setattr(fresh._encoder, "encode", counting)
    found = predicted(fresh, *[{**HAPPY, "dialogue": f"d{n}"} for n in range(50)])
    assert len(counted) == 1
    assert len({json.dumps(row["prediction"]) for row in found}) == 1


def test_the_rows_before_a_broken_one_come_out(predictor: Predictor) -> None:
    utterances = read_utterances(lines(HAPPY, ANGRY, "{broken", HAPPY), name="talk.jsonl", dialogue="talk")
    rows = predictions(predictor, utterances, RowCount(Tolerance.parse("0"), "talk.jsonl"))
    assert [instance(Predicted, next(rows)).row["speaker"] for _ in range(2)] == ["A", "B"]
    with pytest.raises(DataError, match=r"talk\.jsonl:3: not JSON"):
        next(rows)


def test_broken_rows_within_the_tolerance_are_left_out(
    predictor: Predictor, capsys: pytest.CaptureFixture[str]
) -> None:
    found = predicted(predictor, HAPPY, "{broken", ANGRY, tolerate="1")
    assert [row["speaker"] for row in found] == ["A", "B"]
    assert "warning: left out: talk.jsonl:2: not JSON" in capsys.readouterr().err
    with pytest.raises(DataError, match="2 of 3 rows are invalid"):
        predicted(predictor, HAPPY, "{broken", "[]", tolerate="1")
    with pytest.raises(DataError, match="1 of 2 rows are invalid"):
        predicted(predictor, HAPPY, "{broken", tolerate="10%")


def test_rejected_rows_stand_between_the_predicted_ones(predictor: Predictor) -> None:
    utterances = list(read_utterances(lines(HAPPY, "{broken", ANGRY, "[]"), name="talk.jsonl", dialogue="talk"))
    items = list(predictions(predictor, utterances, RowCount(Tolerance.parse("2"), "talk.jsonl")))
    assert [type(item) for item in items] == [Predicted, Rejected, Predicted, Rejected]
    assert [instance(Predicted, item).utterance for item in items[::2]] == utterances[::2]
    assert [item.problem for item in items] == [None, utterances[1], None, utterances[3]]


def test_nothing_to_read_is_an_error(predictor: Predictor) -> None:
    with pytest.raises(DataError, match=r"talk\.jsonl: the file contains no utterance"):
        predicted(predictor)


def test_windows_forget_what_is_older_than_the_history_and_dialogues_long_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream, "OPEN_DIALOGUES", 2)
    windows = Windows(3)
    for n in range(5):
        window = windows.ending_at(Utterance(str(n), "A", "one", n))
    assert [u.text for u in window] == ["2", "3", "4"]
    for name in ("two", "three"):
        windows.ending_at(Utterance("x", "A", name, 0))
    assert len(windows.ending_at(Utterance("x", "A", "one", 5))) == 1


def test_a_slow_source_is_answered_at_once_and_a_fast_one_in_batches() -> None:
    gate = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        gate.wait(10)
        yield from range(2, 100)

    batches = as_it_comes(source(), 16)
    assert next(batches) == [1]
    gate.set()
    time.sleep(0.2)
    rest = list(batches)
    assert [n for batch in rest for n in batch] == list(range(2, 100))
    assert max(map(len, rest)) == 16


def test_what_the_source_raises_comes_after_what_it_gave() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    batches = as_it_comes(source(), 4)
    assert next(batches) == [1]
    with pytest.raises(OSError, match="gone"):
        next(batches)


def test_reading_ahead_is_bounded() -> None:
    taken: list[int] = []

    def source() -> Iterator[int]:
        for n in range(10_000):
            taken.append(n)
            yield n

    batches = as_it_comes(source(), 8)
    next(batches)
    time.sleep(0.3)
    assert len(taken) < 100
    assert isinstance(batches, Generator)
    batches.close()


def test_a_line_in_is_a_line_out(toy_run: Run) -> None:
    arguments = [
        sys.executable,
        "-m",
        "ecef_cli",
        "predict",
        "-",
        "--model",
        str(toy_run.folder),
        "--device",
        "cpu",
    ]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    stdin, stdout = present(process.stdin), present(process.stdout)
    try:
        for row in (HAPPY, ANGRY):
            stdin.write(json.dumps(row) + "\n")
            stdin.flush()
            answered = json.loads(stdout.readline())  # would hang if answers waited for the end
            assert answered["text"] == row["text"]
        stdin.close()
        assert stdout.read() == ""
        assert process.wait(60) == 0
    finally:
        process.kill()
        stdout.close()


def test_a_file_gives_the_same_answers_as_a_pipe(toy_run: Run, tmp_path: Path, run_ecef: RunEcef) -> None:
    path = tmp_path / "talk.jsonl"
    path.write_bytes(b"".join(lines(HAPPY, ANGRY, HAPPY)))
    from_file = run_ecef("predict", path, "--model", toy_run.folder, "--device", "cpu")
    base = [sys.executable, "-m", "ecef_cli", "predict", "--model", str(toy_run.folder), "--device", "cpu"]
    from_pipe = subprocess.run([*base, "-"], input=path.read_bytes(), capture_output=True, check=True).stdout
    for one, other in zip(from_file.rows, map(json.loads, from_pipe.splitlines()), strict=True):
        assert one["prediction"]["probabilities"] == pytest.approx(other["prediction"]["probabilities"], abs=1e-5)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT between processes")
def test_an_interrupt_while_waiting_for_a_line_ends_with_130(toy_run: Run) -> None:
    arguments = ["predict", "-", "--model", str(toy_run.folder), "--device", "cpu"]
    # A shell that starts the tests in the background has them ignore the signal.
    code = (
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"from ecef_cli.cli.main import main\nmain({arguments!r})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    stdin, stdout, stderr = present(process.stdin), present(process.stdout), present(process.stderr)
    with process:
        try:
            stdin.write(json.dumps(HAPPY) + "\n")
            stdin.flush()
            assert json.loads(stdout.readline())["text"] == HAPPY["text"]
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
            assert stderr.read().strip() == "ecef: interrupted"
        finally:
            process.kill()


def test_a_table_shows_control_characters_and_cuts_endless_words() -> None:
    shown = table([["\x1b[2J", shortened("y" * 5000)]], ["speaker", "text"], widths=[16, 60])
    assert "\x1b" not in shown
    assert "\u241b[2J" in shown
    assert shown.count("y") == 240


def test_an_error_in_the_first_row_comes_before_the_model_is_loaded(
    tmp_path: Path, run_ecef: RunEcef, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the model is loaded")

    monkeypatch.setattr("ecef_cli.cli.predict._load", fail)
    (tmp_path / "talk.jsonl").write_text('{"text": "hello"}\n', encoding="utf-8")
    done = run_ecef("predict", tmp_path / "talk.jsonl")
    assert (done.code, done.out) == (3, "")
    assert "talk.jsonl:1: the key 'speaker' is missing" in done.err
    assert "the model is loaded" in run_ecef("predict", tmp_path / "talk.jsonl", "--tolerate", "1").err
