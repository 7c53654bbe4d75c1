"""Reads tables, CSV and the like, row by row, each with the line on which it begins."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from ecef_cli.api.errors import DataError, nearest
from ecef_datasets.repair import decode, mend

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_SURPLUS = ""
_TORN = "\n"
"""Under these keys, which no column is called, a row says that it has more values than columns, or wrong quotation."""
_END = "\0"
_CLOSE = 'close it; within a text, write "" for one'
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
        self._reader = csv.reader(self._lines(read_text(path)), delimiter=delimiter)
        self._over = False
        self._raw: list[str] = []  # the lines of the row that was read last
        while (names := self._next()) == []:  # an empty line
            pass
        if names is None:
            raise DataError("the file is empty", where=str(path), hint="a table begins with the names of its columns")
        self.columns: tuple[str, ...] = tuple(mend(name)[0].strip() for name in names)
        """The names in the header."""
        self.header = f"{path}:{self._reader.line_num}"
        """Where the header ends, as `file:line`."""
        check_readable("the header", "".join(self.columns), self.header)

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
                if self._is_torn():
                    row[_TORN] = ""
                mended: set[str] = set()
                for column in row.keys() & set(texts):
                    row[column], repairs = mend(row[column])
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
                    where=self.header,
                    hint=f"did you mean it by {close!r}?" if close else f"there are: {listed(self.columns)}",
                )

    def _next(self) -> list[str] | None:
        where = f"{self.path}:{self._reader.line_num + 1}"
        self._raw.clear()
        try:
            values = next(self._reader, None)
        except csv.Error as error:
            hint = "is a quotation mark left open?"
            raise DataError(f"not {self._name}: {error}", where=where, hint=hint) from None
        if not self._over:
            return values
        if values not in (None, [_END]):
            raise DataError("the row has a quotation mark that is never closed", where=where, hint=_CLOSE)
        return None

    def _lines(self, text: str) -> Iterator[str]:
        """Yield the lines of a table and one more, which only a quotation mark left open makes a part of a row."""
        for line in io.StringIO(text, newline=""):
            self._raw.append(line)
            yield line
        self._over = True
        yield _END

    def _is_torn(self) -> bool:
        """Tell whether a row runs into the next one, because only a quotation mark of that closes one of its own."""
        if len(self._raw) > 1:
            try:
                list(csv.reader(self._raw, self._reader.dialect, strict=True))
            except csv.Error:  # something stands between a mark that closes and the next value
                return True
        return False


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
    """Raise a DataError where a row has more values than the header has columns, or runs into the next one."""
    if _TORN in row:
        raise DataError("the row has a quotation mark that only a later row closes", where=where, hint=_CLOSE)
    if _SURPLUS in row:
        hint = "a value that holds what stands between values needs quotation marks around it"
        raise DataError("the row has more values than the header has columns", where=where, hint=hint)


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
