"""Folder, workers and messages for a dataset reader that downloads or converts files."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ecef_cli.api.transcripts import Transcripts


class ProgressBar(Protocol):
    """Show the progress of a task."""

    def reach(self, done: int, total: int | None = None) -> None:
        """Set the number of finished units, and their total once it is known."""


class _NoBar:
    def reach(self, done: int, total: int | None = None) -> None:
        pass


def _no_progress(_total: int | None, _label: str, _unit: str) -> AbstractContextManager[ProgressBar]:
    return nullcontext(_NoBar())


def _ignore(*_: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class PrepareContext:
    """The dataset folder, and how to report progress. The defaults report nothing.

    Attributes:
        folder: the dataset's folder in the workspace; it may not exist yet. Do not write to the host's own files there
            (`dataset.json`, `manifest`, `tags`, `features`). No other `prepare` uses the folder at the same time.
        workers: number of tasks to run at once.
        progress: opens a progress bar for a total (None if unknown), a label and a unit.
        say: shows the user a message that is not an error.
        give_way: call it before replacing a file that was made from another source and may belong to a prepared
            dataset. It raises an EcefError if that dataset must stay.
        transcripts: reads transcripts through all installed readers; None outside `prepare`.
    """

    folder: Path
    workers: int = 1
    progress: Callable[[int | None, str, str], AbstractContextManager[ProgressBar]] = field(default=_no_progress)
    say: Callable[[str], None] = field(default=_ignore)
    give_way: Callable[[], None] = field(default=_ignore)
    transcripts: Transcripts | None = None
