"""How much broken data is put up with."""

from __future__ import annotations

import math
import re

from ecef_cli import output
from ecef_cli.errors import DataError, UsageProblem


def parse_tolerance(text: str) -> tuple[float, float]:
    """Return the share (0 to 1) and the number of rows that `1%` or `5` allow; the other of the two is infinite.

    Raises:
        UsageProblem: the text is neither.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", text.strip())
    if not match or (match[2] and float(match[1]) > 100) or (not match[2] and "." in match[1]):  # noqa: PLR2004
        raise UsageProblem(f"--tolerate {text!r}", hint="a share such as 1% or a number of rows such as 5")
    return (float(match[1]) / 100, math.inf) if match[2] else (math.inf, float(match[1]))


class Tolerance:
    """Counts the rows of a stream, whole and broken.

    Args:
        text: a share such as `1%`, or a number of rows.
        name: what is read, for errors.
    """

    def __init__(self, text: str, name: str) -> None:
        self._share, self._count = parse_tolerance(text)
        self._name = name
        self._broken = 0
        self._whole = 0

    @property
    def strict(self) -> bool:
        """Whether nothing is tolerated, so that the first broken row ends the work."""
        return not self._share or not self._count

    def accept(self) -> None:
        """Count a whole row."""
        self._whole += 1

    def refuse(self, error: DataError) -> None:
        """Count a broken row and say that it is left out.

        Raises:
            DataError: it is one too many.
        """
        self._broken += 1
        output.warn(f"left out: {error}")
        if self._broken > self._count:
            self._give_up()

    def close(self) -> None:
        """Judge the share of broken rows, now that the stream has ended.

        Raises:
            DataError: it is too large, or there was no row at all.
        """
        total = self._broken + self._whole
        if not total:
            raise DataError("the file holds no utterance", where=self._name, hint="one JSON object a line")
        if self._broken > self._share * total:
            self._give_up()

    def _give_up(self) -> None:
        total = self._broken + self._whole
        raise DataError(
            f"{self._broken} of {total} rows are broken, more than is tolerated",
            where=self._name,
            hint="mend them, or raise --tolerate",
        )
