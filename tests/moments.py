"""Commands that are killed, or halted, right before they change a file for the n-th time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL, Signals
from typing import Any

NAMES = ("os.rename", "os.remove")
"""Changes after which another file, or none, lies at a path."""
CHANGES = (*NAMES, "os.mkdir", "open")
"""All changes; of what is opened, that to which is written."""

_SERVER = """
import json, os, sys

import av, soundfile
import ecef_cli.corpus.prepare
import ecef_datasets.columns, ecef_datasets.jsonl, ecef_datasets.meld_pairing, ecef_datasets.meld_recordings
import ecef_datasets.dailydialog, ecef_datasets.emorynlp, ecef_datasets.iemocap
from ecef_cli.cli.main import run

WRITTEN = os.O_WRONLY | os.O_RDWR | os.O_CREAT

def strike(root, changes, moment, signal):
    count = 0
    def hear(event, given):
        nonlocal count
        if event not in changes or not str(given[0]).startswith(root) or (event == "open" and not given[2] & WRITTEN):
            return
        count += 1
        if count == moment:
            os.kill(os.getpid(), signal)
    sys.addaudithook(hear)

for line in sys.stdin:
    arguments, *how = json.loads(line)
    child = os.fork()
    if not child:
        silent = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(silent, stream)
        strike(*how)
        os._exit(run(arguments))
    _, status = os.waitpid(child, os.WUNTRACED)
    halted = os.WIFSTOPPED(status)
    print(json.dumps([child, None if halted else os.waitstatus_to_exitcode(status)]), flush=True)
    if halted:
        _, status = os.waitpid(child, 0)
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)
"""


class Moments:
    """Runs `ecef` in processes that a signal strikes at a moment.

    Args:
        server: the process that makes them; all that they need is imported in it once.
        root: the folder whose files count.
    """

    def __init__(self, server: subprocess.Popen[str], root: Path) -> None:
        self._server, self._root = server, root

    def killed(self, arguments: Sequence[str], moment: int, changes: Sequence[str] = NAMES) -> bool:
        """Run a command that is killed before its n-th change; return whether it was, or else ended well before."""
        self._send(arguments, moment, changes, SIGKILL)
        _, code = self._receive()
        assert code in {0, -SIGKILL}
        killed: bool = code != 0
        return killed

    @contextmanager
    def halted(self, arguments: Sequence[str], moment: int, changes: Sequence[str] = NAMES) -> Iterator[int]:
        """Run a command that halts before its n-th change; yield its number. It then goes on and must end well."""
        self._send(arguments, moment, changes, Signals.SIGSTOP)
        process, code = self._receive()
        assert code is None, "it has ended before"
        try:
            yield process
        finally:
            subprocess.run(["kill", "-CONT", str(process)], check=True)
            code = self._receive()
        assert code == 0

    def _send(self, arguments: Sequence[str], moment: int, changes: Sequence[str], signal: Signals) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps([arguments, str(self._root), changes, moment, signal]) + "\n")
        self._server.stdin.flush()

    def _receive(self) -> Any:
        assert self._server.stdout is not None
        return json.loads(self._server.stdout.readline())


@contextmanager
def serving(root: Path) -> Iterator[Moments]:
    """Yield what strikes commands that change files below a folder."""
    command = (sys.executable, "-c", _SERVER)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield Moments(server, root)
        finally:
            server.kill()
