"""MELD as it is published, small, and what prepares it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from meld_archive import raw, write
from meld_server import serving
from meld_small import CLIPS, TABLES
from prepared import Command
from web_server import WebServer

from ecef_cli.cli.main import run as run_cli
from ecef_cli.download import web
from ecef_datasets import clip_pool, clips


@pytest.fixture
def prepare_meld(work: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return what runs `prepare meld` and returns the exit code and what was said on stderr."""

    def run(*arguments: object) -> tuple[int, str]:
        code = run_cli(["--workspace", str(work), "prepare", "meld", *map(str, arguments)])
        return code, capsys.readouterr().err

    return run


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write(tmp_path / "MELD.Raw.tar.gz", raw(TABLES, CLIPS))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were made, in the order in which they were begun."""
    made: list[str] = []
    convert = clips.convert

    def counted(sound: bytes | Path, target: Path, note: str) -> None:
        made.append(f"{target.parent.name}/{target.name}")
        convert(sound, target, note)

    monkeypatch.setattr(clip_pool, "convert", counted)
    return made


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where downloads go; a server's troubles are not waited for."""
    for name in ("ECEF_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("ECEF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(web, "LIMITS", web.RequestLimits(sleep=lambda _: None))
    return tmp_path / "cache"


@pytest.fixture
def server(cache: Path) -> Iterator[WebServer]:
    """A server that has MELD."""
    found = WebServer()
    found.reply = serving()
    yield found
    found.stop()


@pytest.fixture
def download(server: WebServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return what runs `prepare meld --download` from the server."""

    def run(*arguments: str) -> tuple[int, str]:
        given = ("--option", f"tables={server.address}/data", "--option", f"archive={server.address}/MELD.Raw.tar.gz")
        code = run_cli(["--workspace", str(tmp_path / "work"), "prepare", "meld", "--download", *given, *arguments])
        return code, capsys.readouterr().err

    return run
