"""`ecef prepare meld --download`, from a server on this machine: the whole right file, or one clear line."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from meld_server import ARCHIVE, HALF, OTHER, after_tables, archives, serving
from prepared import Command
from web_server import Handler, WebServer, drip, hang_up, status

from ecef_cli.cli.main import run
from ecef_cli.corpus.manifest import load_prepared
from ecef_cli.download import web
from ecef_cli.workspace import Workspace
from ecef_datasets import meld_download
from ecef_datasets.meld import FILES

pytest_plugins = ["meld_fixtures"]

Reply = Callable[[Handler], None]

pytestmark = pytest.mark.usefixtures("cache")


def heard(tmp_path: Path) -> int:
    prepared = load_prepared(Workspace(tmp_path / "work"), "meld")
    return sum(u.audio is not None for dialogues in prepared.splits.values() for d in dialogues for u in d.utterances)


def test_the_corpus_is_downloaded_and_prepared(download: Command, server: WebServer, tmp_path: Path) -> None:
    code, said = download()
    assert code == 0, said
    assert heard(tmp_path) == 6
    assert server.paths() == [*(f"/data/{name}" for name in FILES.values()), "/MELD.Raw.tar.gz"]
    code, said = download()
    assert code == 0, said
    assert "nothing to do" in said
    assert len(server.asked) == 4


def test_the_tables_can_be_had_without_the_recordings(download: Command, server: WebServer, tmp_path: Path) -> None:
    code, said = download("--option", "recordings=false")
    assert code == 0, said
    assert heard(tmp_path) == 0
    assert archives(server) == []


@pytest.mark.parametrize(
    ("first", "then", "ranges"),
    [
        (serving(cut=HALF), serving(), [None, f"bytes={HALF}-"]),
        (serving(cut=HALF), serving(ranges=False), [None, f"bytes={HALF}-"]),
        (hang_up, serving(), [None, None]),
        (status(503), serving(), [None, None]),
    ],
    ids=["cut", "no ranges", "hangs up", "busy"],
)
def test_a_server_with_troubles_gives_the_whole_file_in_the_end(
    download: Command, server: WebServer, tmp_path: Path, first: Reply, then: Reply, ranges: list[str | None]
) -> None:
    after_tables(server, first)
    server.reply = then
    code, said = download("--option", f"archive_sha256={hashlib.sha256(ARCHIVE).hexdigest()}")
    assert code == 0, said
    assert archives(server) == ranges
    assert heard(tmp_path) == 6


@pytest.mark.parametrize("conditions", [True, False], ids=["heeds If-Range", "ignores If-Range"])
def test_a_file_that_changes_midway_is_downloaded_anew(download: Command, server: WebServer, conditions: bool) -> None:
    after_tables(server, serving(cut=HALF))
    server.reply = serving(OTHER, tag='"v2"', conditions=conditions)
    code, said = download("--option", f"archive_sha256={hashlib.sha256(OTHER).hexdigest()}")
    assert code == 0, said


def test_another_run_goes_on_where_one_ended(download: Command, server: WebServer, tmp_path: Path) -> None:
    after_tables(server, serving(cut=HALF), *[hang_up] * 5)
    code, said = download()
    assert code == 1
    assert said.count("\n") == 1
    assert "/MELD.Raw.tar.gz cuts the connection, 5 times (run the command again to resume" in said
    code, said = download()
    assert code == 0, said
    assert archives(server)[-1] == f"bytes={HALF}-"
    assert heard(tmp_path) == 6


def test_a_file_that_is_not_there_is_told(download: Command, server: WebServer) -> None:
    after_tables(server, status(404))
    code, said = download()
    assert code == 1
    assert f"{server.address}/MELD.Raw.tar.gz answers 404 Not Found (check the address)" in said
    assert said.count("\n") == 1


def test_a_wrong_checksum_is_told_and_the_file_put_aside(download: Command, server: WebServer, cache: Path) -> None:
    code, said = download("--option", f"archive_sha256={'f' * 64}")
    assert code == 3
    assert said.count("\n") == 1
    assert f"its SHA-256 is {hashlib.sha256(ARCHIVE).hexdigest()}, not {'f' * 64}" in said
    (refused,) = cache.rglob("*.refused")
    assert refused.read_bytes() == ARCHIVE
    code, said = download("--option", f"archive_sha256={hashlib.sha256(ARCHIVE).hexdigest()}")
    assert code == 0, said
    assert archives(server) == [None, None]


def test_a_server_that_never_ends_is_left(
    download: Command, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "LIMITS", web.RequestLimits(tries=2, reply=0.2, sleep=lambda _: None))
    after_tables(server, drip("body"), drip("body"))
    code, said = download()
    assert code == 1
    assert "does not answer in time" in said
    assert said.count("\n") == 1


def test_a_disk_that_is_too_small_is_told_before_the_download(
    download: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    code, said = download()
    assert code == 1
    assert "has 1 MiB free, but the download needs 64 MiB (free some space" in said


def test_what_is_no_archive_is_told(download: Command, server: WebServer, cache: Path) -> None:
    server.reply = serving(b"<html>Log in</html>")
    code, said = download()
    assert code == 3
    assert "is not a tar archive, or is damaged" in said


def test_offline_nothing_is_asked_for(download: Command, server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECEF_OFFLINE", "1")
    code, said = download()
    assert code == 1
    assert "offline, and" in said
    assert server.asked == []


@pytest.fixture
def public(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Two addresses that stand for the public ones, whose checksum is that of the archive."""
    found = (f"{server.address}/first/MELD.Raw.tar.gz", f"{server.address}/second/MELD.Raw.tar.gz")
    monkeypatch.setattr(meld_download, "ARCHIVES", found)
    monkeypatch.setattr(meld_download, "ARCHIVE_SUM", hashlib.sha256(ARCHIVE).hexdigest())
    return found


