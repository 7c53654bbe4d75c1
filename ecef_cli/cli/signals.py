"""End a command on SIGTERM and SIGHUP as on SIGINT: with its work saved and a line on stderr."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_received = signal.SIGINT


def as_interrupts() -> None:
    """Let SIGTERM and SIGHUP do what SIGINT does; a signal that is ignored, as after `nohup`, stays ignored."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _interrupt)


def exit_code() -> int:
    """Return the exit code of an interrupted command: 128 plus the number of the signal."""
    return 128 + _received


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _received  # noqa: PLW0603 - a process gets signals, and has no other place for them
    _received = signal.Signals(number)
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(number, frame)  # a training loop finishes its step first
    else:  # a shell that starts a command in the background has it ignore SIGINT
        raise KeyboardInterrupt
