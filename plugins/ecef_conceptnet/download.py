"""Downloads the dump of ConceptNet, resumable, so that the file is either whole or not there."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import zlib
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import requests
from filelock import FileLock, Timeout
from requests import RequestException, Response
from urllib3.exceptions import HTTPError

from ecef_cli.errors import EcefError
from ecef_conceptnet.pacing import PASSING, Patience, in_words, offline, passing, retry_after, status_in_words
from ecef_conceptnet.pacing_sockets import TimedAdapter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Progress = Callable[[int, int | None], None]
    """Is told how many bytes are there, and how many there will be where that is known."""

OFFICIAL = "https://s3.amazonaws.com/conceptnet/downloads/2019/edges/conceptnet-assertions-5.7.0.csv.gz"
_GZIP = b"\x1f\x8b"
_PIECE = 1 << 18  # bytes that are read at once
_PROGRESS = 1 << 20  # bytes; a connection that brought fewer counts as a failed try
_SPARE = 64 << 20  # bytes that stay free on the disk
_SLOWEST = 2_000.0  # bytes a second, in the mean
_WHOLE, _PART, _BEYOND = 200, 206, 416
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class _AgainError(Exception):
    """A try failed in a way that may pass; the text says how."""

    def __init__(self, problem: str, wait: float | None = None) -> None:
        super().__init__(problem)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class _Origin:
    """Which file the part on disk is a part of.

    Attributes:
        address: where it is downloaded from.
        validator: its ETag, or else its date; by it the server tells whether it is still the same file.
        size: its size in bytes, where the server states it.
    """

    address: str
    validator: str
    size: int | None


def fetch_dump(
    target: Path,
    address: str = OFFICIAL,
    *,
    progress: Progress | None = None,
    patience: Patience | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Download the gzipped file at `address` to `target` and return `target`; does nothing where it is there.

    What came before an interruption is kept in `TARGET.part` and carried on from, as long as the server has the
    same file still.

    Args:
        target: the file to make.
        address: where the dump is.
        progress: is told of the bytes as they come.
        patience: how long the server is waited for; `reply` is the time that it has before its pace counts.
        sleep: waits for so many seconds.

    Raises:
        EcefError: it cannot be downloaded, does not fit on the disk, or is no gzipped file.
    """
    if target.exists():
        _check_gzip(target)
        return target
    if offline():
        raise EcefError(
            f"offline, and {target} is not there", hint=f"download {address} elsewhere and put it there, or go online"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target) as part:
            if not target.exists():  # another process may have finished it in between
                _Download(target, part, address, progress, patience or Patience(), sleep).run()
    except RequestException as error:
        raise EcefError(f"{address} {in_words(error)}", hint=_BY_HAND.format(target=target)) from error
    except OSError as error:
        raise EcefError(
            f"cannot be written: {error.strerror or error}",
            where=str(target),
            hint="what came so far is kept; make room and run it again",
        ) from error
    return target


_BY_HAND = "run it again to go on where it was, or download it in another way to {target}"


