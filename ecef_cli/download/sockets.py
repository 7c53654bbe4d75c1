"""Replies that must come to an end: a server that sends a byte a second keeps nobody waiting for ever.

A timeout of `requests` starts anew with every byte. Here the whole reply has a time to come in, from its status
line to its last byte.
"""

from __future__ import annotations

import io
import time
from functools import partial
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from urllib3.poolmanager import PoolManager, ProxyManager

    Allowed = Callable[[int], float]
    """Seconds in which so many bytes may come in."""


class TimedAdapter(HTTPAdapter):
    """Sends requests whose replies have a time to come in.

    Args:
        allowed: the seconds that a reply may take until its next byte, given the bytes that came.
    """

    def __init__(self, allowed: Allowed) -> None:
        self._pools = {
            "http": _pool(HTTPConnectionPool, HTTPConnection, allowed),
            "https": _pool(HTTPSConnectionPool, HTTPSConnection, allowed),
        }
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool of connections."""
        super().init_poolmanager(*args, **kwargs)
        self._time(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> ProxyManager:
        """Return the pool of connections through a proxy."""
        manager: ProxyManager = super().proxy_manager_for(*args, **kwargs)
        self._time(manager)
        return manager

    def _time(self, manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = self._pools


def _pool(pool: type[Any], connection: type[Any], allowed: Allowed) -> type[Any]:
    class TimedConnection(connection):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.response_class = partial(_TimedResponse, allowed=allowed)

    return type("TimedPool", (pool,), {"ConnectionCls": TimedConnection})


class _TimedResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, allowed: Allowed, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_TimedReader(raw, sock, allowed))


class _TimedReader(io.RawIOBase):
    """Reads a socket until the reply's time is over."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, allowed: Allowed) -> None:
        self._raw, self._sock, self._allowed = raw, sock, allowed
        self._silence = sock.gettimeout()
        self._started = time.monotonic()
        self._received = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._started + self._allowed(self._received) - time.monotonic()
        if left <= 0:
            raise TimeoutError("the reply comes too slowly")
        self._sock.settimeout(left if self._silence is None else min(self._silence, left))
        count = self._raw.readinto(buffer)
        self._received += count or 0
        return count if count is None else int(count)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()
