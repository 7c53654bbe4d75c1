"""Reads tables, CSV and the like, row by row, each with the line on which it begins."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from ecef_cli.errors import DataError, nearest
from ecef_datasets.repair import decode, mend

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_SURPLUS = ""
_UNREADABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Table:
    """A table with a header, read as a whole.

    Args:
        path: the file.
        delimiter: what stands between two values.

    Raises:
        DataError: the file cannot be read.
    """

    def __init__(self, path: Path, delimiter: str = ",") -> None:
        self.path = path
        self._name = "CSV" if delimiter == "," else f"a table with {delimiter!r} between its values"
        self._reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter)
        self.columns: tuple[str, ...] = tuple(mend(name)[0].strip() for name in self._next() or ())
        """The names in the header."""
        check_readable("the header", "".join(self.columns), f"{path}:1")

    def rows(self, texts: Collection[str], repaired: Counter[str]) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield each row, and where it begins as `file:line`; empty lines count for nothing.

        Args:
            texts: the columns whose broken characters are mended.
            repaired: is told what was mended, once a row.

        Raises:
            DataError: the file is no table from some line on.
        """
        line = self._reader.line_num + 1
        while (values := self._next()) is not None:
            if values:
                # A row that is too short lacks its last columns; what is too much goes by no name.
                row = dict(zip([*self.columns, _SURPLUS], values, strict=False))
                mended: set[str] = set()
                for column in texts:
                    row[column], repairs = mend(row.get(column, ""))
                    mended |= repairs.keys()
                repaired.update(mended)
                yield f"{self.path}:{line}", row
            line = self._reader.line_num + 1

    def check_columns(self, needed: Iterable[str]) -> None:
        """Raise a DataError where a column is missing."""
        for column in needed:
            if column not in self.columns:
                close = nearest(column, self.columns)
                raise DataError(
                    f"the column {column!r} is missing",
                    where=f"{self.path}:1",
                    hint=f"did you mean it by {close!r}?" if close else f"there are: {listed(self.columns)}",
                )

    def _next(self) -> list[str] | None:
        line = self._reader.line_num + 1
        try:
            return next(self._reader, None)
        except csv.Error as error:
            hint = "is a quotation mark left open?"
            raise DataError(f"not {self._name}: {error}", where=f"{self.path}:{line}", hint=hint) from None


def read_text(path: Path) -> str:
    """Return a file's text without its byte order mark; bytes that are no UTF-8 stay for `mend` to see.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from None


def listed(names: Sequence[str]) -> str:
    """Return names as an error lists them."""
    return ", ".join(names) or "none"


def check_surplus(row: Mapping[str, str], where: str) -> None:
    """Raise a DataError where a row has more values than the header has columns."""
    if _SURPLUS in row:
        raise DataError("the row has more values than the header has columns", where=where)


def check_filled(row: Mapping[str, str], columns: Iterable[str], where: str) -> None:
    """Raise a DataError where a column of a row is empty."""
    for column in columns:
        if not row.get(column, "").strip():
            raise DataError(f"{column} is empty", where=where)


def check_readable(name: str, text: str, where: str) -> None:
    """Raise a DataError where a text holds what is no character, such as a byte that could not be mended."""
    broken = _UNREADABLE.search(text)
    if broken:
        problem = f"{name} holds U+{ord(broken.group()):04X}, which is no character"
        raise DataError(problem, where=where, hint="save the file as UTF-8")


def whole(row: Mapping[str, str], column: str, where: str) -> int:
    """Return the whole number in a column, or raise a DataError."""
    text = row[column].strip()
    if not (text.isascii() and text.isdigit()):
        raise DataError(f"{column} must be a whole number, not {text!r}", where=where)
    return int(text)


def candidates(sources: Iterable[Path], name: str, folders: Sequence[str] = ()) -> list[Path]:
    """Return the files of a name among `sources`, in a folder of theirs, or in one of `folders` under it.

    Raises:
        DataError: a source does not exist.
    """
    found: list[Path] = []
    for source in sources:
        if not source.exists():
            raise DataError("no such file or folder", where=str(source))
        places = (source / name, *(source / folder / name for folder in folders)) if source.is_dir() else (source,)
        found += [path for path in places if path.name == name and path.is_file()]
    return found


def find_file(sources: Sequence[Path], name: str, folders: Sequence[str] = (), *, hint: str | None = None) -> Path:
    """Return the one file of a name that `candidates` finds.

    Args:
        sources: files or folders.
        name: the file's name.
        folders: where the file may lie below a source.
        hint: what to do where it is missing.

    Raises:
        DataError: it is missing, or there are two.
    """
    found = candidates(sources, name, folders)
    if not found:
        usual = "give the folder that holds it" + "".join(f", or the one that holds {folder}" for folder in folders)
        raise DataError(f"{name} is missing", where=", ".join(map(str, sources)), hint=hint or usual)
    if len({path.resolve() for path in found}) > 1:
        raise DataError(f"{name} is there twice: {found[0]} and {found[1]}", hint="give one of the two")
    return found[0]


def line_item(where: str | None) -> str:
    """Return what a row is called that has no name: the line of its `file:line`."""
    return f"line {(where or '').rpartition(':')[2]}"
