"""How long a server is waited for, which failures may pass, and what they are called."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from requests import exceptions as failures

if TYPE_CHECKING:
    from requests import RequestException, Response

PASSING = frozenset({429, 502, 503, 504})
"""Statuses that may be gone a little later."""
_OFF = frozenset({"", "0", "false", "no", "off"})


def offline() -> bool:
    """Tell whether no server may be asked: `ecef --offline`, `ECEF_OFFLINE` or `HF_HUB_OFFLINE`."""
    return any(os.environ.get(name, "").lower() not in _OFF for name in ("ECEF_OFFLINE", "HF_HUB_OFFLINE"))


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for; times are in seconds.

    Attributes:
        tries: requests for one reply, the first among them.
        first_wait: the wait after the first failure; every further one is twice as long.
        longest_wait: the longest wait that a server may ask for by `Retry-After`.
        connect: to connect.
        silence: between two pieces of a reply.
        reply: for a whole reply.
    """

    tries: int = 5
    first_wait: float = 1.0
    longest_wait: float = 120.0
    connect: float = 10.0
    silence: float = 30.0
    reply: float = 120.0

    def backoff(self, failed: int) -> float:
        """Return the wait after so many failures."""
        return min(self.first_wait * 2.0 ** (failed - 1), self.longest_wait)


def passing(error: RequestException) -> bool:
    """Tell whether a failure may be gone a little later."""
    lasting = (failures.SSLError, failures.ProxyError, failures.InvalidURL)
    found = (failures.ConnectionError, failures.Timeout, failures.ChunkedEncodingError)
    return isinstance(error, found) and not isinstance(error, lasting)


def in_words(error: BaseException) -> str:
    """Return what a failed request met, in a few words."""
    chain = [error]
    while (inner := _cause(chain[-1])) is not None and inner not in chain:
        chain.append(inner)
    if isinstance(error, failures.SSLError):
        return f"cannot be trusted ({_line(chain[-1])})"
    names = {kind.__name__ for link in chain for kind in type(link).__mro__}
    met = next((words for name, words in _MET.items() if name in names), None)
    return met or f"cannot be asked ({_line(error)})"


_MET = {
    "ConnectionRefusedError": "refuses the connection",
    "NameResolutionError": "is a name that nobody knows here",
    "IncompleteRead": "cuts the connection",
    "ConnectionResetError": "cuts the connection",  # also of `RemoteDisconnected`
    "BrokenPipeError": "cuts the connection",
    "TimeoutError": "does not answer in time",
    "Timeout": "does not answer in time",
}
"""What the classes of errors in a chain tell, the most telling first; names, for they come from three libraries."""


def _cause(error: BaseException) -> BaseException | None:
    reason = getattr(error, "reason", None)
    candidates = [reason, *error.args, error.__cause__, error.__context__]
    return next((c for c in candidates if isinstance(c, BaseException)), None)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def status_in_words(response: Response) -> str:
    """Return the status of a reply, such as `answers 502 Bad Gateway`."""
    try:
        name = HTTPStatus(response.status_code).phrase
    except ValueError:
        name = response.reason or ""
    return f"answers {response.status_code} {name}".rstrip()


def retry_after(response: Response) -> float | None:
    """Return the seconds after which a server wants to be asked again, or None where it says nothing of use."""
    stated = response.headers.get("Retry-After", "").strip()
    if stated.isascii() and stated.isdigit():
        return float(stated)
    try:
        when = parsedate_to_datetime(stated)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
