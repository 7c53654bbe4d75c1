"""Splits that the names of files and the rows state."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecef_cli.api.errors import DataError, did_you_mean
from ecef_cli.api.text_files import plain_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ecef_cli.api.dialogue import Utterance

SPLITS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("dev", "devel", "development", "val", "valid", "validation"), "dev"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
"""Words for a split in names of files and in rows, with the split they mean."""

IGNORE = "--option splits_by_name=false"
"""Option that gives the names of files no meaning."""

_EVALUATION = {"eval", "evaluation"}  # dev to some, test to others


@dataclass(frozen=True, slots=True)
class Stated:
    """A split stated by a file or a row, and its location."""

    split: str
    where: str


def splits_of_files(files: Sequence[Path]) -> dict[Path, str]:
    """Return the split of each file whose name has a word for one, such as `val.csv` or `train_sent_emo.csv`.

    `eval` is dev if another file is test, and test if another is dev.

    Raises:
        DataError: a name has words of two splits, or `eval` could be either.
    """
    words = {path: _words(path) for path in files}
    found: dict[Path, str] = {}
    for path in files:
        named = {SPLITS[word] for word in words[path] if word in SPLITS}
        if len(named) > 1:
            problem = f"the name reads like {' and '.join(sorted(named))}"
            raise DataError(problem, where=str(path), hint=f"rename the file, or pass {IGNORE}")
        found |= dict.fromkeys([path] if named else (), "".join(named))
    others = set(found.values())
    for path in files:
        if path not in found and words[path] & _EVALUATION:
            free = {"dev", "test"} - others
            if len(free) != 1:
                hint = f"rename it to dev{plain_name(path).suffix} or test{plain_name(path).suffix}, or pass {IGNORE}"
                raise DataError("the name may mean dev or test", where=str(path), hint=hint)
            found[path] = "".join(free)
    return found


def naming_remarks(splits: Mapping[Path, str]) -> tuple[str, ...]:
    """Return a line about the files whose names are not simply the words for their splits."""
    read = [f"{p.name} as {split}" for p, split in splits.items() if SPLITS.get(plain_name(p).stem.casefold()) != split]
    return (f"splits by the names of files: {', '.join(read)} ({IGNORE} ignores names)",) if read else ()


def stated_split(utterance: Utterance, of_file: str | None, file_name: str) -> Stated | None:
    """Return the split that a row or its file states, or None.

    Raises:
        DataError: the row states an unknown split, or another than its file.
    """
    named, where = utterance.row.get("split"), utterance.where or ""
    if named is None:
        return Stated(of_file, where) if of_file else None
    of_row = SPLITS.get(named.strip().casefold()) if isinstance(named, str) else None
    if of_row is None:
        raise DataError(f"unknown split {named!r}", where=where, hint=did_you_mean(str(named), SPLITS))
    if of_file not in {None, of_row}:
        raise DataError(
            f"the row says {named!r}, but its file is {file_name}",
            where=where,
            hint=f"change one of the two, or pass {IGNORE}",
        )
    return Stated(of_row, where)


def _words(path: Path) -> set[str]:
    # camelCase, digits, underscores and punctuation divide words.
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain_name(path).stem)
    return set(re.findall(r"[^\W\d_]+", spaced.casefold()))
