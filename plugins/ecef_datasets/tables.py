"""Read CSV and similar tables row by row, with the line number of each row."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Literal

from ecef_cli.api.errors import DataError, nearest
from ecef_cli.api.text_files import open_bytes
from ecef_datasets.repair import decode, mend

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

Quoting = Literal["double", "backslash", "none", "ends"]

_SURPLUS = "\r"
_TORN = "\n"
"""Keys that mark a row with too many values or an unclosed quotation mark; no column has these names."""
_QUOTE, _BACKSLASH = "\ufdd0", "\ufdd1"
"""Stand for an escaped quotation mark and backslash while a row is read; Unicode assigns no characters to them."""
_UNESCAPED = str.maketrans({_QUOTE: '"', _BACKSLASH: "\\"})
_ESCAPE = re.compile(r"\\([\"\\])")
_SEPARATOR = re.compile(r'"?sep=(.)"?[^\S\n]*(?:\r\n|\r|\n)')  # Excel's first line
_END = "\0"
_CLOSE = 'close it; inside a text, write "" for one'
LITERAL = "or pass --option quoting=none if it belongs to the text"
"""Cure for a quotation mark that encloses no value."""
_UNREADABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Table:
    """A table with a header.

    Args:
        path: the file, also a gzip file.
        delimiter: the character between two values; None for a comma, or what a first line such as `sep=;` names.
        text: the file's text; None to read it and leave invalid UTF-8 for `mend` to repair.
        quoting: what a quotation mark means. `double`: it encloses a value, and two are one inside. `backslash`: as
            `double`, and one after a backslash belongs to the value. `none`: it is a character like any other.
            `ends`: as `none`, but it is removed from both ends of a value.
        checked: whether to refuse text beside an enclosed value in every row, and not only in one of several lines.

    Raises:
        DataError: the file cannot be read.
    """

    def __init__(
        self,
        path: Path,
        delimiter: str | None = None,
        *,
        text: str | None = None,
        quoting: Quoting = "double",
        checked: bool = False,
    ) -> None:
        self.path = path
        self.quoting = quoting
        self._checked = checked
        self._asked = delimiter
        text = read_text(path) if text is None else text
        stated = _SEPARATOR.match(text)
        self._skipped = text[: stated.end()].count("\n") if stated else 0
        self.delimiter = delimiter or (stated[1] if stated else ",")
        """The character between two values."""
        self._name = "CSV" if self.delimiter == "," else f"a table delimited by {self.delimiter!r}"
        self._plain = quoting in {"none", "ends"}
        lines = self._lines(text[stated.end() :] if stated else text)
        self._reader = csv.reader(
            lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE if self._plain else csv.QUOTE_MINIMAL
        )
        self._over = False
        self.raw: list[str] = []
        """Lines of the current row, as they are in the file."""
        while (names := self._next()) == []:  # an empty line
            pass
        if names is None:
            raise DataError("the file is empty", where=str(path), hint="a table starts with its column names")
        self._names = tuple(mend(name)[0].strip() for name in names)
        self.columns: tuple[str, ...] = tuple(name for name in self._names if name)
        """Column names in the header; columns without a name, such as a data frame's index, are passed over."""
        self.header = f"{path}:{self._line}"
        """Location of the header's end, as `file:line`."""
        check_readable("the header", "".join(self.columns), self.header)

    @classmethod
    def with_columns(cls, path: Path, needed: Collection[str]) -> Table:
        """Return a table with these columns, delimited by commas, or by what spreadsheets write instead.

        Raises:
            DataError: the file cannot be read, or a column is missing.
        """
        for delimiter in (None, ";", "\t"):
            table = cls(path, delimiter)
            if set(needed) <= set(table.columns):
                table._asked = None
                return table
        table = cls(path)
        table.check_columns(needed)
        return table

    @property
    def remarks(self) -> tuple[str, ...]:
        """A line about another delimiter than the one asked for, or a comma."""
        expected = self.delimiter == (self._asked or ",")
        return () if expected else (f"{self.path}: read with {self.delimiter!r} as the delimiter",)

    @property
    def _line(self) -> int:
        return self._reader.line_num + self._skipped

    def rows(self, texts: Collection[str], repaired: Counter[str]) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield each row with the `file:line` of its start; skip empty lines.

        Args:
            texts: columns to repair broken characters in.
            repaired: counts each kind of repair once per row.

        Raises:
            DataError: the file is not a table from some line on.
        """
        line = self._line + 1
        while (values := self._next()) is not None:
            if values:
                # A short row lacks its last columns; empty surplus values are nothing.
                row = {name: value for name, value in zip(self._names, values, strict=False) if name}
                if any(value.strip() for value in values[len(self._names) :]):
                    row[_SURPLUS] = ""
                if self._is_torn():
                    row[_TORN] = ""
                mended: set[str] = set()
                for column in row.keys() & set(texts):
                    row[column], repairs = mend(row[column])
                    mended |= repairs.keys()
                repaired.update(mended)
                yield f"{self.path}:{line}", row
            line = self._line + 1

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

    def looks_swallowed(self) -> bool:
        """Return whether each line of the current row would be a row by itself."""
        # A comma in prose is followed by a space.
        counts = {len(re.findall(re.escape(self.delimiter) + r"(?! )", line)) for line in self.raw if line.strip()}
        return len(self.raw) > 1 and counts == {len(self._names) - 1} != {0}

    def _next(self) -> list[str] | None:
        where = f"{self.path}:{self._line + 1}"
        self.raw.clear()
        try:
            values = next(self._reader, None)
        except csv.Error as error:
            hint = "look for an unclosed quotation mark"
            raise DataError(f"not {self._name}: {error}", where=where, hint=hint) from None
        if not self._over:
            return values if values is None else [self._value(value) for value in values]
        if values not in (None, [_END]):
            raise unclosed(where, LITERAL if self._checked else None)
        return None

    def _value(self, value: str) -> str:
        if self.quoting == "ends" and len(value) > 1 and value[0] == value[-1] == '"':
            return value[1:-1].replace('""', '"')
        return value.translate(_UNESCAPED) if self.quoting == "backslash" else value

    def _lines(self, text: str) -> Iterator[str]:
        """Yield the lines of a table and an end marker, which joins a row only after an unclosed quotation mark."""
        for line in io.StringIO(text, newline=""):
            self.raw.append(line)
            yield _ESCAPE.sub(_escaped, line) if self.quoting == "backslash" else line
        self._over = True
        yield _END

    def _is_torn(self) -> bool:
        """Return whether a row has text beside an enclosed value, as after an unclosed quotation mark."""
        if not self._plain and (len(self.raw) > 1 or (self._checked and any('"' in line for line in self.raw))):
            lines = (_ESCAPE.sub(_escaped, line) for line in self.raw) if self.quoting == "backslash" else self.raw
            try:
                list(csv.reader(lines, self._reader.dialect, strict=True))
            except csv.Error:  # text between a closing mark and the next delimiter
                return True
        return False


def _escaped(match: re.Match[str]) -> str:
    return _QUOTE if match[1] == '"' else _BACKSLASH


def read_text(path: Path) -> str:
    """Return a file's text without its byte order mark; invalid UTF-8 stays for `mend` to repair.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with open_bytes(path) as stream:
            return decode(stream.read())
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from None


