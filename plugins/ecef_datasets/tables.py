"""Read CSV and similar tables row by row, with the line number of each row."""

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
"""Keys that mark a row with too many values or an unclosed quotation mark; no column has these names."""
_END = "\0"
_CLOSE = 'close it; inside a text, write "" for one'
_UNREADABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Table:
    """A table with a header.

    Args:
        path: the file.
        delimiter: the character between two values.

    Raises:
        DataError: the file cannot be read.
    """

    def __init__(self, path: Path, delimiter: str = ",") -> None:
        self.path = path
        self._name = "CSV" if delimiter == "," else f"a table delimited by {delimiter!r}"
        self._reader = csv.reader(self._lines(read_text(path)), delimiter=delimiter)
        self._over = False
        self._raw: list[str] = []  # lines of the current row
        while (names := self._next()) == []:  # an empty line
            pass
        if names is None:
            raise DataError("the file is empty", where=str(path), hint="a table starts with its column names")
        self.columns: tuple[str, ...] = tuple(mend(name)[0].strip() for name in names)
        """Column names in the header."""
        self.header = f"{path}:{self._reader.line_num}"
        """Location of the header's end, as `file:line`."""
        check_readable("the header", "".join(self.columns), self.header)

    def rows(self, texts: Collection[str], repaired: Counter[str]) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield each row with the `file:line` of its start; skip empty lines.

        Args:
            texts: columns to repair broken characters in.
            repaired: counts each kind of repair once per row.

        Raises:
            DataError: the file is not a table from some line on.
        """
        line = self._reader.line_num + 1
        while (values := self._next()) is not None:
            if values:
                # A short row lacks its last columns; surplus values go under `_SURPLUS`.
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
        """Raise a DataError if a column is missing."""
        for column in needed:
            if column not in self.columns:
                close = nearest(column, self.columns)
                raise DataError(
                    f"no column named {column!r}; found {listed(self.columns)}",
                    where=self.header,
                    hint=f"rename column {close!r}" if close else None,
                )

    def _next(self) -> list[str] | None:
        where = f"{self.path}:{self._reader.line_num + 1}"
        self._raw.clear()
        try:
            values = next(self._reader, None)
        except csv.Error as error:
            hint = "look for an unclosed quotation mark"
            raise DataError(f"not {self._name}: {error}", where=where, hint=hint) from None
        if not self._over:
            return values
        if values not in (None, [_END]):
            raise DataError("the row has an unclosed quotation mark", where=where, hint=_CLOSE)
        return None

    def _lines(self, text: str) -> Iterator[str]:
        """Yield the lines of a table and an end marker, which joins a row only after an unclosed quotation mark."""
        for line in io.StringIO(text, newline=""):
            self._raw.append(line)
            yield line
        self._over = True
        yield _END

    def _is_torn(self) -> bool:
        """Return whether a row continues into the next because of an unclosed quotation mark."""
        if len(self._raw) > 1:
            try:
                list(csv.reader(self._raw, self._reader.dialect, strict=True))
            except csv.Error:  # text between a closing mark and the next delimiter
                return True
        return False


def read_text(path: Path) -> str:
    """Return a file's text without its byte order mark; invalid UTF-8 stays for `mend` to repair.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from None


def listed(names: Sequence[str]) -> str:
    """Return column names, quoted, for an error."""
    return ", ".join(map(repr, names)) or "none"


def check_surplus(row: Mapping[str, str], where: str) -> None:
    """Raise a DataError if a row has more values than the header has columns, or continues into the next."""
    if _TORN in row:
        raise DataError("the row has an unclosed quotation mark", where=where, hint=_CLOSE)
    if _SURPLUS in row:
        hint = "quote values that contain the delimiter"
        raise DataError("the row has more values than the header has columns", where=where, hint=hint)


def check_filled(row: Mapping[str, str], columns: Iterable[str], where: str) -> None:
    """Raise a DataError if a column of a row is empty."""
    for column in columns:
        if not row.get(column, "").strip():
            raise DataError(f"{column} is empty", where=where)


def check_readable(name: str, text: str, where: str) -> None:
    """Raise a DataError if a text contains a non-character, such as a byte that could not be repaired."""
    broken = _UNREADABLE.search(text)
    if broken:
        problem = f"{name} contains U+{ord(broken.group()):04X}, which is not a character"
        raise DataError(problem, where=where, hint="save the file as UTF-8")


def whole(row: Mapping[str, str], column: str, where: str) -> int:
    """Return the whole number in a column, or raise a DataError."""
    text = row[column].strip()
    if not (text.isascii() and text.isdigit()):
        raise DataError(f"{column} must be a whole number, not {text!r}", where=where)
    return int(text)


def candidates(sources: Iterable[Path], name: str, folders: Sequence[str] = ()) -> list[Path]:
    """Return the files called `name` among `sources`, directly in their folders, or in `folders` below them.

    Raises:
        DataError: a source does not exist.
    """
    found: list[Path] = []
    for source in sources:
        if not source.exists():
            raise DataError("no such file or folder", where=str(source))
        paths = (source / name, *(source / folder / name for folder in folders)) if source.is_dir() else (source,)
        found += [path for path in paths if path.name == name and path.is_file()]
    return found


def find_file(sources: Sequence[Path], name: str, folders: Sequence[str] = (), *, hint: str | None = None) -> Path:
    """Return the only file that `candidates` finds.

    Args:
        sources: files or folders.
        name: the file's name.
        folders: folders below a source that may contain the file.
        hint: what to do if it is missing.

    Raises:
        DataError: it is missing, or there are two.
    """
    found = candidates(sources, name, folders)
    if not found:
        usual = "pass the folder that contains it" + "".join(
            f", or the one that contains {folder}" for folder in folders
        )
        raise DataError(f"{name} is missing", where=", ".join(map(str, sources)), hint=hint or usual)
    if len({path.resolve() for path in found}) > 1:
        raise DataError(f"two files are called {name}: {found[0]} and {found[1]}", hint="pass only one of them")
    return found[0]


def line_item(where: str | None) -> str:
    """Return a name for an unnamed row: the line of its `file:line`."""
    return f"line {(where or '').rpartition(':')[2]}"
