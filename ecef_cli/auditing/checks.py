"""What a check of an audit found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["passed", "failed", "noted", "not measured"]


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        name: what is checked, in a few words.
        status: `noted` is something to know that is no fault of the run; `not measured` says why in `found`.
        found: what was found, with the figure that decided.
    """

    name: str
    status: Status
    found: str

    def as_dict(self) -> dict[str, Any]:
        """Return the check as plain values."""
        return {"check": self.name, "status": self.status, "found": self.found}


def judged(name: str, found: str, *, passed: bool) -> Check:
    """Return a check that passed or failed."""
    return Check(name, "passed" if passed else "failed", found)
