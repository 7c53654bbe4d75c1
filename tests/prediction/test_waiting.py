"""A terminal shows that the model is being loaded; a log does not."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from ecef_cli import console

if TYPE_CHECKING:
    from pathlib import Path

    from ecef_cli.runs.run import Run

# Show the line at once: how long loading takes differs between machines.
AT_ONCE = (
    "import sys; from ecef_cli import console; from ecef_cli.cli.main import main; "
    "console._SLOW = 0.0; main(sys.argv[1:])"
)
LINE = "loading the model …"
ERASED = f"\r{' ' * len(LINE)}\r"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "talk.jsonl"
    file.write_text(json.dumps({"speaker": "A", "text": "I am so happy!"}) + "\n")
    return file


def predict_on_a_terminal(file: Path, model: Path) -> tuple[str, str, int]:
    """Return stdout, what the terminal behind stderr received, and the exit code."""
    pytest.importorskip("pty")
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", AT_ONCE, "predict", str(file), "--model", str(model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        printed, _ = process.communicate()
    received = b""
    try:
        while part := os.read(ours, 4096):
            received += part
    except OSError:  # Linux reports the closed end this way
        pass
    os.close(ours)
    return printed.decode(), received.decode(), process.returncode


def test_a_terminal_shows_that_the_model_is_loaded_and_erases_it(rows: Path, toy_run: Run) -> None:
    printed, received, code = predict_on_a_terminal(rows, toy_run.folder)
    assert (received, code) == (LINE + ERASED, 0)
    assert json.loads(printed)["prediction"]["emotion"] == "joy"


def test_an_error_follows_the_erased_line(rows: Path, tmp_path: Path) -> None:
    printed, received, code = predict_on_a_terminal(rows, tmp_path / "missing")
    assert (printed, code) == ("", 3)
    assert received.startswith(f"{LINE}{ERASED}ecef: ")
    assert "no run in this folder" in received


def test_a_log_gets_no_such_line(rows: Path, toy_run: Run) -> None:
    command = [sys.executable, "-c", AT_ONCE, "predict", str(rows), "--model", str(toy_run.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""


class Terminal(io.StringIO):
    """A terminal that tells when something is written on it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        done = super().write(text)
        self.written.set()
        return done


def test_a_message_erases_the_line_first(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(console, "_SLOW", 0.0)
    with console.waiting(LINE):
        assert terminal.written.wait(60)
        console.warn("careful")
    assert terminal.getvalue() == f"{LINE}{ERASED}warning: careful\n"


def test_short_work_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(console, "_SLOW", 3600.0)
    with console.waiting(LINE):
        pass
    assert terminal.getvalue() == ""
