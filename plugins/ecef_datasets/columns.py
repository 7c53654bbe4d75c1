"""Read dialogues from CSV and TSV."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, field_validator

from ecef_cli.api.dialogue import parse_row, to_json
from ecef_cli.api.errors import DataError, nearest
from ecef_datasets.own import OwnDialogues, OwnOptions
from ecef_datasets.tables import Table, check_readable, check_surplus, listed

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ecef_cli.api.dialogue import Utterance

KEYS = ("text", "speaker", "dialogue", "utterance", "emotion", "audio", "start", "end", "split")
"""Keys of a dialogue file that a column may hold."""
NEEDED = ("text", "speaker", "emotion")
"""Keys with a required column; `text` is optional if there is a column for `audio`."""
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
SUFFIXES = {".csv": ",", ".tsv": "\t"}

_Name = Annotated[str, Field(min_length=1)]


def _delimiter(value: object) -> object:
    return DELIMITERS.get(value, value) if isinstance(value, str) else value


def _column(description: str) -> Any:
    return Field(None, description=f"the column of {description}; null: the column of this name")


class TableOptions(OwnOptions):
    """Columns by key. Without an option, a key uses the column of its own name, such as `text`."""

    text: _Name | None = _column("the text")
    speaker: _Name | None = _column("the speaker")
    dialogue: _Name | None = _column("the dialogue; without one, a file is one dialogue")
    utterance: _Name | None = _column("the utterance's id; without one, utterances are numbered")
    emotion: _Name | None = _column("the gold label; an empty cell means no label")
    audio: _Name | None = _column("the recording, a path relative to the file")
    start: _Name | None = _column("its start in the recording, seconds")
    end: _Name | None = _column("its end in the recording, seconds")
    split: _Name | None = _column("the split: train, dev or test")
    delimiter: Annotated[str | None, Field(min_length=1, max_length=1), BeforeValidator(_delimiter)] = Field(
        None,
        description="the delimiter: one character, or comma, semicolon, tab or bar; null: a comma, and a tab in .tsv",
    )

    @field_validator("delimiter")
    @classmethod
    def _divides(cls, delimiter: str | None) -> str | None:
        if delimiter in {'"', "\n", "\r", " "}:
            raise ValueError("must be a character that can separate values")
        return delimiter


class TableDialogues(OwnDialogues):
    """Reader of tables with a header; options map columns to keys."""

    Options = TableOptions
    options: TableOptions
    suffixes: ClassVar[tuple[str, ...]] = tuple(SUFFIXES)
    form = "table"

    def utterances(self, path: Path, repaired: Counter[str]) -> Iterator[Utterance | DataError]:
        """Yield the utterance of each row of a table, or an error for an invalid row.

        Rows are in the order of speech. Other columns are kept under their own names.

        Raises:
            DataError: the file cannot be read, is not a table, or a column is missing.
        """
        table = self._table(path)
        columns = self._columns(table)
        folder = path.resolve().parent  # the manifest is in another folder
        counts: dict[str, int] = {}
        for where, values in table.rows(table.columns, repaired):
            try:
                row = _row(values, columns, where)
                number = counts.get(row.get("dialogue", path.stem), 0) + 1
                found = parse_row(to_json(row), where=where, dialogue=path.stem, number=number, folder=folder)
            except DataError as error:
                yield error
            else:
                counts[found.dialogue] = number
                yield found

    def remarks(self, files: Sequence[Path]) -> tuple[str, ...]:
        """Return one line per distinct mapping of columns to keys."""
        ways: dict[str, None] = {}
        for path in files:
            table = self._table(path)
            columns = self._columns(table)
            taken = ", ".join(f"{key} from {column!r}" for key, column in columns.items())
            others = [column for column in table.columns if column not in columns.values()]
            kept, lost = ([c for c in others if (c in KEYS) is known] for known in (False, True))
            line = f"columns: {taken}" + (f"; kept unchanged: {', '.join(kept)}" if kept else "")
            ways[line + (f"; ignored, because another column replaces them: {', '.join(lost)}" if lost else "")] = None
        return tuple(ways)

    def _table(self, path: Path) -> Table:
        return Table(path, self.options.delimiter or SUFFIXES.get(path.suffix.casefold(), ","))

    def _columns(self, table: Table) -> dict[str, str]:
        """Return the column of each key that has one."""
        where = table.header
        twice = [name for name in table.columns if table.columns.count(name) > 1]
        if twice:
            raise DataError(f"duplicate column {twice[0]!r}", where=where, hint="rename one of the two")
        columns = {}
        for key in KEYS:
            asked = getattr(self.options, key)
            name = asked or key
            if name in table.columns:
                columns[key] = name
            elif asked or (key in NEEDED and not (key == "text" and self._audio(table))):
                raise _missing(key, name, table)
        shared = [name for name in columns.values() if list(columns.values()).count(name) > 1]
        if shared:
            keys = " and ".join(key for key, name in columns.items() if name == shared[0])
            raise DataError(f"column {shared[0]!r} cannot be both {keys}", where=where)
        return columns

    def _audio(self, table: Table) -> bool:
        return (self.options.audio or "audio") in table.columns and not self.options.text


def _missing(key: str, name: str, table: Table) -> DataError:
    close = nearest(name, table.columns)
    hints = [f"did you mean {close!r}?"] if close else []
    other = _other_delimiter(table.columns)
    option = f"--option {key}=COLUMN"
    hints.append(f"if these are several columns, pass --option delimiter={other}" if other else f"pass {option}")
    problem = f"no column named {name!r}; found {listed(table.columns)}"
    return DataError(problem, where=table.header, hint="; ".join(hints))


def _other_delimiter(columns: Sequence[str]) -> str | None:
    """Return the likely delimiter of a table with one column, as the option names it, or None."""
    counts = {word: columns[0].count(character) for word, character in DELIMITERS.items()} if len(columns) == 1 else {}
    likely = max(counts, key=lambda word: counts[word], default=None)
    return likely if likely is not None and counts[likely] else None


def _row(values: Mapping[str, str], columns: Mapping[str, str], where: str) -> dict[str, Any]:
    check_surplus(values, where)
    lacking = [column for column in columns.values() if column not in values]
    if lacking:  # a truncated row would silently lose its emotion or recording
        hint = "write every value, also empty ones"
        problem = f"the row has fewer values than the header has columns; missing: {', '.join(lacking)}"
        raise DataError(problem, where=where, hint=hint)
    for column, value in values.items():
        check_readable(column, value, where)
    taken = set(columns.values())
    # If another column holds a key of a dialogue file, ignore the column with the key's name.
    row: dict[str, Any] = {k: v for k, v in values.items() if k and k not in taken and k not in KEYS}
    row["text"] = ""
    for key, column in columns.items():
        value = values.get(column, "")
        if key == "text":
            row[key] = value
        elif value.strip():
            row[key] = _seconds(column, value, where) if key in {"start", "end"} else value.strip()
    if "speaker" not in row:
        raise DataError(f"{columns['speaker']} is empty", where=where, hint='name the speaker, or write "?"')
    return row


def _seconds(column: str, value: str, where: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        hint = "use a decimal point, as in 71.4"
        raise DataError(f"{column} must be a number of seconds, not {value.strip()!r}", where=where, hint=hint)
    return seconds
