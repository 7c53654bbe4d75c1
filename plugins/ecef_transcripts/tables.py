"""Read tables with a header, CSV and TSV."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from ecef_cli.api.components import TranscriptReader
from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import TranscriptRow, head_text
from ecef_transcripts.columns import ColumnOptions, chosen_columns, to_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecef_cli.api.transcripts import TranscriptSource

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}


def _delimiter(value: object) -> object:
    return DELIMITERS.get(value, value) if isinstance(value, str) else value


class TableOptions(ColumnOptions):
    """Columns, and the character between two values."""

    delimiter: Annotated[str | None, Field(min_length=1, max_length=1), BeforeValidator(_delimiter)] = Field(
        None, description="one character, or comma, semicolon, tab or bar; null: the one that divides the header"
    )
    quoting: Literal["double", "none"] | None = Field(
        None,
        description="double: quotation marks enclose a value, and two are one inside; none: they belong to the text, "
        "unless they enclose all of a value; null: none between tabs, else double",
    )


class Table(TranscriptReader):
    """Reader of tables; rows are in the order of speech."""

    Options = TableOptions
    options: TableOptions
    extensions = (".csv", ".tsv", ".tab")

    @classmethod
    def recognises(cls, head: bytes, name: str) -> bool:
        """Return whether the first line has columns, among them one for the text."""
        first = _header(head_text(head))
        delimiter = _dividing(first)
        if name.casefold().removesuffix(".gz").endswith(cls.extensions):
            return delimiter is not None
        return delimiter is not None and "text" in first.split(delimiter)

    def read(self, source: TranscriptSource) -> Iterator[TranscriptRow | DataError]:
        """Yield the rows.

        Raises:
            DataError: the file is not a table, a column is missing, or a quotation mark is not closed.
        """
        text = source.text(self.options.encoding)
        delimiter = self.options.delimiter or _dividing(_header(text))
        if delimiter is None:
            hint = "pass --option delimiter=CHARACTER"
            raise DataError("the first line is not a header with several columns", where=f"{source.name}:1", hint=hint)
        plain = (self.options.quoting or ("none" if delimiter == "\t" else "double")) == "none"
        lines = text.splitlines(keepends=True)
        if plain:
            reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=True)
        else:
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
        names: list[str] | None = None
        columns: dict[str, str] = {}
        before = 0
        try:
            for found in reader:
                values = [_unquoted(value) for value in found] if plain else found
                where, before = f"{source.name}:{before + 1}", reader.line_num
                if not any(value.strip() for value in values) or (names is None and _is_directive(values)):
                    continue
                if names is None:
                    names = [value.strip() for value in values]
                    columns = chosen_columns(self.options, names, where)
                    continue
                yield _row(values, names, columns, where)
        except csv.Error as error:
            hint = 'close every quotation mark, write "" for one inside, or pass --option quoting=none'
            problem = f"not a table: {repr(str(error))[1:-1]}"  # the delimiter in it may be a tab
            raise DataError(problem, where=f"{source.name}:{before + 1}", hint=hint) from None


def _row(values: list[str], names: list[str], columns: dict[str, str], where: str) -> TranscriptRow | DataError:
    if len(values) != len(names):
        problem = f"the row has {len(values)} values and the header {len(names)} columns"
        return DataError(problem, where=where, hint="put a value that holds the delimiter in quotation marks")
    try:
        return TranscriptRow(to_row(dict(zip(names, values, strict=True)), columns, where), where)
    except DataError as error:
        return error


def _unquoted(value: str) -> str:
    """Return a value without the quotation marks that enclose all of it."""
    whole = len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1].replace('""', '"') if whole else value


def _header(text: str) -> str:
    """Return the first line that is not empty and not a directive of Excel."""
    lines = (line for line in text.split("\n") if line.strip() and not line.startswith("sep="))
    return next(lines, "")


def _is_directive(values: list[str]) -> bool:
    return values[0].startswith("sep=")


def _dividing(header: str) -> str | None:
    """Return the delimiter that divides a header into the most columns, or None if it has only one."""
    counts = {character: header.count(character) for character in DELIMITERS.values()}
    most = max(counts, key=lambda character: counts[character])
    return most if counts[most] else None
