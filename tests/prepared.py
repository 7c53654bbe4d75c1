"""`ecef` and `ecef prepare` as tests run them, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ecef_cli.cli.main import run as run_cli

READER = """
from ecef_cli.api import hookimpl

@hookimpl
def ecef_register_datasets(register):
    register("calls", "calls_at_test:Calls")
"""
"""A plugin whose reader `calls` is the class `Calls` of a module `calls_at_test`, which a test writes."""


@dataclass(frozen=True)
class Outcome:
    """What a command ended with, printed and said."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Prepare = Callable[..., Outcome]
RunEcef = Callable[..., Outcome]

Command = Callable[..., tuple[int, str]]
"""Run a command with further arguments; return its exit code and stderr."""


@pytest.fixture
def run_ecef(capsys: pytest.CaptureFixture[str]) -> RunEcef:
    """Run a command line in this process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        return Outcome(run_cli(list(map(str, arguments))), *capsys.readouterr())

    return run


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def prepare(work: Path, run_ecef: RunEcef) -> Prepare:
    """Run `ecef prepare` in the test's workspace."""
    return partial(run_ecef, "--workspace", work, "prepare")


def write_dialogue(folder: Path, split: str, rows: Iterable[Mapping[str, object]]) -> Path:
    """Write the rows of one dialogue, called like its split, by one speaker where they name none."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{split}.jsonl"
    lines = "".join(json.dumps({"dialogue": split, "speaker": "A", **row}) + "\n" for row in rows)
    path.write_text(lines, encoding="utf-8")
    return path


def facts(work: Path, name: str = "jsonl") -> dict[str, Any]:
    """Return what `dataset.json` says."""
    found: dict[str, Any] = json.loads((work / name / "dataset.json").read_text(encoding="utf-8"))
    return found
