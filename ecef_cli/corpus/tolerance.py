"""How much broken data is put up with."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ecef_cli import console
from ecef_cli.api.errors import DataError, UsageProblem


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How many broken rows may be left out: a number of them, or a share of all rows."""

    limit: float
    relative: bool

    @classmethod
    def parse(cls, text: str) -> Tolerance:
        """Return the tolerance that `1%` or `5` spells.

        Raises:
            UsageProblem: the text spells none.
        """
        number = text.strip().removesuffix("%")
        relative = number != text.strip()
        try:
            limit = float(number) if relative else int(number)
        except ValueError:
            limit = math.nan
        if not 0 <= limit <= (100 if relative else math.inf):
            raise UsageProblem(f"--tolerate {text}: write a share such as 1%, or a number of rows such as 5")
        return cls(limit, relative)

    def allows(self, broken: int, total: int) -> bool:
        """Return whether `broken` of `total` rows may be left out."""
        return broken <= (self.limit * total / 100 if self.relative else self.limit)


class RowCount:
    """Counts the rows of a stream, whole and broken, against a tolerance.

    Args:
        tolerance: what is put up with.
        name: what is read, for errors.
    """

    def __init__(self, tolerance: Tolerance, name: str) -> None:
        self._tolerance = tolerance
        self._name = name
        self._broken = 0
        self._whole = 0

    def accept(self) -> None:
        """Count a whole row."""
        self._whole += 1

    def refuse(self, error: DataError, outcome: str = "left out") -> None:
        """Count a broken row and say what becomes of it: that it is left out, where nothing else is said.

        Raises:
            DataError: it is one too many. A share can only be judged when the stream has ended, unless it is none.
        """
        self._broken += 1
        if not self._tolerance.limit:
            raise error
        console.warn(f"{outcome}: {error}")
        if not self._tolerance.relative:
            self._judge()

    def close(self) -> None:
        """Judge the broken rows, now that the stream has ended.

        Raises:
            DataError: there are too many, or there was no row at all.
        """
        if not self._broken + self._whole:
            raise DataError("the file holds no utterance", where=self._name, hint="one JSON object a line")
        self._judge()

    def _judge(self) -> None:
        total = self._broken + self._whole
        if not self._tolerance.allows(self._broken, total):
            raise DataError(
                f"{self._broken} of {total} rows are broken, more than is tolerated",
                where=self._name,
                hint="mend them, or raise --tolerate",
            )
