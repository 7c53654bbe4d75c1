"""Converts recordings with several processes, and remembers what became of each."""

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
"""Recordings a worker may have waiting: enough to be busy, and few enough to lie in memory."""
FEW = 24
"""Recordings that are done before further processes would have started."""


class ClipPool:
    """Makes the FLAC files of recordings in a folder.

    A decoder's frames are so short that Python's lock is what threads would wait for; hence processes.

    Args:
        folder: where the files go.
        workers: how many are made at once.
        done: is called after each.
        give_way: is called before the file of another recording is replaced.

    Attributes:
        seconds: how long each recording is that is there.
        faults: what is wrong with each that could not be made.
        made: how many were decoded, and not there already.
        damaged: how many of these were there, and not whole.
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
        """Tell whether the file of a recording is there, made of what the note says."""
        found = note_of(self._folder / clip.path)
        if found is None or not same_source(found[0], note):
            return False
        if clip not in self.seconds:
            self.seconds[clip] = found[1]
            self._done()
        return True

    def add(self, clip: Clip, note: str, sound: bytes | Path) -> None:
        """Make the file of a recording; waits while too many are under way.

        Raises:
            EcefError: one of those before could not be written, or the file of another recording is to stay.
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
        """Wait for all that is under way.

        Raises:
            EcefError: one could not be written.
        """
        while self._pending:
            self._settle()

    def _executor(self) -> Executor:
        self._begun += 1
        if self._workers == 1 or self._begun <= FEW:
            return self._thread
        if self._processes is None:
            # Not by fork: a child would hold the lock of the folder, and every other file, beyond the parent's end.
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
            hint = "what is done is kept; run it again with --workers 1 to see at which recording"
            raise EcefError("a process that decodes recordings was ended from outside", hint=hint) from error
        except OSError as error:
            raise EcefError(
                f"cannot be written: {error.strerror or error}",
                where=str(self._folder / clip.path),
                hint="what is done is kept; make room and run it again",
            ) from error
        self._done()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        if self._processes is not None:
            self._processes.shutdown(cancel_futures=True)


def _as_child() -> None:
    """Leave interruptions to the parent, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _made(sound: bytes | Path, target: Path, note: str) -> float:
    convert(sound, target, note)
    found = note_of(target)
    if found is None:  # a disk that loses what was written
        raise OSError("it is not there as it was written")
    return found[1]
