"""Downloads with resume, from a server on this machine."""

from __future__ import annotations

import gzip
import json
import random
import re
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock
from web_server import HTML, Handler, Time, WebServer, drip, hang_up, status

from ecef_cli.api.errors import EcefError
from ecef_cli.download import files
from ecef_cli.download.files import download_file
from ecef_cli.download.web import RequestLimits

# It cannot be compressed, so that its size is what it says.
DUMP = gzip.compress(random.Random(5).randbytes(3_000_000), mtime=0)
OTHER = gzip.compress(random.Random(6).randbytes(3_500_000), mtime=0)
HALF = len(DUMP) // 2


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ECEF_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[WebServer]:
    found = WebServer()
    found.reply = serving(DUMP)
    yield found
    found.stop()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "dump.csv.gz"


def serving(
    content: bytes,
    *,
    tag: str = '"v1"',
    ranges: bool = True,
    cut: int | None = None,
    headers: dict[str, str] | None = None,
) -> Callable[[Handler], None]:
    """Serve a file as S3 does.

    Args:
        content: the file.
        tag: its ETag.
        ranges: whether the server knows ranges.
        cut: after so many bytes the connection is cut.
        headers: further headers.
    """

    def answer(handler: Handler) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        start, code = 0, 200
        named = {"Content-Type": "application/gzip", **({"ETag": tag} if tag else {}), **(headers or {})}
        if wanted and ranges and handler.headers.get("If-Range", tag) == tag:
            start, code = int(wanted[1]), 206
            if start >= len(content):
                status(416, b"", {"Content-Range": f"bytes */{len(content)}"})(handler)
                return
            named["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        status(code, body[:cut], named, stated=len(body) if cut is not None else None)(handler)

    return answer


def fetch(
    server: WebServer, target: Path, time: Time | None = None, path: str = "/dump.csv.gz", **options: Any
) -> Path:
    limits = RequestLimits(**options.pop("limits", {}), sleep=(time or Time()).sleep)
    return download_file(target, f"{server.address}{path}", gzipped=True, limits=limits, **options)


def ranges(server: WebServer) -> list[str | None]:
    return [headers.get("Range") for headers in server.headers]


def leftovers(target: Path) -> set[str]:
    """Return what lies beside the target and its note; a lock stays, as removing one is a race."""
    kept = {f"{target.name}{suffix}" for suffix in ("", ".sum.json", ".lock")}
    return {path.name for path in target.parent.iterdir()} - kept


def test_a_file_is_downloaded_whole(server: WebServer, target: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    assert fetch(server, target, progress=lambda done, total: seen.append((done, total))) == target
    assert target.read_bytes() == DUMP
    assert leftovers(target) == set()
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (len(DUMP), len(DUMP))


def test_a_file_that_is_there_is_not_downloaded_again(server: WebServer, target: Path) -> None:
    fetch(server, target)
    fetch(server, target)
    assert len(server.asked) == 1


def test_a_file_of_another_kind_at_the_target_is_left_alone(server: WebServer, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(HTML)
    with pytest.raises(EcefError, match=r"dump\.csv\.gz: is not a gzipped file, it begins with .* \(delete it"):
        fetch(server, target)
    assert target.read_bytes() == HTML


def test_after_a_cut_it_goes_on_where_it_was(server: WebServer, target: Path) -> None:
    server.once.append(serving(DUMP, cut=HALF))
    fetch(server, target)
    assert target.read_bytes() == DUMP
    assert ranges(server) == [None, f"bytes={HALF}-"]
    assert server.headers[1]["If-Range"] == '"v1"'


def test_another_process_goes_on_where_one_was_stopped(server: WebServer, target: Path) -> None:
    def stop(done: int, _total: int | None) -> None:
        if done > HALF:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(server, target, progress=stop)
    assert not target.exists()
    part = (target.parent / "dump.csv.gz.part").stat().st_size
    assert part > HALF
    fetch(server, target)
    assert target.read_bytes() == DUMP
    assert ranges(server)[-1] == f"bytes={part}-"
    assert leftovers(target) == set()


def test_a_server_without_ranges_sends_all_of_it_again(server: WebServer, target: Path) -> None:
    server.once.append(serving(DUMP, cut=HALF))
    server.reply = serving(DUMP, ranges=False)
    fetch(server, target)
    assert target.read_bytes() == DUMP


def test_a_file_that_changed_meanwhile_is_downloaded_anew(server: WebServer, target: Path) -> None:
    server.once.append(serving(DUMP, cut=HALF))
    server.reply = serving(OTHER, tag='"v2"')
    fetch(server, target)
    assert target.read_bytes() == OTHER


@pytest.mark.parametrize("tag", ["", 'W/"weak"'])
def test_without_a_sign_that_the_file_is_the_same_it_is_downloaded_anew(
    server: WebServer, target: Path, tag: str
) -> None:
    server.once.append(serving(DUMP, tag=tag, cut=HALF))
    server.reply = serving(OTHER, tag=tag)
    fetch(server, target)
    assert target.read_bytes() == OTHER
    assert ranges(server) == [None, None]


def test_a_date_tells_that_the_file_is_the_same(server: WebServer, target: Path) -> None:
    date = "Wed, 20 Nov 2019 18:00:00 GMT"
    server.once.append(serving(DUMP, tag="", headers={"Last-Modified": date}, cut=HALF))
    server.reply = serving(DUMP, tag=date)
    fetch(server, target)
    assert target.read_bytes() == DUMP
    assert ranges(server)[1] == f"bytes={HALF}-"


def test_a_part_from_another_address_is_not_carried_on(server: WebServer, target: Path) -> None:
    server.once.append(serving(OTHER, cut=HALF))
    with pytest.raises(EcefError):
        fetch(server, target, path="/other.gz", limits={"tries": 1})
    fetch(server, target)
    assert target.read_bytes() == DUMP
    assert ranges(server)[-1] is None


def test_a_part_that_is_whole_is_finished(server: WebServer, target: Path) -> None:
    _lay_part(server, target, DUMP)
    fetch(server, target)
    assert target.read_bytes() == DUMP
    assert len(server.asked) == 1


def test_a_part_that_is_longer_than_the_file_is_downloaded_anew(server: WebServer, target: Path) -> None:
    _lay_part(server, target, DUMP + b"more")
    fetch(server, target)
    assert target.read_bytes() == DUMP


def _lay_part(server: WebServer, target: Path, content: bytes) -> None:
    target.parent.mkdir()
    (target.parent / "dump.csv.gz.part").write_bytes(content)
    note = {"address": f"{server.address}/dump.csv.gz", "validator": '"v1"', "size": len(DUMP)}
    (target.parent / "dump.csv.gz.part.json").write_text(json.dumps(note))


def test_a_part_with_a_broken_note_is_downloaded_anew(server: WebServer, target: Path) -> None:
    _lay_part(server, target, OTHER)
    (target.parent / "dump.csv.gz.part.json").write_text('{"address": "ht')
    fetch(server, target)
    assert target.read_bytes() == DUMP


def test_a_server_that_sends_less_than_the_range_is_asked_for_the_rest(server: WebServer, target: Path) -> None:
    most = (1 << 20) + 7

    def capped(handler: Handler) -> None:
        start = int(handler.headers["Range"][len("bytes=") : -1])
        piece = DUMP[start : start + most]
        stated = f"bytes {start}-{start + len(piece) - 1}/{len(DUMP)}"
        status(206, piece, {"Content-Range": stated, "ETag": '"v1"'})(handler)

    server.once.append(serving(DUMP, cut=1000))
    server.reply = capped
    fetch(server, target)
    assert target.read_bytes() == DUMP
    assert ranges(server) == [None, *(f"bytes={start}-" for start in range(1000, len(DUMP), most))]


@pytest.mark.parametrize("total", [len(DUMP), "*"])
def test_a_server_that_sends_another_part_than_it_was_asked_for(
    server: WebServer, target: Path, total: int | str
) -> None:
    wrong = {"Content-Range": f"bytes 5-{len(DUMP) - 1}/{total}", "ETag": '"v1"'}
    server.once.extend([serving(DUMP, cut=HALF), status(206, DUMP[5:], wrong)])
    fetch(server, target)
    assert target.read_bytes() == DUMP
    assert ranges(server) == [None, f"bytes={HALF}-", None]


def test_failures_that_pass_are_waited_for(server: WebServer, target: Path) -> None:
    server.once.extend([status(503, HTML), status(429, b"", {"Retry-After": "9"}), hang_up])
    time = Time()
    fetch(server, target, time)
    assert target.read_bytes() == DUMP
    assert time.slept == [1.0, 9.0, 4.0]


def test_a_connection_that_is_cut_again_and_again_is_made_as_long_as_it_brings_much(
    server: WebServer, target: Path
) -> None:
    content = gzip.compress(random.Random(7).randbytes(12 << 20), compresslevel=1)
    cut = 1 << 20
    server.reply = serving(content, cut=cut)
    fetch(server, target)
    assert target.read_bytes() == content
    assert len(server.asked) == -(-len(content) // cut) > 5


def test_a_connection_that_brings_next_to_nothing_is_given_up(server: WebServer, target: Path) -> None:
    server.reply = serving(DUMP, cut=1000)
    with pytest.raises(EcefError, match="cuts the connection") as caught:
        fetch(server, target)
    assert caught.value.exit_code == 1
    assert len(server.asked) == 5
    assert "run the command again to resume" in str(caught.value)
    assert (target.parent / "dump.csv.gz.part").stat().st_size == 5000


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_server_that_drips_is_given_up(server: WebServer, target: Path, part: str) -> None:
    def after_magic(handler: Handler) -> None:
        if part == "body":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n\x1f\x8b")
        drip(part)(handler)

    server.reply = after_magic
    with pytest.raises(EcefError, match="does not answer in time"):
        fetch(server, target, limits={"tries": 2, "reply": 0.15})


def test_a_server_that_drips_through_a_proxy_is_given_up(
    server: WebServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.address)
    server.reply = drip("body")
    with pytest.raises(EcefError, match="does not answer in time"):
        download_file(target, "http://conceptnet.invalid/x.gz", limits=RequestLimits(tries=1, reply=0.15))
    assert server.asked == ["http://conceptnet.invalid/x.gz"]


@pytest.mark.parametrize(("code", "name"), [(404, "Not Found"), (403, "Forbidden"), (500, "Internal Server Error")])
def test_an_address_without_the_file_is_told_at_once(server: WebServer, target: Path, code: int, name: str) -> None:
    server.reply = status(code, HTML)
    with pytest.raises(EcefError, match=rf"/dump\.csv\.gz answers {code} {name} \(check the address\)"):
        fetch(server, target)
    assert len(server.asked) == 1
    assert leftovers(target) == set()


def test_what_is_no_gzip_is_told_and_not_kept(server: WebServer, target: Path) -> None:
    server.reply = serving(HTML)
    with pytest.raises(EcefError, match="is not a gzipped file, it begins with b'<html>"):
        fetch(server, target)
    assert not target.exists()


def test_a_disk_that_is_too_small_is_told_before_the_download(
    server: WebServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10 << 20))
    with pytest.raises(EcefError, match=r"has 10 MiB free, but the download needs 66 MiB .*ECEF_CACHE"):
        fetch(server, target)
    assert not target.exists()
    assert leftovers(target) <= {"dump.csv.gz.part.json"}


def test_only_what_is_missing_must_fit_on_the_disk(
    server: WebServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.once.append(serving(DUMP, cut=HALF))
    with pytest.raises(EcefError):
        fetch(server, target, limits={"tries": 1})
    free = len(DUMP) - HALF + files.SPARE
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    fetch(server, target)
    assert target.read_bytes() == DUMP


def test_a_disk_that_is_full_keeps_what_came(server: WebServer, target: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, hard))
    try:
        with pytest.raises(EcefError, match=r"dump\.csv\.gz: cannot be written: File too large \(.*free some space"):
            fetch(server, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert 0 < (target.parent / "dump.csv.gz.part").stat().st_size <= HALF
    fetch(server, target)
    assert target.read_bytes() == DUMP


def test_a_folder_that_cannot_be_made_is_told(server: WebServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EcefError, match="cannot be written"):
        fetch(server, tmp_path / "file" / "dump.gz")


@pytest.mark.parametrize("cut", [None, HALF])
def test_without_a_stated_size_the_file_itself_tells_whether_it_is_whole(
    server: WebServer, target: Path, cut: int | None
) -> None:
    def unstated(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + DUMP[:cut])
        handler.close_connection = True

    server.reply = unstated
    if cut is None:
        fetch(server, target)
        assert target.read_bytes() == DUMP
    else:
        with pytest.raises(EcefError, match="was truncated in transfer"):
            fetch(server, target)
        assert not target.exists()


def test_the_bytes_stay_as_they_lie_on_the_server(server: WebServer, target: Path) -> None:
    server.reply = serving(DUMP, headers={"Content-Encoding": "gzip"})
    fetch(server, target)
    assert target.read_bytes() == DUMP
    assert server.headers[0]["Accept-Encoding"] == "identity"


def test_two_processes_do_not_download_at_once(server: WebServer, target: Path) -> None:
    target.parent.mkdir()
    with FileLock(f"{target}.lock"), pytest.raises(EcefError, match="another process is downloading"):
        fetch(server, target)
    assert server.asked == []
    fetch(server, target)


@pytest.mark.parametrize("name", ["ECEF_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_nothing_is_asked_for(
    server: WebServer, target: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(EcefError, match=r"offline, and .* is missing"):
        fetch(server, target)
    assert server.asked == []


def test_nobody_at_the_address(server: WebServer, target: Path) -> None:
    server.stop()
    with pytest.raises(EcefError, match="refuses the connection"):
        fetch(server, target)


def test_a_name_that_nobody_knows(target: Path) -> None:
    with pytest.raises(EcefError, match=r"http://conceptnet\.invalid/x\.gz cannot be resolved"):
        download_file(target, "http://conceptnet.invalid/x.gz", limits=RequestLimits(sleep=Time().sleep))


def test_an_address_that_is_none(target: Path) -> None:
    with pytest.raises(EcefError, match=r"^conceptnet\.gz cannot be reached"):
        download_file(target, "conceptnet.gz")
