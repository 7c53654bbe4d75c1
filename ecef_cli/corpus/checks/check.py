"""What a check found, of a run, a recipe or a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ecef_cli import console
from ecef_cli.api.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Status = Literal["passed", "failed", "noted", "not measured"]

SHOWN = 3
"""Problems of a check that are shown where not all are."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not well.

    Attributes:
        text: what it is.
        where: `file:line`, where it has a place.
    """

    text: str
    where: str | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.text}" if self.where else self.text


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        name: what is checked, in a few words.
        status: `noted` is something to know that is no fault of the run or the dataset; `not measured` says why in
            `found`.
        found: what was found, with the figure that decided.
        problems: everything that is not well, one by one, where it can be told one by one.
    """

    name: str
    status: Status
    found: str
    problems: tuple[Problem, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the check as plain values, without its problems."""
        return {"check": self.name, "status": self.status, "found": self.found}


def judged(name: str, found: str, *, passed: bool) -> Check:
    """Return a check that passed or failed."""
    return Check(name, "passed" if passed else "failed", found)


def searched(
    name: str, problems: Iterable[Problem], *, well: str, wrong: tuple[str, str], status: Status = "failed"
) -> Check:
    """Return a check that passed where no problem was found.

    Args:
        name: what is checked.
        problems: what was found.
        well: what to say where nothing was.
        wrong: what to say of one problem, and of several, after their number.
        status: what the check is where something was.
    """
    found = tuple(problems)
    if not found:
        return Check(name, "passed", well)
    return Check(name, status, f"{len(found):,} {wrong[len(found) > 1]}", found)


def detailed(checks: Iterable[Check], form: str) -> list[dict[str, Any]]:
    """Return the rows that show checks with their problems: all of them, or of a table the first few in rows of theirs.

    Args:
        checks: the checks.
        form: how the rows will be written, one of `ecef_cli.console.FORMATS`.
    """
    if form != "table":
        return [{**check.as_dict(), "problems": [str(problem) for problem in check.problems]} for check in checks]
    rows = []
    for check in checks:
        rows.append(check.as_dict())
        more = [console.shortened(str(problem)) for problem in check.problems[:SHOWN]]
        if len(check.problems) > SHOWN:
            more.append(f"… and {len(check.problems) - SHOWN:,} more; --format json lists all")
        rows += [{"check": "", "status": "", "found": f"- {line}"} for line in more]
    return rows


def told(check: Check) -> Iterator[str]:
    """Yield what a check found as lines: one with the places of the first few problems, or one for each of these."""
    first, more = check.problems[:SHOWN], len(check.problems) - SHOWN
    places = [Path(problem.where).name for problem in first if problem.where]
    if not first:
        yield check.found
    elif places:
        yield f"{check.found} ({', '.join(places)}{', …' if more > 0 else ''})"
    else:
        yield from (problem.text for problem in first)
        if more > 0:
            yield f"… and {more:,} more of these"


def conclude(checks: Sequence[Check], where: str, *, hint: str | None = None) -> None:
    """Raise a DataError that names the checks that failed, where any did.

    Args:
        checks: the checks.
        where: what was checked.
        hint: what to do about it.
    """
    failed = [check.name for check in checks if check.status == "failed"]
    if failed:
        raise DataError(f"{len(failed)} of {len(checks)} checks failed: {'; '.join(failed)}", where=where, hint=hint)
