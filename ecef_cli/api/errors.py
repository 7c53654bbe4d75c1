"""Errors that a user can fix. Each is raised close to its cause, and printed once, in `ecef_cli.cli.main`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class EcefError(Exception):
    """Failure at run time.

    Args:
        problem: the problem, in one line without a full stop.
        hint: what to do about it.
        where: the place, as `file` or `file:line`.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, problem: str, *, hint: str | None = None, where: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint
        self.where = where

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.problem}{advice}"


class UsageProblem(EcefError):  # noqa: N818 - click.UsageError is another thing
    """Command line that names something missing, or combines options that exclude each other."""

    exit_code = 2


class RecipeError(EcefError):
    """Invalid recipe.

    Args:
        problems: all problems, each with its path in the recipe.
    """

    exit_code = 2

    def __init__(self, problem: str, *, problems: tuple[str, ...] = (), hint: str | None = None) -> None:
        super().__init__(problem, hint=hint)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {line}" for line in self.problems)])


class DataError(EcefError):
    """Invalid input data, or more of it than the tolerance allows."""

    exit_code = 3


class PluginError(EcefError):
    """Plugin that is missing, fails to load, or breaks its contract."""

    exit_code = 4


def described(error: BaseException) -> str:
    """Return an error as one line; an error that is not an `EcefError` starts with its class."""
    text = " ".join(str(error).split())
    return text if isinstance(error, EcefError) else f"{type(error).__name__}: {text}".removesuffix(": ")


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the closest of `words` to `word`, or None if none is close.

    Args:
        word: what the user wrote.
        words: the valid words.
    """
    from difflib import get_close_matches

    known = {str(w).casefold(): str(w) for w in words}
    close = get_close_matches(word.casefold(), known, n=1, cutoff=0.6)
    return known[close[0]] if close else None


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return a hint that names the closest valid word, or else all of them."""
    known = [str(w) for w in words]
    close = nearest(word, known)
    if close:
        return f"did you mean {close!r}?"
    return "known: " + ", ".join(sorted(known)) if known else "none is available"
