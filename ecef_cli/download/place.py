"""What a reader of a corpus is given when it may download, unpack and convert."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path


class Bar(Protocol):
    """Shows how far a piece of work is."""

    def reach(self, done: int, total: int | None = None) -> None:
        """Say how many units are done by now, and how many there are where that has become known."""


class _Silent:
    def reach(self, done: int, total: int | None = None) -> None:
        pass

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _silent(total: int | None, label: str, unit: str) -> AbstractContextManager[Bar]:
    del total, label, unit
    return _Silent()


def _unheard(line: str) -> None:
    del line


def _vacant() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader may write, and how it tells of its work.

    Attributes:
        folder: the dataset's folder in the workspace, which need not exist; names of the host's own files there
            (`dataset.json`, `manifest`, `tags`, `features`) are taken. No other `prepare` is at work there.
        workers: how many things may be done at once.
        progress: makes a progress bar of a total (where known), of what is being done, and of the unit.
        say: tells the user a line that is no error.
        give_way: is to be called before a file is replaced that was made of something else and may belong to a dataset
            that is prepared; it raises an EcefError where that dataset is to stay.
    """

    folder: Path
    workers: int = 1
    progress: Callable[[int | None, str, str], AbstractContextManager[Bar]] = field(default=_silent)
    say: Callable[[str], None] = field(default=_unheard)
    give_way: Callable[[], None] = field(default=_vacant)
