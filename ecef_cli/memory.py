"""Memory of a long-running command."""

from __future__ import annotations

import ctypes
import sys

_M_MMAP_THRESHOLD = -3  # glibc's number for it, in malloc.h
_LARGE = 1 << 20  # bytes


def give_back_large_blocks() -> None:
    """Have the C library give blocks of a mebibyte and more back to the system when they are freed.

    By itself glibc raises that bound with every large block that is freed. Batches differ in size, so that a stream of
    them would leave more and more holes.
    Elsewhere than on glibc nothing is done.
    """
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
    except (OSError, AttributeError):
        return
