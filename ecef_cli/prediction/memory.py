"""Memory of a long-running command."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def loading() -> Iterator[None]:
    """Pause the garbage collector while libraries and a model are loaded: millions of objects come, and they stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def give_back() -> None:
    """Have the C library give memory that is free back to the system.

    Batches differ in size, and glibc keeps the holes that they leave: a stream would slowly take half as much memory
    again. Elsewhere than on glibc nothing is done.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # another C library
        return None
    return found
