"""What goes to stdout and to stderr, and how."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from typing import Any

import pytest

from ecef_cli import console

ROWS: list[dict[str, Any]] = [
    {"name": "a", "tasks": ("erc", "epc"), "score": 0.5, "note": "x,y"},
    {"name": "東", "tasks": (), "score": None, "note": "😀"},
]


def test_json_lines_hold_one_row_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    console.records(ROWS, wanted=None)
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["a", "東"]
    assert json.loads(lines[0])["tasks"] == ["erc", "epc"]


def test_json_is_one_list(capsys: pytest.CaptureFixture[str]) -> None:
    console.records(ROWS, wanted="json")
    assert [row["note"] for row in json.loads(capsys.readouterr().out)] == ["x,y", "😀"]


def test_csv_is_read_back_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    console.records(ROWS, wanted="csv", columns=("name", "tasks", "note"))
    out = capsys.readouterr().out
    assert "\r" not in out
    assert list(csv.reader(io.StringIO(out))) == [
        ["name", "tasks", "note"],
        ["a", "erc, epc", "x,y"],
        ["東", "", "😀"],
    ]


def test_a_table_shows_headers_and_lists_without_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    console.records(ROWS, wanted="table", columns=("name", "tasks", "score"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "tasks", "score"]
    assert lines[2].split() == ["a", "erc,", "epc", "0.50"]


@pytest.mark.parametrize(("form", "text"), [("jsonl", ""), ("json", "[]\n"), ("csv", "name\n")])
def test_no_rows_are_still_well_formed(capsys: pytest.CaptureFixture[str], form: str, text: str) -> None:
    console.records([], wanted=form, columns=("name",))
    assert capsys.readouterr().out == text


def test_notes_and_progress_stay_off_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    console.warn("careful")
    with console.Progress(3, "reading", "row") as bar:
        bar.advance(3)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "warning: careful\n"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of the clock by which progress is told, seconds."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_of_progress_a_minute(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with console.Progress(13_708, "extract meld", "windows") as bar:
        for _ in range(5):
            clock[0] += 25
            bar.advance(1_024)
        clock[0] += 600
        bar.advance(13_708 - 5 * 1_024)
    assert capsys.readouterr() == ("", "extract meld: 3,072 of 13,708 windows\n")
    with console.Progress(None, "download", "bytes") as bar:
        bar.reach(5, None)
        clock[0] += 60
        bar.reach(7_000, None)
        clock[0] += 60
        bar.reach(8_000, 9_000)
    assert capsys.readouterr().err == "download: 7,000 bytes\ndownload: 8,000 of 9,000 bytes\n"


def test_work_of_less_than_a_minute_leaves_nothing_in_a_log(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    with console.Progress(100, "reading", "rows") as bar:
        for _ in range(59):
            clock[0] += 1
            bar.advance()
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_the_bar_alone(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with console.Progress(10, "reading", "rows") as bar:
        clock[0] += 600
        bar.advance()
    assert "reading: 1 of 10" not in terminal.getvalue()


def test_of_several_processes_the_main_one_alone_tells_of_progress(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("RANK", "1")
    with console.Progress(10, "reading", "rows") as bar:
        clock[0] += 600
        bar.advance()
    assert capsys.readouterr().err == ""


HOSTILE = "a\x1b]0;title\x07\x9b2J\u202eb\u2066c\x7f\r"


def test_no_character_that_a_terminal_obeys_gets_out(capsys: pytest.CaptureFixture[str]) -> None:
    console.note(HOSTILE)
    console.data(console.table([[HOSTILE]], ["x"]))
    console.data(json.dumps({"x": HOSTILE}, ensure_ascii=False))
    captured = capsys.readouterr()
    for text in captured:
        assert not [c for c in text if c != "\n" and (not c.isprintable() or ord(c) in console.DIRECTIONS)]
    assert json.loads(captured.out.splitlines()[-1]) == {"x": HOSTILE}, "nothing of the data is lost"
