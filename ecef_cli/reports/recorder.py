"""Keeps what a stream of rows was answered, for a report, while the rows go on to stdout."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import DataError
from ecef_cli.corpus.tolerance import RowCount

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.corpus.tolerance import Tolerance

ROWS = 1_000
"""Rows that a report shows at most: a browser, and memory, must bear them."""

PROBLEMS = 200
"""Problems that a report lists at most."""

_LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Answered:
    """An utterance and what the model says.

    Attributes:
        utterance: as it was answered; without its recording where that could not be read.
        row: the row that was written.
    """

    utterance: Utterance
    row: Mapping[str, Any]


@dataclass(slots=True)
class Recorded:
    """What became of the rows of a stream.

    Attributes:
        answered: the first `ROWS` rows that were answered.
        rows: how many were answered.
        problems: the first `PROBLEMS` problems, in words.
        troubled: how many problems there were.
    """

    answered: list[Answered] = field(default_factory=list)
    rows: int = 0
    problems: list[str] = field(default_factory=list)
    troubled: int = 0


class Recorder(RowCount):
    """Counts rows as `RowCount` does, and keeps the first of them.

    Rows come out in the order in which utterances went in, but for those that were refused, and whoever answers them
    says `accept` or `refuse` of each once: that is how a row finds its utterance again.

    Args:
        tolerance: what is put up with.
        name: what is read, for errors.
    """

    def __init__(self, tolerance: Tolerance, name: str) -> None:
        super().__init__(tolerance, name)
        self.found = Recorded()
        self._arrived: deque[Utterance | DataError] = deque()
        self._outcomes: deque[str | None] = deque()

    def arriving(self, utterances: Iterable[Utterance | DataError]) -> Iterator[Utterance | DataError]:
        """Pass utterances on, and remember those that are not yet answered."""
        for utterance in utterances:
            self._arrived.append(utterance)
            yield utterance

    def accept(self) -> None:
        """Count a whole row."""
        super().accept()
        self._outcomes.append(None)

    def refuse(self, error: DataError, outcome: str = _LEFT_OUT) -> None:
        """Count a broken row and keep what is wrong with it.

        Raises:
            DataError: it is one too many.
        """
        self._outcomes.append(outcome)
        self.found.troubled += 1
        if len(self.found.problems) < PROBLEMS:
            self.found.problems.append(f"{outcome}: {error}")
        super().refuse(error, outcome)

    def answering(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Pass rows on, and keep the first of them with their utterances."""
        for row in rows:
            utterance = self._next()
            self.found.rows += 1
            if len(self.found.answered) < ROWS:
                self.found.answered.append(Answered(utterance, row))
            yield row

    def _next(self) -> Utterance:
        """Return the utterance of the row that has just been answered."""
        while True:
            utterance, outcome = self._arrived.popleft(), self._outcomes.popleft()
            if outcome == _LEFT_OUT or isinstance(utterance, DataError):
                continue
            return utterance if outcome is None else replace(utterance, audio=None)
