"""Findings of `ecef doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Status = Literal["ok", "note", "bad"]
PREDICTION = "text prediction"
"""The check that decides the exit code: the bundled model answers a row of text."""


@dataclass(frozen=True, slots=True)
class Row:
    """One finding.

    Attributes:
        check: what was examined.
        status: `ok`; `note` for a limitation that leaves everything else working; `bad`.
        found: what it is, or what is wrong with it.
        cure: what to do, as a command if there is one; empty if there is nothing to do.
    """

    check: str
    status: Status
    found: str
    cure: str = ""


if TYPE_CHECKING:
    Step = Callable[[], Iterable[Row]]
    """Examines one thing. It may raise, hang or end its process: it runs in a process of its own."""


def size(count: float) -> str:
    """Return a number of bytes in GiB."""
    return f"{count / 2**30:,.1f} GiB"