def ask(server: WebServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    given = ("--option", f"tables={server.address}/data")
    code = run(["--workspace", str(tmp_path / "work"), "prepare", "meld", "--download", *given])
    return code, capsys.readouterr().err


def test_where_the_first_public_address_fails_the_second_is_asked(
    server: WebServer, public: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after_tables(server, status(404))
    code, said = ask(server, tmp_path, capsys)
    assert code == 0, said
    assert f"answers 404 Not Found; trying {public[1]}" in said
    assert server.paths()[-2:] == ["/first/MELD.Raw.tar.gz", "/second/MELD.Raw.tar.gz"]


def test_what_one_public_address_began_is_not_thrown_away(
    server: WebServer, public: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after_tables(server, status(404), serving(cut=HALF), *[hang_up] * 5)
    assert ask(server, tmp_path, capsys)[0] == 1
    code, said = ask(server, tmp_path, capsys)
    assert code == 0, said
    assert server.asked[-1] == "/second/MELD.Raw.tar.gz"
    assert archives(server)[-1] == f"bytes={HALF}-"


def test_the_known_checksums_are_those_of_the_tables_at_hand(shared_data: Path) -> None:
    for name, known in meld_download.TABLE_SUMS.items():
        assert hashlib.sha256((shared_data / "meld" / name).read_bytes()).hexdigest() == known


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("archive=ftp://x/y", "archive"),
        ("tables=nowhere", "tables"),
        ("archive_sha256=abc", "archive_sha256"),
        ("archives=http://x/y", "did you mean 'archive'?"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, problem: str
) -> None:
    code = run(["--workspace", str(tmp_path / "work"), "prepare", "meld", "--download", "--option", option])
    assert code == 2
    assert problem in capsys.readouterr().err


def test_a_corpus_without_a_download_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--workspace", str(tmp_path / "work"), "prepare", "jsonl", "--download"]) == 2
    assert "this corpus cannot be downloaded (give its files with --source)" in capsys.readouterr().err


def test_nothing_to_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--workspace", str(tmp_path / "work"), "prepare", "meld"]) == 2
    assert "no source given (pass --source, or --download" in capsys.readouterr().err