class _Download:
    def __init__(
        self,
        target: Path,
        part: BinaryIO,
        address: str,
        progress: Progress | None,
        patience: Patience,
        sleep: Callable[[float], None],
    ) -> None:
        self._target, self._part, self._address = target, part, address
        self._progress, self._patience, self._sleep = progress or (lambda _done, _total: None), patience, sleep
        self._note = target.with_name(f"{target.name}.part.json")

    def run(self) -> None:
        """Ask until the file is whole, as long as there is progress."""
        failed = 0
        with requests.Session() as session:
            adapter = TimedAdapter(lambda received: self._patience.reply + received / _SLOWEST)
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            while True:
                before = self._size()
                try:
                    origin = self._ask(session)
                    break
                except _AgainError as error:
                    failed = 1 if self._size() - before >= _PROGRESS else failed + 1
                    wait = self._patience.backoff(failed) if error.wait is None else error.wait
                    if failed >= self._patience.tries or wait > self._patience.longest_wait:
                        hint = _BY_HAND.format(target=self._target)
                        raise EcefError(f"{self._address} {error}", hint=hint) from error
                    self._sleep(wait)
        self._finish(origin)

    def _ask(self, session: requests.Session) -> _Origin:
        """Bring the part to its end in one request."""
        held, size = self._origin(), self._size()
        resume = held is not None and size > 0
        # As it lies on the server: not gzipped once more on its way.
        headers = {"Accept-Encoding": "identity"}
        if resume and held is not None:
            headers |= {"Range": f"bytes={size}-", "If-Range": held.validator}
        timeout = (self._patience.connect, self._patience.silence)
        try:
            with session.get(self._address, headers=headers, stream=True, timeout=timeout) as response:
                return self._take(response, size if resume else 0)
        except (RequestException, HTTPError) as error:
            if isinstance(error, RequestException) and not passing(error):
                raise
            raise _AgainError(in_words(error)) from error

    def _take(self, response: Response, size: int) -> _Origin:
        status = response.status_code
        if status in PASSING:
            raise _AgainError(status_in_words(response), retry_after(response))
        if status == _BEYOND and size:
            # The part is whole, or it is a part of something else.
            held = self._origin()
            if held is not None and _total(response) == size == (held.size or size):
                return held
            self._restart()
            raise _AgainError("has another file now", 0.0)
        if status not in {_WHOLE, _PART}:
            raise EcefError(f"{self._address} {status_in_words(response)}", hint="check the address")
        if status == _PART and _start(response) != size:
            self._restart()
            raise _AgainError("sends another part than it was asked for", 0.0)
        if status == _WHOLE:
            self._restart()
            size = 0
        origin = _origin_of(response, self._address, size)
        self._note_origin(origin)
        self._check_room(origin, size)
        self._receive(response, origin, size)
        return origin

    def _receive(self, response: Response, origin: _Origin, size: int) -> None:
        self._progress(size, origin.size)
        while piece := response.raw.read1(_PIECE, decode_content=False):
            if size == 0 and not piece.startswith(_GZIP[: len(piece)]):
                self._restart()
                raise EcefError(
                    f"{self._address} is no gzipped file, it begins {piece[:20]!r}", hint="check the address"
                )
            self._write(piece)
            size += len(piece)
            self._progress(size, origin.size)
        if origin.size is not None and size != origin.size:
            if size > origin.size:
                self._restart()
            raise _AgainError(f"cuts the connection after {size:,} of {origin.size:,} bytes")

    def _write(self, piece: bytes) -> None:
        self._part.write(piece)

    def _finish(self, origin: _Origin) -> None:
        self._part.flush()
        os.fsync(self._part.fileno())
        part = self._target.with_name(f"{self._target.name}.part")
        try:
            # Where the server states no size, only the file itself can tell whether it was cut off.
            _check_gzip(part, whole=origin.size is None)
        except EcefError:
            self._restart()
            raise
        part.replace(self._target)
        self._note.unlink(missing_ok=True)

    def _check_room(self, origin: _Origin, size: int) -> None:
        if origin.size is None:
            return
        needed, free = origin.size - size + _SPARE, shutil.disk_usage(self._target.parent).free
        if free < needed:
            raise EcefError(
                f"{self._target.parent} has {free >> 20:,} MiB free, the download needs {needed >> 20:,} MiB",
                hint="make room, or put the cache elsewhere with ECEF_CACHE",
            )

    # ------------------------------------------------------------------------------- the part on disk

    def _size(self) -> int:
        self._part.flush()
        return os.fstat(self._part.fileno()).st_size

    def _restart(self) -> None:
        self._part.flush()
        self._part.truncate(0)

    def _origin(self) -> _Origin | None:
        """Return what the part is a part of, or None where it cannot be carried on."""
        try:
            stated: dict[str, Any] = json.loads(self._note.read_text(encoding="utf-8"))
            origin = _Origin(**stated)
        except (OSError, ValueError, TypeError):
            return None
        return origin if origin.address == self._address and origin.validator else None

    def _note_origin(self, origin: _Origin) -> None:
        # A note that is half-written is no JSON: then the download starts anew.
        self._note.write_text(json.dumps(asdict(origin)), encoding="utf-8")


@contextmanager
def _alone(target: Path) -> Iterator[BinaryIO]:
    """Open the part of `target` for appending, as the only process that does.

    Raises:
        EcefError: another process downloads it.
    """
    path = target.with_name(f"{target.name}.part")
    try:
        with FileLock(f"{target}.lock", timeout=0), path.open("ab") as part:
            try:
                yield part
            finally:
                part.flush()
                if path.exists() and not path.stat().st_size:
                    path.unlink()
    except Timeout:
        raise EcefError(f"another process is downloading {target}", hint="wait for it") from None


def _origin_of(response: Response, address: str, size: int) -> _Origin:
    tag, date = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
    # A weak tag does not promise the same bytes.
    validator = tag if tag and not tag.startswith("W/") else date
    if response.status_code == _PART:
        return _Origin(address, validator, _total(response))
    stated = response.headers.get("Content-Length", "")
    return _Origin(address, validator, size + int(stated) if stated.isdigit() else None)


def _start(response: Response) -> int | None:
    match = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return int(match[1]) if match and match[1] else None


def _total(response: Response) -> int | None:
    match = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return int(match[2]) if match and match[2] != "*" else None


def _check_gzip(path: Path, *, whole: bool = False) -> None:
    """Check that a file is gzipped, and to its end where `whole`.

    Raises:
        EcefError: it is not.
    """
    import gzip

    try:
        with path.open("rb") as raw:
            if raw.read(len(_GZIP)) != _GZIP:
                raise EcefError("is no gzipped file", where=str(path), hint="delete it and run it again")
        if whole:
            with gzip.open(path) as stream:
                while stream.read(_PIECE):
                    pass
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise EcefError("was cut off on its way", where=str(path), hint="run it again") from None
