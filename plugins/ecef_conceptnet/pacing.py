"""Asking a server at a pace, again after a failure, and never without an end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest, RequestException, Response

from ecef_cli.download.patience import PASSING, Patience, in_words, passing, retry_after, status_in_words
from ecef_cli.download.sockets import TimedAdapter

if TYPE_CHECKING:
    from collections.abc import Callable


class UnansweredError(RequestException):
    """A request got no answer that is of use; the text says what came instead."""


class Pace:
    """Lets so many requests a second go, evenly spaced.

    Args:
        per_second: requests a second.
        clock: returns seconds that never run backwards.
        sleep: waits for so many seconds.
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
        """Return when the next request may go."""
        now = self._clock()
        if now < self._next:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._interval


class PatientAdapter(TimedAdapter):
    """Sends requests at a pace, again where the failure may pass, and returns whole replies.

    It lies beneath the cache: what the cache answers is neither paced nor counted.

    Args:
        pace: when the next request may go.
        patience: how long the server is waited for.
        check: raises `UnansweredError` for a reply that is not what was asked for.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        pace: Pace,
        patience: Patience,
        check: Callable[[Response], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(lambda _received: patience.reply)
        self._pace, self._patience, self._check, self._sleep = pace, patience, check, sleep

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:  # noqa: ARG002 - always whole
        """Return a whole reply that passed the check.

        Raises:
            UnansweredError: there is none, after as many tries as patience allows.
        """
        kwargs = {**kwargs, "stream": True, "timeout": (self._patience.connect, self._patience.silence)}
        failed = 0
        while True:
            self._pace.wait()
            asked_for = None
            try:
                response = super().send(request, **kwargs)
                try:
                    # Reads it all, so that a connection that is cut is noticed here.
                    response.content  # noqa: B018
                finally:
                    response.close()
            except RequestException as error:
                if not passing(error):
                    raise
                problem = in_words(error)
            else:
                if response.status_code not in PASSING:
                    self._check(response)
                    return response
                problem = status_in_words(response)
                asked_for = retry_after(response)
            failed += 1
            wait = self._patience.backoff(failed) if asked_for is None else asked_for
            if wait > self._patience.longest_wait:
                raise UnansweredError(f"{problem} and asks to wait {wait:.0f} s")
            if failed >= self._patience.tries:
                raise UnansweredError(f"{problem}, {failed} times")
            self._sleep(wait)
