"""Requests at a limited rate."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest, RequestException, Response

from ecef_cli.download.web import Attempts, RequestLimits, TimeLimitAdapter, check_busy

if TYPE_CHECKING:
    from collections.abc import Callable


class Pace:
    """Space requests evenly.

    Args:
        per_second: requests per second.
        clock: returns seconds that never run backwards.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1.0 / per_second
        self._clock, self._sleep = clock, sleep
        self._next = clock()

    def wait(self) -> None:
        """Return when the next request may be sent."""
        now = self._clock()
        if now < self._next:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._interval


class PacedAdapter(TimeLimitAdapter):
    """Send requests at a pace, retry them, and return whole replies.

    It is below the cache: a reply from the cache is neither paced nor counted.

    Args:
        pace: the pace of requests, retries included.
        limits: attempts and time limits.
        check: raises `RequestFailedError` for a reply that is of no use.
    """

    def __init__(self, pace: Pace, limits: RequestLimits, check: Callable[[Response], None]) -> None:
        super().__init__(lambda _received: limits.reply)
        self._pace, self._limits, self._check = pace, limits, check

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:  # noqa: ARG002 - always whole
        """Return a whole reply that passed the check.

        Raises:
            RequestFailedError: there is none after the last attempt.
        """
        kwargs = {**kwargs, "stream": True, "timeout": (self._limits.connect, self._limits.silence)}
        attempts = Attempts(self._limits)
        while True:
            self._pace.wait()
            try:
                with super().send(request, **kwargs) as response:
                    response.content  # noqa: B018 - reads it all, so that a cut connection is noticed here
                check_busy(response)
                self._check(response)
            except RequestException as error:
                attempts.wait(error)
            else:
                return response
