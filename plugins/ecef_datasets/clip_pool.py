"""Convert recordings in several processes, and collect the results."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from ecef_cli.api.errors import DataError, EcefError
from ecef_datasets.clips import convert, note_of, same_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from ecef_datasets.meld_clips import Clip

WAITING = 4
"""Queued recordings per worker: enough to keep it busy, few enough for memory."""
FEW = 24
"""Recordings to convert in the first thread; starting processes would take longer."""


class ClipPool:
    """Pool of processes that convert recordings to FLAC files in a folder.

    Processes, because a decoder's frames are so short that threads would wait for the global interpreter lock.

    Args:
        folder: the output folder.
        workers: number of processes.
        done: called after each recording.
        give_way: called before the file of another recording is replaced.

    Attributes:
        seconds: duration of each existing recording.
        faults: problem of each recording that could not be converted.
        made: number of recordings decoded now.
        damaged: number of these that replace damaged files.
    """

    def __init__(self, folder: Path, workers: int, done: Callable[[], None], give_way: Callable[[], None]) -> None:
        self._folder, self._done, self._give_way = folder, done, give_way
        self._workers, self._begun = workers, 0
        self._thread = ThreadPoolExecutor(1)
        self._processes: ProcessPoolExecutor | None = None
        self._pending: deque[tuple[Clip, Future[float]]] = deque()
        self.seconds: dict[Clip, float] = {}
        self.faults: dict[Clip, str] = {}
        self.made = self.damaged = 0

    def has(self, clip: Clip, note: str) -> bool:
        """Return whether a recording's file exists and was made from the noted source."""
        found = note_of(self._folder / clip.path)
        if found is None or not same_source(found[0], note):
            return False
        if clip not in self.seconds:
            self.seconds[clip] = found[1]
            self._done()
        return True

    def add(self, clip: Clip, note: str, sound: bytes | Path) -> None:
        """Convert a recording; wait while the queue is full.

        Raises:
            EcefError: an earlier file could not be written, or the file of another recording must stay.
        """
        target = self._folder / clip.path
        if target.exists():
            if note_of(target) is None:
                self.damaged += 1
            else:
                self._give_way()
        while len(self._pending) >= WAITING * self._workers:
            self._settle()
        target.parent.mkdir(parents=True, exist_ok=True)
        self._pending.append((clip, self._executor().submit(_made, sound, target, note)))

    def finish(self) -> None:
        """Wait for all queued recordings.

        Raises:
            EcefError: a file could not be written.
        """
        while self._pending:
            self._settle()

    def _executor(self) -> Executor:
        self._begun += 1
        if self._workers == 1 or self._begun <= FEW:
            return self._thread
        if self._processes is None:
            # Not by fork: a child would keep the folder's lock and all open files after the parent ends.
            self._processes = ProcessPoolExecutor(
                self._workers, mp_context=multiprocessing.get_context("spawn"), initializer=_as_child
            )
        return self._processes

    def _settle(self) -> None:
        clip, future = self._pending.popleft()
        try:
            self.seconds[clip] = future.result()
            self.made += 1
        except DataError as error:
            self.faults[clip] = error.problem
        except BrokenProcessPool as error:
            hint = "finished recordings are kept; use --workers 1 to find the recording that causes it"
            raise EcefError("a decoding process was killed", hint=hint) from error
        except OSError as error:
            raise EcefError(
                f"cannot be written: {error.strerror or error}",
                where=str(self._folder / clip.path),
                hint="finished recordings are kept; free some space and run the command again",
            ) from error
        self._done()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        if self._processes is not None:
            self._processes.shutdown(cancel_futures=True)


def _as_child() -> None:
    """Ignore what a terminal sends to all processes, and exit when the parent ends."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _made(sound: bytes | Path, target: Path, note: str) -> float:
    convert(sound, target, note)
    found = note_of(target)
    if found is None:  # the disk lost the file
        raise OSError("the file cannot be read back")
    return found[1]
