"""MELD as it is published, small, and what prepares it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from meld_archive import raw, write
from meld_small import CLIPS, TABLES

from ecef_cli.cli import _run
from ecef_datasets import clip_pool


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def prepare(work: Path, capsys) -> Callable[..., tuple[int, str]]:
    """Return what runs `prepare meld` and returns the exit code and what was said on stderr."""

    def run(*arguments: object) -> tuple[int, str]:
        code = _run(["--workspace", str(work), "prepare", "meld", *map(str, arguments)])
        return code, capsys.readouterr().err

    return run


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write(tmp_path / "MELD.Raw.tar.gz", raw(TABLES, CLIPS))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were made, in the order in which they were begun."""
    made: list[str] = []
    convert = clip_pool.convert

    def counted(sound: bytes | Path, target: Path, note: str) -> None:
        made.append(f"{target.parent.name}/{target.name}")
        convert(sound, target, note)

    monkeypatch.setattr(clip_pool, "convert", counted)
    return made
