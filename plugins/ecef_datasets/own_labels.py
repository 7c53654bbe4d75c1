"""Labels of the user's own dialogues: missing ones, several in a cell, and spellings of the same one."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING

from ecef_cli.api.errors import DataError
from ecef_cli.api.values import alike_labels, clean_name, is_missing

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

FOLD = "fold"
"""Word of the option `labels` that unites spellings of a label."""


def read_label(value: str | None, missing: Collection[str], where: str | None) -> tuple[str | None, bool]:
    """Return the label in a value, None if there is none, and whether a word for a missing value was read.

    Takes the only choice of an annotation such as `{"choices": ["joy"]}` or `["joy"]`.

    Args:
        value: the value of `emotion`.
        missing: words for missing labels, in lower case.
        where: `file:line`, for errors.

    Raises:
        DataError: the value is empty, or has several choices.
    """
    if value is None:
        return None, False
    label = clean_name(_only_choice(value, where))
    if not label:
        raise DataError("'emotion' is empty", where=where, hint="write null for an utterance without a label")
    return (None, True) if is_missing(label, missing) else (label, False)


def _only_choice(value: str, where: str | None) -> str:
    if not value.strip().startswith(("{", "[")):
        return value
    found = _parsed(value)
    if isinstance(found, dict):
        found = found.get("choices", found)
    choices = found if isinstance(found, list | tuple) else [found]
    if len(choices) != 1 or not isinstance(choices[0], str):
        problem = f"'emotion' has {len(choices)} labels" if len(choices) > 1 else "'emotion' is not a label"
        raise DataError(f"{problem}: {value.strip()}", where=where, hint="write one label, or none")
    return choices[0]


def _parsed(value: str) -> object:
    """Return the value of JSON or of a Python literal, as data frames write lists; None for neither."""
    readers: tuple[Callable[[str], object], ...] = (json.loads, ast.literal_eval)
    for parse in readers:
        try:
            return parse(value.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def check_distinct(counts: Mapping[str, int], where: str) -> None:
    """Raise a DataError if labels differ only in case, spaces, or as the usual synonyms.

    Args:
        counts: number of utterances by label.
        where: the files.
    """
    groups = alike_labels(counts)
    if groups:
        shown = "; ".join(", ".join(f"{label!r} ({counts[label]:,})" for label in group) for group in groups)
        hint = "pass --option labels=fold to unite them, or name all labels to keep them apart: --option labels=A,B,…"
        raise DataError(f"labels that may be the same: {shown}", where=where, hint=hint)


def folded(counts: Mapping[str, int], wanted: Sequence[str] = (), *, alike: Alike = alike_labels) -> dict[str, str]:
    """Return the spelling for each label that has another one: the wanted or else the most frequent one."""
    found: dict[str, str] = {}
    for group in alike({**dict.fromkeys(wanted, 0), **counts}):
        chosen = next((label for label in wanted if label in group), None)
        chosen = chosen or min(group, key=lambda label: (-counts[label], label != label.casefold(), label))
        found |= {label: chosen for label in group if label != chosen}
    return found


def fold_remarks(kind: str, spellings: Mapping[str, str]) -> Iterable[str]:
    """Yield a line about united spellings."""
    for chosen in dict.fromkeys(spellings.values()):
        others = ", ".join(repr(other) for other, name in spellings.items() if name == chosen)
        yield f"{kind}: {chosen!r} also from {others}"


def by_frequency(train: Counter[str], every: Iterable[str]) -> list[str]:
    """Return labels, the most frequent in train first."""
    return sorted(set(every), key=lambda label: (-train[label], label))


if TYPE_CHECKING:
    Alike = Callable[[Iterable[str]], tuple[tuple[str, ...], ...]]
