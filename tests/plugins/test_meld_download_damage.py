"""`ecef prepare meld --download` of a server or a disk that does harm: the whole right file in the end, or one line."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from meld_server import ARCHIVE, HALF, OTHER, after_tables, archives, serving
from prepared import Command
from web_server import Handler, WebServer, status

from ecef_cli.download import checksums

pytest_plugins = ["meld_fixtures"]

SUM = hashlib.sha256(ARCHIVE).hexdigest()
CHECKED = ("--option", f"archive_sha256={SUM}")


def dated(content: bytes, date: str, cut: int | None = None) -> Callable[[Handler], None]:
    return status(200, content[:cut], {"Last-Modified": date} if date else {}, stated=len(content))


def redirecting(handler: Handler) -> None:
    if handler.path == "/MELD.Raw.tar.gz":
        status(302, b"", {"Location": "/elsewhere/MELD.Raw.tar.gz"})(handler)
    else:
        serving()(handler)


def more_than_it_said(handler: Handler) -> None:
    named = {"ETag": '"v1"', "Content-Range": f"bytes {HALF}-{len(ARCHIVE) - 1}/{len(ARCHIVE)}"}
    status(206, ARCHIVE[HALF:] + b"and more", named)(handler)


TROUBLES: dict[str, list[Callable[[Handler], None]]] = {
    "sends more than it said": [serving(cut=HALF), more_than_it_said],
    "has a shorter file now": [serving(cut=HALF), status(416, b"", {"Content-Range": "bytes */10"})],
    "knows no range of it": [serving(cut=HALF), status(416)],
    "has another date": [dated(OTHER, "Mon, 01 Jan 2024 00:00:00 GMT", cut=HALF)],
    "tells neither tag nor date": [dated(OTHER, "", cut=HALF)],
    "has another size": [serving(OTHER, cut=HALF)],
    "redirects": [redirecting, redirecting],
}


@pytest.mark.parametrize("what", TROUBLES)
def test_the_right_file_comes_in_the_end_from_a_server_that(
    download: Command, server: WebServer, cache: Path, what: str
) -> None:
    after_tables(server, *TROUBLES[what])
    code, said = download(*CHECKED)
    assert code == 0, said
    [path] = cache.rglob("MELD.Raw.tar.gz")
    assert path.read_bytes() == ARCHIVE
    assert not list(cache.rglob("*.part*"))


@pytest.mark.parametrize("what", ["redirects in a circle", "redirects out of the web"])
def test_a_redirection_that_leads_nowhere_is_told(download: Command, server: WebServer, what: str) -> None:
    place = {"redirects in a circle": "/MELD.Raw.tar.gz", "redirects out of the web": "file:///etc/passwd"}[what]
    after_tables(server, *[status(302, b"", {"Location": place})] * 40)
    code, said = download()
    assert code == 1
    assert said.count("\n") == 1
    assert f"{server.address}/MELD.Raw.tar.gz " in said


def test_a_disk_that_is_full_midway_keeps_what_came(
    server: WebServer, download: Command, tmp_path: Path, cache: Path
) -> None:
    given = ("--option", f"tables={server.address}/data", "--option", f"archive={server.address}/MELD.Raw.tar.gz")
    command = [sys.executable, "-m", "ecef_cli", "--workspace", str(tmp_path / "work"), "prepare", "meld", "--download"]
    ended = subprocess.run(
        [*command, *given],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, HALF)),
    )
    assert ended.returncode == 1
    assert "MELD.Raw.tar.gz: cannot be written: File too large (free some space" in ended.stderr
    assert ended.stderr.count("\n") == 1
    [part] = cache.rglob("*.part")
    assert 0 < part.stat().st_size <= HALF
    code, said = download(*CHECKED)
    assert code == 0, said


def flipped(content: bytes) -> bytes:
    place = len(content) // 3
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


DAMAGES = {
    "cut off": lambda content: content[:-9],
    "emptied": lambda content: content[:0],
    "longer": lambda content: content + b"x",
    "a byte flipped": flipped,
}


@pytest.mark.parametrize("name", ["MELD.Raw.tar.gz", "dev_sent_emo.csv"])
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("dated", [True, False], ids=["as it was dated", "dated anew"])
def test_a_download_that_was_damaged_since_is_not_used(
    download: Command, server: WebServer, cache: Path, name: str, damage: str, dated: bool
) -> None:
    assert download()[0] == 0
    [path] = cache.rglob(name)
    before, whole = path.stat(), path.read_bytes()
    path.write_bytes(DAMAGES[damage](whole))
    if dated:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    for _ in range(2):
        code, said = download("--force")
        assert code == 3
        assert said.startswith(f"ecef: {path}: has changed since its download: its SHA-256 is ")
        assert said.endswith("(delete it, and run the command again to download it anew)\n")
        assert said.count("\n") == 1
    path.unlink()
    code, said = download()
    assert code == 0, said
    assert "nothing to do" in said
    assert path.read_bytes() == whole


def test_a_large_download_is_read_again_only_where_its_size_or_date_is_another(
    download: Command, server: WebServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "SMALL", 0)
    assert download()[0] == 0
    read: list[str] = []
    whole = checksums.sha256_of

    def counted(path: Path, *progress: Callable[[int, int | None], None]) -> str:
        read.append(path.name)
        return whole(path, *progress)

    monkeypatch.setattr(checksums, "sha256_of", counted)
    assert download()[0] == 0
    assert read == []
    [path] = cache.rglob("MELD.Raw.tar.gz")
    os.utime(path, (1, 1))
    for _ in range(2):  # the second time it is known by its new date
        code, said = download()
        assert code == 0, said
    assert read == ["MELD.Raw.tar.gz"]


def test_a_large_download_that_rots_unseen_is_refused_when_it_is_unpacked(
    download: Command, server: WebServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "SMALL", 0)
    assert download()[0] == 0
    [path] = cache.rglob("MELD.Raw.tar.gz")
    before = path.stat()
    path.write_bytes(flipped(ARCHIVE))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    code, said = download("--name", "again")
    assert code == 3
    assert "damaged" in said
    assert said.count("\n") == 1


def test_what_somebody_put_there_must_be_the_file_that_is_asked_for(
    download: Command, server: WebServer, cache: Path
) -> None:
    assert download()[0] == 0
    [path] = cache.rglob("MELD.Raw.tar.gz")
    [note] = cache.rglob("MELD.Raw.tar.gz.sum.json")
    for known in (note.read_text(), "{", None):
        note.unlink() if known is None else note.write_text(known)
        code, said = download("--option", f"archive_sha256={'f' * 64}")
        assert code == 3
        assert said.startswith(f"ecef: {path}: is not the expected file: its SHA-256 is {SUM}, not {'f' * 64} (")
        code, said = download(*CHECKED)
        assert code == 0, said
    assert len(archives(server)) == 1
    path.write_bytes(flipped(ARCHIVE))  # nobody knows its checksum but the note
    code, said = download()
    assert code == 3
    assert "has changed since its download" in said