def is_rectangular(text: str, delimiter: str) -> bool:
    """Return whether each line of a table, read without quotation marks, has as many values as the first one."""
    counts = {line.count(delimiter) for line in io.StringIO(text) if line.strip()}
    return len(counts) == 1


def listed(names: Sequence[str]) -> str:
    """Return column names, quoted, for an error."""
    return ", ".join(map(repr, names)) or "none"


def is_torn(row: Mapping[str, str]) -> bool:
    """Return whether a row has text beside an enclosed value, as after an unclosed quotation mark."""
    return _TORN in row


def unclosed(where: str, otherwise: str | None = None) -> DataError:
    """Return the error of a row with an unclosed quotation mark.

    Args:
        where: its `file:line`.
        otherwise: another cure.
    """
    hint = f"{_CLOSE}; {otherwise}" if otherwise else _CLOSE
    return DataError("the row has an unclosed quotation mark", where=where, hint=hint)


def check_surplus(row: Mapping[str, str], where: str) -> None:
    """Raise a DataError if a row has more values than the header has columns, or continues into the next."""
    if is_torn(row):
        raise unclosed(where)
    if _SURPLUS in row:
        hint = "quote values that contain the delimiter, and give each column a name in the header"
        raise DataError("the row has more values than the header has columns", where=where, hint=hint)


def check_filled(row: Mapping[str, str], columns: Iterable[str], where: str) -> None:
    """Raise a DataError if a column of a row is empty."""
    for column in columns:
        if not row.get(column, "").strip():
            raise DataError(f"{column} is empty", where=where)


def check_readable(name: str, text: str, where: str, hint: str = "save the file as UTF-8") -> None:
    """Raise a DataError if a text contains a non-character, such as a byte that could not be repaired."""
    broken = _UNREADABLE.search(text)
    if broken:
        problem = f"{name} contains U+{ord(broken.group()):04X}, which is not a character"
        raise DataError(problem, where=where, hint=hint)


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
