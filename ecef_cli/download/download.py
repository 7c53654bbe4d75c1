"""Downloads a file, resumable, so that it is either whole or not there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests
from requests import RequestException, Response
from urllib3.exceptions import HTTPError

from ecef_cli.api.errors import DataError, EcefError
from ecef_cli.download import checksums
from ecef_cli.download.partial import (
    PART,
    Origin,
    Partial,
    alone,
    check_room,
    origin_of,
    stated_start,
    stated_total,
)
from ecef_cli.download.patience import PASSING, Patience, in_words, offline, passing, retry_after, status_in_words
from ecef_cli.download.sockets import TimedAdapter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Progress = Callable[[int, int | None], None]
    """Is told how many bytes are there, and how many there will be where that is known."""

_PIECE = 1 << 18  # bytes that are read at once
_PROGRESS = 1 << 20  # bytes; a connection that brought fewer counts as a failed try
_SLOWEST = 2_000.0  # bytes a second, in the mean
_WHOLE, _BEYOND = 200, 416


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file must be, as far as the file itself can tell.

    Attributes:
        name: what such a file is called, such as `gzipped file`.
        magic: the bytes with which it begins.
        check: raises an EcefError where the file at a path is none, and, if told so, where it does not read to its end.
    """

    name: str
    magic: bytes
    check: Callable[[Path, bool], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be downloaded.

    Attributes:
        address: where it is.
        sha256: its checksum, where that is known.
        kind: what it must be.
        room: what to do where the disk has no room for it.
    """

    address: str
    sha256: str | None = None
    kind: Kind | None = None
    room: str = "make room, or put the cache elsewhere with ECEF_CACHE"


class _AgainError(Exception):
    """A try failed in a way that may pass; the text says how."""

    def __init__(self, problem: str, wait: float | None = None) -> None:
        super().__init__(problem)
        self.wait = wait


def fetch(
    target: Path,
    asked: Asked,
    *,
    progress: Progress | None = None,
    patience: Patience | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Download a file to `target` and return `target`; where it is there, check that it is what was downloaded.

    What came before an interruption is kept in `TARGET.part` and carried on from, as long as the server has the
    same file still.

    Args:
        target: the file to make.
        asked: what is to be downloaded.
        progress: is told of the bytes as they come.
        patience: how long the server is waited for; `reply` is the time that it has before its pace counts.
        sleep: waits for so many seconds.

    Raises:
        DataError: it is whole and not the file whose checksum is known, or not the one any more that was downloaded.
        EcefError: it cannot be downloaded, does not fit on the disk, or is of another kind.
    """
    progress = progress or (lambda _done, _total: None)
    if target.exists():
        if asked.kind:
            asked.kind.check(target, False)
        checksums.verify(target, asked.sha256, progress)
        return target
    if offline():
        hint = f"download {asked.address} elsewhere and put it there, or go online"
        raise EcefError(f"offline, and {target} is not there", hint=hint)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with alone(target) as part:
            if not target.exists():  # another process may have finished it in between
                _Download(part, asked, progress, patience or Patience(), sleep).run()
    except RequestException as error:
        raise EcefError(f"{asked.address} {in_words(error)}", hint=_BY_HAND.format(target=target)) from error
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
        part: Partial,
        asked: Asked,
        progress: Progress,
        patience: Patience,
        sleep: Callable[[float], None],
    ) -> None:
        self._part, self._asked = part, asked
        self._progress, self._patience, self._sleep = progress, patience, sleep

    def run(self) -> None:
        """Ask until the file is whole, as long as there is progress."""
        failed = 0
        with requests.Session() as session:
            adapter = TimedAdapter(lambda received: self._patience.reply + received / _SLOWEST)
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            while True:
                before = self._part.size()
                try:
                    origin = self._ask(session)
                    break
                except _AgainError as error:
                    failed = 1 if self._part.size() - before >= _PROGRESS else failed + 1
                    wait = self._patience.backoff(failed) if error.wait is None else error.wait
                    if failed >= self._patience.tries or wait > self._patience.longest_wait:
                        hint = _BY_HAND.format(target=self._part.target)
                        raise EcefError(f"{self._asked.address} {error}", hint=hint) from error
                    self._sleep(wait)
        self._finish(origin)

    def _ask(self, session: requests.Session) -> Origin:
        """Bring the part to its end in one request."""
        held, size = self._part.origin(self._asked.address), self._part.size()
        resume = held is not None and size > 0
        # As it lies on the server: not gzipped once more on its way.
        headers = {"Accept-Encoding": "identity"}
        if resume and held is not None:
            headers |= {"Range": f"bytes={size}-", "If-Range": held.validator}
        timeout = (self._patience.connect, self._patience.silence)
        try:
            with session.get(self._asked.address, headers=headers, stream=True, timeout=timeout) as response:
                return self._take(response, held, size if resume else 0)
        except (RequestException, HTTPError) as error:
            if isinstance(error, RequestException) and not passing(error):
                raise
            raise _AgainError(in_words(error)) from error

    def _take(self, response: Response, held: Origin | None, size: int) -> Origin:
        status = response.status_code
        if status in PASSING:
            raise _AgainError(status_in_words(response), retry_after(response))
        if status == _BEYOND and size:
            # The part is whole, or it is a part of something else.
            if held is not None and stated_total(response) == size == (held.size or size):
                return held
            self._part.restart()
            raise _AgainError("has another file now", 0.0)
        if status not in {_WHOLE, PART}:
            raise EcefError(f"{self._asked.address} {status_in_words(response)}", hint="check the address")
        if status == PART and stated_start(response) != size:
            self._part.restart()
            raise _AgainError("sends another part than it was asked for", 0.0)
        if status == _WHOLE:
            self._part.restart()
            size = 0
        origin = origin_of(response, self._asked.address, size)
        if size and held is not None and _other_file(held, origin):
            # A server that does not know If-Range sends the rest of whatever it has now.
            self._part.restart()
            raise _AgainError("has another file now", 0.0)
        self._part.note(origin)
        if origin.size is not None:
            check_room(self._part.target.parent, origin.size - size, "the download", self._asked.room)
        self._receive(response, origin, size)
        return origin

    def _receive(self, response: Response, origin: Origin, size: int) -> None:
        kind = self._asked.kind
        self._progress(size, origin.size)
        while piece := response.raw.read1(_PIECE, decode_content=False):
            if size == 0 and kind and not piece.startswith(kind.magic[: len(piece)]):
                self._part.restart()
                problem = f"{self._asked.address} is no {kind.name}, it begins {piece[:20]!r}"
                raise EcefError(problem, hint="check the address")
            self._part.write(piece)
            size += len(piece)
            self._progress(size, origin.size)
        if origin.size is not None and size != origin.size:
            if size > origin.size:
                self._part.restart()
            raise _AgainError(f"cuts the connection after {size:,} of {origin.size:,} bytes")

    def _finish(self, origin: Origin) -> None:
        self._part.settle()
        if self._asked.kind:
            try:
                # Where the server states no size, only the file itself can tell whether it was cut off.
                self._asked.kind.check(self._part.path, origin.size is None)
            except EcefError:
                self._part.restart()
                raise
        self._check_sum()
        self._part.become(self._part.target)

    def _check_sum(self) -> None:
        found = checksums.sha256_of(self._part.path, lambda _done, _size: None)
        if self._asked.sha256 is None or found == self._asked.sha256.casefold():
            checksums.write_note(self._part.target, self._part.path, found)
            return
        # Hours of download are not thrown away: whoever trusts the file may still use it.
        refused = self._part.target.with_name(f"{self._part.target.name}.refused")
        self._part.become(refused)
        raise DataError(
            f"{self._asked.address} is another file than is known: its SHA-256 is {found}, not {self._asked.sha256}",
            hint=f"it was put aside as {refused}; run it again to download it anew",
        )


def _other_file(held: Origin, found: Origin) -> bool:
    sizes = held.size is not None and found.size is not None and held.size != found.size
    return sizes or bool(found.validator and found.validator != held.validator)
