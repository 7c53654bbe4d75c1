"""HTTP requests with retries, a time limit per reply, and errors in words."""

from __future__ import annotations

import io
import os
import time
from dataclasses import dataclass
from functools import partial
from http.client import HTTPResponse, responses
from typing import TYPE_CHECKING, Any

from requests import RequestException, exceptions
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError
from urllib3.util.retry import Retry

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from requests import PreparedRequest, Response

_RETRIED_STATUSES = frozenset({429, 502, 503, 504})
_PIECE = 2**16  # bytes to unpack at once
_OFF = frozenset({"", "0", "false", "no", "off"})


class RetryableError(RequestException):
    """A request failed for a reason, given by the message, that may pass."""


class RequestFailedError(RequestException):
    """A request failed for good; the message says why."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Attempts per request, and limits of time, in seconds, and of size."""

    tries: int = 5
    longest_wait: float = 120.0  # between two attempts; a server that asks for more with Retry-After is given up
    connect: float = 10.0
    silence: float = 30.0  # between two pieces of a reply
    reply: float = 120.0  # for a whole reply, even if bytes arrive steadily
    size: int = 32 * 2**20  # bytes of a whole reply, unpacked, that `RetryingAdapter` accepts
    sleep: Callable[[float], None] = time.sleep


LIMITS = RequestLimits()


class Attempts:
    """Attempts of one request, counted and spaced by urllib3's `Retry`.

    The adapter's own `max_retries` ends with the header of a reply. This also covers a body that is cut off.
    """

    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits
        self._first = self._retry = Retry(limits.tries - 1, backoff_factor=1.0, backoff_max=limits.longest_wait)

    def wait(self, error: RequestException | HTTPError, *, progressed: bool = False) -> None:
        """Wait before the next attempt; an attempt that `progressed` starts the count again.

        Raises:
            RequestException: `error` itself if a retry cannot help.
            RequestFailedError: no attempt is left, or the server asks for too long a wait.
        """
        if not _may_pass(error):
            raise error
        try:
            self._retry = (self._first if progressed else self._retry).increment("GET", error=error)
        except MaxRetryError:
            raise RequestFailedError(f"{describe(error)}, {self._limits.tries} times") from error
        wait = self._wait_of(getattr(error, "response", None))
        if wait > self._limits.longest_wait:
            raise RequestFailedError(f"{describe(error)} and asks to wait {wait:.0f} s") from error
        self._limits.sleep(wait)

    def _wait_of(self, response: Any) -> float:
        try:
            stated = None if response is None else self._retry.get_retry_after(response)
        except (InvalidHeader, ValueError, OverflowError):
            stated = None
        # urllib3 retries the first time at once.
        return max(1.0, self._retry.get_backoff_time()) if stated is None else stated


def check_busy(response: Response) -> None:
    """Check that a server is not too busy to answer.

    Raises:
        RetryableError: it is.
    """
    if response.status_code in _RETRIED_STATUSES:
        raise RetryableError(describe_status(response), response=response)


class TimeLimitAdapter(HTTPAdapter):
    """Limit the time of a whole reply, from its status line to its last byte.

    A timeout of requests restarts with every byte, so a server that sends a byte per second would never end.

    Args:
        allowed: returns the seconds that a reply may take, from the number of bytes received so far.
    """

    def __init__(self, allowed: Callable[[int], float]) -> None:
        self._allowed = allowed
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Return a connection pool whose connections limit the time of a reply."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if "ConnectionCls" not in vars(pool):
            pool.ConnectionCls = partial(_connect, pool.ConnectionCls, self._allowed)
        return pool


class RetryingAdapter(TimeLimitAdapter):
    """Retry requests, and return whole replies.

    Args:
        limits: attempts and time limits.
        before: called before each attempt.
        check: raises `RequestFailedError` for an unusable reply.
    """

    def __init__(self, limits: RequestLimits, before: Callable[[], None], check: Callable[[Response], None]) -> None:
        super().__init__(lambda _received: limits.reply)
        self._limits, self._before, self._check = limits, before, check

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:  # noqa: ARG002 - always whole
        """Return a whole reply that passed the check.

        Raises:
            RequestFailedError: the last attempt failed.
        """
        kwargs = {**kwargs, "stream": True, "timeout": (self._limits.connect, self._limits.silence)}
        attempts = Attempts(self._limits)
        while True:
            self._before()
            try:
                with super().send(request, **kwargs) as response:
                    self._read(response)  # all of it, so that a cut connection is noticed here
                check_busy(response)
                self._check(response)
            except RequestException as error:
                attempts.wait(error)
            else:
                return response

    def _read(self, response: Response) -> None:
        body, size = [], 0
        for piece in response.iter_content(_PIECE):
            size += len(piece)
            if size > self._limits.size:
                raise RequestFailedError(f"sends a reply of more than {self._limits.size / 2**20:g} MiB")
            body.append(piece)
        response._content = b"".join(body)  # noqa: SLF001 - where `content` would keep it


def _connect(connection_class: type[Any], allowed: Callable[[int], float], *args: Any, **kwargs: Any) -> Any:
    def response(sock: socket.socket, *args: Any, **kwargs: Any) -> HTTPResponse:
        made = HTTPResponse(sock, *args, **kwargs)
        made.fp = io.BufferedReader(_LimitedReader(made.fp.detach(), sock, allowed))
        return made

    connection = connection_class(*args, **kwargs)
    connection.response_class = response
    return connection


class _LimitedReader(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, sock: socket.socket, allowed: Callable[[int], float]) -> None:
        self._raw, self._sock, self._allowed = raw, sock, allowed
        self._silence = sock.gettimeout()
        self._started, self._received = time.monotonic(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._started + self._allowed(self._received) - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left if self._silence is None else min(self._silence, left))
        count = self._raw.readinto(buffer)
        self._received += count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def offline() -> bool:
    """Return whether network access is off: `ecef --offline`, `ECEF_OFFLINE` or `HF_HUB_OFFLINE`."""
    return any(os.environ.get(name, "").lower() not in _OFF for name in ("ECEF_OFFLINE", "HF_HUB_OFFLINE"))


def _may_pass(error: Exception) -> bool:
    lasting = (exceptions.SSLError, exceptions.ProxyError, exceptions.InvalidURL)
    passing = (RetryableError, exceptions.ConnectionError, exceptions.Timeout, exceptions.ChunkedEncodingError)
    return isinstance(error, (HTTPError, *passing)) and not isinstance(error, lasting)


_WORDS = {
    "Connection refused": "refuses the connection",
    "NameResolutionError": "cannot be resolved",
    "timed out": "does not answer in time",
    "RemoteDisconnected": "cuts the connection",
    "ConnectionResetError": "cuts the connection",
    "Connection broken": "cuts the connection",
}
"""Descriptions by the text of an error: the causes that requests wraps are only in its text."""


def describe(error: Exception) -> str:
    """Return why a request failed, as words that follow the address."""
    if isinstance(error, (RetryableError, RequestFailedError)):
        return str(error)
    words = next((words for text, words in _WORDS.items() if text in repr(error)), None)
    cause = getattr(error.args[0] if error.args else None, "reason", None) or error
    return words or f"cannot be reached ({' '.join(str(cause).split())[:160]})"


def describe_status(response: Response) -> str:
    """Return the status of a reply in words, such as `answers 502 Bad Gateway`."""
    return f"answers {response.status_code} {responses.get(response.status_code, '')}".rstrip()
