"""Results of the checks of a run, a recipe or a dataset."""

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
"""Number of problems per check to show in a table."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem.

    Attributes:
        text: its description.
        where: `file:line`, if it has a location.
    """

    text: str
    where: str | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.text}" if self.where else self.text


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        name: the checked property, in a few words.
        status: `noted` is not a fault of the run or the dataset; `not measured` has its reason in `found`.
        found: the result, with the deciding figure.
        problems: the problems, if they can be listed.
    """

    name: str
    status: Status
    found: str
    problems: tuple[Problem, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the check as a dict, without its problems."""
        return {"check": self.name, "status": self.status, "found": self.found}


def check_result(name: str, found: str, *, passed: bool) -> Check:
    """Return a check that passed or failed."""
    return Check(name, "passed" if passed else "failed", found)


def check_problems(
    name: str, problems: Iterable[Problem], *, well: str, wrong: tuple[str, str], status: Status = "failed"
) -> Check:
    """Return a check that passes if there are no problems.

    Args:
        name: the checked property.
        problems: the problems.
        well: the text if there are none.
        wrong: the text after the number of problems, singular and plural.
        status: the status if there are any.
    """
    found = tuple(problems)
    if not found:
        return Check(name, "passed", well)
    return Check(name, status, f"{len(found):,} {wrong[len(found) > 1]}", found)


def check_rows(checks: Iterable[Check], form: str) -> list[dict[str, Any]]:
    """Return output rows of checks with their problems; a table shows the first few, each in its own row.

    Args:
        checks: the checks.
        form: the output format, one of `ecef_cli.console.FORMATS`.
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


def problem_lines(check: Check) -> Iterator[str]:
    """Yield lines about a check: one with the locations of the first few problems, or one per problem."""
    first, more = check.problems[:SHOWN], len(check.problems) - SHOWN
    locations = [Path(problem.where).name for problem in first if problem.where]
    if not first:
        yield check.found
    elif locations:
        yield f"{check.found} ({', '.join(locations)}{', …' if more > 0 else ''})"
    else:
        yield from (problem.text for problem in first)
        if more > 0:
            yield f"… and {more:,} more of these"


def raise_on_failure(checks: Sequence[Check], where: str, *, hint: str | None = None) -> None:
    """Raise a DataError that names the failed checks, if any.

    Args:
        checks: the checks.
        where: the checked run, recipe or dataset.
        hint: how to fix it.
    """
    failed = [check.name for check in checks if check.status == "failed"]
    if failed:
        raise DataError(f"{len(failed)} of {len(checks)} checks failed: {'; '.join(failed)}", where=where, hint=hint)
