"""Cache of the web API's replies: each is requested once, and stored in an SQLite file until it is outdated."""

from __future__ import annotations

import logging
import secrets
import sqlite3
import sys
import weakref
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urljoin, urlsplit

from requests import RequestException, Response
from requests_cache import CachedSession
from requests_cache.backends.sqlite import SQLiteCache, SQLiteDict

from ecef_cli.api.download import RequestFailedError, RetryingAdapter, describe, describe_status, offline
from ecef_cli.api.errors import EcefError, UsageProblem
from ecef_conceptnet.api_reply import Page, ReplyError, StatedError, is_unknown_term

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ecef_cli.api.download import RequestLimits
    from ecef_conceptnet.pacing import Pace

OFFICIAL = "https://api.conceptnet.io"
WAY_OUT = "use the dump: `ecef tag --option source=dump --download`"
_UNCHANGED, _UNKNOWN, _NOT_CACHED = 304, 404, 504

# Its warning of an outdated reply includes a traceback; `_warn_down` prints one line, once.
logging.getLogger("requests_cache").addHandler(logging.NullHandler())


class NotCachedError(Exception):
    """Requests are not allowed, and the reply is not in the cache."""


class Replies:
    """Pages of edges, from the cache or from the service.

    Args:
        address: base address of the service.
        language: the language's code.
        pace: waits for the next request; replies from the cache do not count.
        expire_days: days after which a reply is outdated.
        cache: the folder of the file `api.sqlite`.
        limits: attempts and time limits of requests.

    Attributes:
        address: base address, without a slash at its end.
        file: the cache.

    Raises:
        UsageProblem: the address is invalid.
        EcefError: the cache cannot be used.
    """

    def __init__(
        self,
        *,
        address: str,
        language: str,
        pace: Pace,
        expire_days: float,
        cache: Path,
        limits: RequestLimits,
    ) -> None:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
            raise UsageProblem(f"{address!r} is not the address of a web API", hint=f"write it as {OFFICIAL}")
        self.address, self.file = address.rstrip("/"), cache / "api.sqlite"
        self._language = language
        self._down = False
        with self._storing():
            cache.mkdir(parents=True, exist_ok=True)
            self._session = CachedSession(
                # JSON, because pickle, the default of requests-cache, runs code from the file.
                backend=SQLiteCache(self.file, serializer="json", timeout=30.0),
                expire_after=timedelta(days=expire_days),
                allowable_codes=(200, _UNKNOWN),
                stale_if_error=True,
            )
            self._editions: SQLiteDict = SQLiteDict(self.file, table_name="editions", serializer=None, timeout=30.0)
        self.close = weakref.finalize(self, _close, self._session, self._editions)
        """Close the connections and the cache."""
        adapter = RetryingAdapter(limits, pace.wait, partial(_check, language=language))
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)

    def page(self, path: str) -> Page:
        """Return the page at a path below the base address, empty if the service does not know it.

        Raises:
            NotCachedError: offline, and the page is not in the cache.
            EcefError: the service does not return a page.
        """
        url = self.address + path
        with self._storing():
            try:
                held = self._session.get(url, only_if_cached=True)
                cached = held.status_code != _NOT_CACHED
                if cached and (self._down or offline() or not held.is_expired):
                    return self._parse(held)
                if offline():
                    raise NotCachedError
                reply = self._session.get(url)
            except RequestException as error:
                self._give_up(error)
            page = self._parse(reply)
            if reply.from_cache and reply.is_expired:
                self._warn_down()
            elif cached and self._parse(held).edges != page.edges:
                self._new_edition()
        return page

    def _parse(self, reply: Response) -> Page:
        if reply.status_code == _UNKNOWN:
            return Page({}, frozenset(), None)
        return Page.parse(reply.content, self._language)

    def _give_up(self, error: RequestException) -> NoReturn:
        raise EcefError(
            f"ConceptNet's web API at {self.address} {describe(error)}",
            hint=f"{WAY_OUT}, or use --offline for the cached replies",
        ) from error

    def _warn_down(self) -> None:
        self._down = True
        print(  # noqa: T201
            f"warning: ConceptNet's web API at {self.address} cannot be reached; using outdated replies",
            file=sys.stderr,
        )

    def cached_pages(self) -> Iterator[Page]:
        """Yield every cached page of this service and language."""
        start = f"{self.address}/c/{self._language}/"
        with self._storing():
            for reply in self._session.cache.responses.values():
                asked = reply.history[0] if reply.history else reply
                if asked.url.startswith(start):
                    yield self._parse(reply)

    # ---------------------------------------------------------------------------------------- editions

    def edition(self) -> str:
        """Return the cache's edition, which changes when a reply is replaced by a different one."""
        with self._storing():
            if self._subject not in self._editions:
                self._new_edition()
            return str(self._editions[self._subject])

    def _new_edition(self) -> None:
        self._editions[self._subject] = secrets.token_hex(16)

    @property
    def _subject(self) -> str:
        return f"{self.address} {self._language}"

    @contextmanager
    def _storing(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError) as error:
            raise EcefError(
                f"the cache of ConceptNet's replies cannot be used: {error}",
                where=str(self.file),
                hint="free some space, or delete the file if it is corrupt",
            ) from error


def _close(session: CachedSession, editions: SQLiteDict) -> None:
    session.close()  # type: ignore[no-untyped-call]
    editions.close()  # type: ignore[no-untyped-call]


def _check(reply: Response, language: str) -> None:
    """Check that the cache may keep a reply.

    Raises:
        RequestFailedError: the reply is not the requested one.
    """
    if reply.is_redirect:
        target = urlsplit(urljoin(reply.url, reply.headers["location"]))
        if target.hostname != urlsplit(reply.url).hostname:
            raise RequestFailedError(f"redirects to another host, {target.hostname}")
        return
    if reply.status_code == _UNCHANGED:
        return
    if reply.status_code == _UNKNOWN and is_unknown_term(reply.content):
        return
    try:
        Page.parse(reply.content, language)
    except StatedError as error:
        raise RequestFailedError(f"{describe_status(reply)}: {error}") from None
    except ReplyError as error:
        if reply.ok:
            raise RequestFailedError(f"does not reply as ConceptNet's API: {error}") from None
    if not reply.ok:
        raise RequestFailedError(describe_status(reply))
