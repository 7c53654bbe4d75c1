"""Download a file with resume; the target is complete or missing."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import requests
from filelock import FileLock, Timeout
from requests import RequestException, Response
from urllib3.exceptions import HTTPError

from ecef_cli.api.errors import DataError, EcefError
from ecef_cli.download import checksums, web

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Progress = Callable[[int, int | None], None]
    """Receive the number of bytes that are there, and the size of the file if it is known."""

SPARE = 64 << 20
"""Bytes to leave free on the disk."""

_CHUNK = 1 << 18  # bytes
_PROGRESS = 1 << 20  # bytes; an attempt that brings fewer counts as failed
_SLOWEST = 2_000.0  # bytes per second, on average
_OK, _PARTIAL, _BEYOND_END = 200, 206, 416
_GZIP = b"\x1f\x8b"


def download_file(
    target: Path,
    addresses: str | Sequence[str],
    *,
    sha256: str | None = None,
    gzipped: bool = False,
    progress: Progress = lambda _done, _total: None,
    say: Callable[[str], None] = lambda _line: None,
    limits: web.RequestLimits | None = None,
) -> Path:
    """Download a file to `target` and return `target`; check a file that is already there.

    An interrupted download stays in `TARGET.part` and resumes if the server still has the same file.

    Args:
        target: the file to make.
        addresses: its address, or several; the next one follows if one fails before its first byte.
        sha256: its checksum, if it is known.
        gzipped: whether the file must be gzipped.
        progress: receives the number of bytes as they arrive.
        say: receives a line when the next address follows.
        limits: attempts and time limits; `reply` is the time before the pace of the server counts.

    Raises:
        DataError: the file does not have the checksum, or has changed since its download.
        EcefError: the file cannot be downloaded, does not fit on the disk, or is not gzipped.
    """
    if target.exists():
        if gzipped:
            _check_gzip(target, str(target), whole=False, hint="delete it and run the command again")
        checksums.verify(target, sha256, progress)
        return target
    addresses = [addresses] if isinstance(addresses, str) else addresses
    if web.offline():
        hint = f"download {addresses[0]} elsewhere and save it there, or run without --offline"
        raise EcefError(f"offline, and {target} is missing", hint=hint)
    begun = _begun(target)
    first, *others = sorted(addresses, key=lambda address: begun is None or address != begun.address)
    try:
        _Download(target, first, sha256, gzipped, progress, limits or web.LIMITS).run()
    except EcefError as error:
        if isinstance(error, DataError) or not others or _begun(target):
            raise
        say(f"{error.problem}; trying {others[0]}")
        return download_file(target, others, sha256=sha256, gzipped=gzipped, progress=progress, say=say, limits=limits)
    return target


def check_disk_space(folder: Path, needed: int, what: str, hint: str) -> None:
    """Check that a file system has space for `needed` bytes, and some to spare.

    Raises:
        EcefError: the space is too small.
    """
    needed, free = needed + SPARE, shutil.disk_usage(folder).free
    if free < needed:
        raise EcefError(f"{folder} has {free >> 20:,} MiB free, but {what} needs {needed >> 20:,} MiB", hint=hint)


class _Origin(NamedTuple):
    """Remote file that a part belongs to; by the validator, the server knows whether it has changed."""

    address: str
    validator: str  # ETag or date, empty if the server states none
    size: int | None  # bytes, if the server states it

    def differs(self, other: _Origin) -> bool:
        return any(mine and theirs and mine != theirs for mine, theirs in zip(self, other, strict=True))


@dataclass(frozen=True, slots=True)
class _Download:
    target: Path
    address: str
    sha256: str | None
    gzipped: bool
    progress: Progress
    limits: web.RequestLimits

    def run(self) -> None:
        """Download the file as the only process that does."""
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.target}.lock", timeout=0):
                if not self.target.exists():  # another process may have finished it
                    self._finish(self._receive())
        except Timeout:
            raise EcefError(f"another process is downloading {self.target}", hint="wait for it") from None
        except RequestException as error:
            hint = f"run the command again to resume, or download the file in another way to {self.target}"
            raise EcefError(f"{self.address} {web.describe(error)}", hint=hint) from error
        except OSError as error:
            problem, hint = f"cannot be written: {error.strerror or error}", "free some space and run the command again"
            raise EcefError(problem, where=str(self.target), hint=f"{hint} to resume") from error

    def _receive(self) -> int | None:
        """Complete the part, and return the size that the server states."""
        path, attempts = _beside(self.target, ".part"), web.Attempts(self.limits)
        adapter = web.TimeLimitAdapter(lambda received: self.limits.reply + received / _SLOWEST)
        try:
            with path.open("ab") as part, requests.Session() as session:
                session.mount("http://", adapter)
                session.mount("https://", adapter)
                while True:
                    before = _size(part)
                    try:
                        size = self._request(session, part)
                        break
                    except (RequestException, HTTPError) as error:
                        attempts.wait(error, progressed=_size(part) - before >= _PROGRESS)
                part.flush()
                os.fsync(part.fileno())
                return size
        finally:
            if path.exists() and not path.stat().st_size:
                path.unlink()

    def _request(self, session: requests.Session, part: BinaryIO) -> int | None:
        """Append the rest of the file with one request, and return the size that the server states."""
        held, size = _begun(self.target), _size(part)
        headers = {"Accept-Encoding": "identity"}  # the bytes as they are on the server, not gzipped once more
        if held and held.address == self.address:
            headers |= {"Range": f"bytes={size}-", "If-Range": held.validator}
        else:
            held, size = None, 0
        timeout = self.limits.connect, self.limits.silence
        with session.get(self.address, headers=headers, stream=True, timeout=timeout) as response:
            web.check_busy(response)
            status = response.status_code
            if held and status == _BEYOND_END and size == held.size:
                return size  # the part is complete
            if status == _OK:
                held, size = None, 0
            ranged = re.fullmatch(rf"bytes {size}-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
            stated = ranged[1] if ranged else response.headers.get("Content-Length", "")
            origin = _Origin(self.address, _validator(response), int(stated) if stated.isdigit() else None)
            # A server that ignores If-Range sends the rest of whatever file it has now.
            moved = status == _PARTIAL and (ranged is None or (held is not None and held.differs(origin)))
            if moved or (held and status == _BEYOND_END):
                part.truncate(0)
                raise web.RetryableError("has another file now")
            if status not in {_OK, _PARTIAL}:
                raise EcefError(f"{self.address} {web.describe_status(response)}", hint="check the address")
            part.truncate(size)
            _beside(self.target, ".part.json").write_text(json.dumps(origin._asdict()), encoding="utf-8")
            if origin.size is not None:
                hint = "free some space, or move the cache with ECEF_CACHE"
                check_disk_space(self.target.parent, origin.size - size, "the download", hint)
            self._append(response, part, size, origin.size)
        return origin.size

    def _append(self, response: Response, part: BinaryIO, size: int, total: int | None) -> None:
        self.progress(size, total)
        while piece := response.raw.read1(_CHUNK, decode_content=False):
            part.write(piece)
            size += len(piece)
            self.progress(size, total)
        if total is not None and size != total:
            if size > total:
                part.truncate(0)
            raise web.RetryableError(f"cuts the connection after {size:,} of {total:,} bytes")

    def _finish(self, size: int | None) -> None:
        """Check the part and rename it to the target."""
        part = _beside(self.target, ".part")
        try:
            if self.gzipped:  # if the server states no size, only the file itself can tell whether it was cut off
                _check_gzip(part, self.address, whole=size is None, hint="check the address, or run the command again")
        except EcefError:
            part.unlink()
            raise
        found = checksums.sha256_of(part)
        right = self.sha256 is None or found == self.sha256.casefold()
        if right:
            checksums.write_note(self.target, part, found)
        # Keep hours of download: a user who trusts a refused file may still use it.
        path = self.target if right else _beside(self.target, ".refused")
        part.replace(path)
        _beside(self.target, ".part.json").unlink(missing_ok=True)
        if not right:
            problem = f"is not the expected file: its SHA-256 is {found}, not {self.sha256}"
            hint = f"it was moved to {path}; run the command again to download it anew"
            raise DataError(f"{self.address} {problem}", hint=hint)


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(target.name + suffix)


def _begun(target: Path) -> _Origin | None:
    """Return the origin of a part that can be resumed."""
    try:
        origin = _Origin(**json.loads(_beside(target, ".part.json").read_text(encoding="utf-8")))
        return origin if origin.validator and _beside(target, ".part").stat().st_size else None
    except (OSError, ValueError, TypeError):
        return None


def _size(part: BinaryIO) -> int:
    part.flush()
    return os.fstat(part.fileno()).st_size


def _validator(response: Response) -> str:
    tag, date = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
    return date if tag.startswith("W/") or not tag else tag  # a weak tag does not promise the same bytes


def _check_gzip(path: Path, where: str, *, whole: bool, hint: str) -> None:
    with path.open("rb") as stream:
        start = stream.read(20)
    if not start.startswith(_GZIP):
        raise EcefError(f"is not a gzipped file, it begins with {start!r}", where=where, hint=hint)
    try:
        with gzip.open(path) as stream:
            while whole and stream.read(_CHUNK):
                pass
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise EcefError("was truncated in transfer", where=where, hint=hint) from None
