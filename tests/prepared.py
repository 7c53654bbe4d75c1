"""`ecef prepare` as tests run it, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
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

Command = Callable[..., tuple[int, str]]
"""Run a command with further arguments; return its exit code and stderr."""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def prepare(work: Path, capsys: pytest.CaptureFixture[str]) -> Prepare:
    """Run `ecef prepare` in the test's workspace."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = run_cli(["--workspace", str(work), "prepare", *map(str, arguments)])
        return Outcome(code, *capsys.readouterr())

    return run


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
