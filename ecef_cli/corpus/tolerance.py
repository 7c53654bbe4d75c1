"""Tolerance for invalid rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ecef_cli import console
from ecef_cli.api.errors import DataError, UsageProblem


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Maximum of invalid rows to skip: a number, or a share of all rows."""

    limit: float
    relative: bool

    @classmethod
    def parse(cls, text: str) -> Tolerance:
        """Parse a tolerance such as `1%` or `5`.

        Raises:
            UsageProblem: the text is not a tolerance.
        """
        number = text.strip().removesuffix("%")
        relative = number != text.strip()
        try:
            limit = float(number) if relative else int(number)
        except ValueError:
            limit = math.nan
        if not 0 <= limit <= (100 if relative else math.inf):
            raise UsageProblem(f"--tolerate {text}: pass a share such as 1%, or a number of rows such as 5")
        return cls(limit, relative)

    def allows(self, broken: int, total: int) -> bool:
        """Return whether `broken` of `total` rows may be skipped."""
        return broken <= (self.limit * total / 100 if self.relative else self.limit)


class RowCount:
    """Counter of the valid and invalid rows of a stream, with a tolerance.

    Args:
        tolerance: the maximum of invalid rows.
        name: the stream's name, for errors.
    """

    def __init__(self, tolerance: Tolerance, name: str) -> None:
        self._tolerance = tolerance
        self._name = name
        self._broken = 0
        self._whole = 0

    def accept(self) -> None:
        """Count a valid row."""
        self._whole += 1

    def refuse(self, error: DataError, outcome: str = "left out") -> None:
        """Count an invalid row and warn about it.

        Args:
            error: the row's error.
            outcome: the treatment of the row, for the warning.

        Raises:
            DataError: the row exceeds the tolerance. A share other than zero is checked only by `close`.
        """
        self._broken += 1
        if not self._tolerance.limit:
            raise error
        console.warn(f"{outcome}: {error}")
        if not self._tolerance.relative:
            self._check()

    def close(self) -> None:
        """Check the tolerance at the end of the stream.

        Raises:
            DataError: too many invalid rows, or no rows at all.
        """
        if not self._broken + self._whole:
            raise DataError("the file contains no utterance", where=self._name, hint="write one JSON object per line")
        self._check()

    def _check(self) -> None:
        total = self._broken + self._whole
        if not self._tolerance.allows(self._broken, total):
            raise DataError(
                f"{self._broken} of {total} rows are invalid, more than tolerated",
                where=self._name,
                hint="fix them, or raise --tolerate",
            )
