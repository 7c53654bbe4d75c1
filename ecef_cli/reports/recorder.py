"""Record predictions for the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ecef_cli.prediction.outcomes import LEFT_OUT, WITHOUT_RECORDING, Predicted, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROWS = 1_000
"""Maximum rows of a report, for the sake of browsers and memory."""

PROBLEMS = 200
"""Maximum problems that a report lists."""


@dataclass(slots=True)
class Recorded:
    """Results for the rows of a stream.

    Attributes:
        answered: the first `ROWS` rows with a prediction.
        rows: how many have one.
        problems: the first `PROBLEMS` problems, in words.
        troubled: how many problems there are.
    """

    answered: list[Predicted] = field(default_factory=list)
    rows: int = 0
    problems: list[str] = field(default_factory=list)
    troubled: int = 0

    def recording(self, items: Iterable[Predicted | Rejected]) -> Iterator[Predicted | Rejected]:
        """Yield the items of a stream, and record them."""
        for item in items:
            if item.problem is not None:
                outcome = LEFT_OUT if isinstance(item, Rejected) else WITHOUT_RECORDING
                self.troubled += 1
                if len(self.problems) < PROBLEMS:
                    self.problems.append(f"{outcome}: {item.problem}")
            if isinstance(item, Predicted):
                self.rows += 1
                if len(self.answered) < ROWS:
                    self.answered.append(item)
            yield item
