"""Files and folders that the system keeps from the user, even where the tests are run by root."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

Forbid = Callable[..., Path]

_VERSION = 0x20080522  # of the interface of Linux to capabilities: 64 of them, as pairs of 32
_OVERRIDE = 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: root may read and write whatever it likes


@pytest.fixture
def forbid() -> Iterator[Forbid]:
    """Take the permissions of a path away for the rest of the test; it has those of `mode` meanwhile."""
    with ExitStack() as after:
        after.enter_context(_without_override())

        def take(path: Path, mode: int = 0) -> Path:
            after.callback(path.chmod, path.stat().st_mode & 0o7777)
            path.chmod(mode)
            return path

        yield take


@contextmanager
def _without_override() -> Iterator[None]:
    if not hasattr(os, "geteuid"):
        pytest.skip("this system has no permissions")
    if os.geteuid() != 0:
        yield
        return
    if not sys.platform.startswith("linux"):
        pytest.skip("nothing is forbidden to root")
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()  # what is effective, permitted and inheritable, of the first 32 and of the others
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capget(header, sets) != 0:
        pytest.skip("nothing is forbidden to root, and the system does not tell what it may")
    effective = sets[0]
    sets[0] = effective & ~_OVERRIDE
    if libc.capset(header, sets) != 0:
        pytest.skip("nothing is forbidden to root, who cannot give that up")
    try:
        yield
    finally:
        sets[0] = effective
        libc.capset(header, sets)
