"""Processes that are killed when they have come some way."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

PATIENCE = 60  # seconds


def kill_when(ready: Callable[[], bool], script: str) -> None:
    """Run a script and kill it as soon as something holds, which must be before it ends by itself."""
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
