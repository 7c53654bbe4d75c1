"""Anyone's own dialogues from a table, CSV or TSV, whose columns may have any names."""

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
"""The keys of a dialogue file that a column may give."""
NEEDED = ("text", "speaker", "emotion")
"""The keys whose column must be there; that of `text` need not where there is one of `audio`."""
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
SUFFIXES = {".csv": ",", ".tsv": "\t"}

_Name = Annotated[str, Field(min_length=1)]


def _delimiter(value: object) -> object:
    return DELIMITERS.get(value, value) if isinstance(value, str) else value


def _column(description: str) -> Any:
    return Field(None, description=f"the column of {description}; null: the one of this very name")


class TableOptions(OwnOptions):
    """Which column is what. A column that no option names is taken by its own name, such as `text`."""

    text: _Name | None = _column("what was said")
    speaker: _Name | None = _column("who said it")
    dialogue: _Name | None = _column("the dialogue; without one, a file is one dialogue")
    utterance: _Name | None = _column("the utterance's id; without one, they are counted")
    emotion: _Name | None = _column("the gold label; an empty cell is an utterance without one")
    audio: _Name | None = _column("the recording, a path relative to the file")
    start: _Name | None = _column("where it starts in the recording, seconds")
    end: _Name | None = _column("where it ends in the recording, seconds")
    split: _Name | None = _column("the split: train, dev or test")
    delimiter: Annotated[str | None, Field(min_length=1, max_length=1), BeforeValidator(_delimiter)] = Field(
        None,
        description="what stands between two values: one character, or comma, semicolon, tab or bar; "
        "null: a comma, and a tab in .tsv",
    )

    @field_validator("delimiter")
    @classmethod
    def _divides(cls, delimiter: str | None) -> str | None:
        if delimiter in {'"', "\n", "\r", " "}:
            raise ValueError("must be a character that can stand between values")
        return delimiter


class TableDialogues(OwnDialogues):
    """Reads tables with a header; options say which column is what."""

    Options = TableOptions
    options: TableOptions
    suffixes: ClassVar[tuple[str, ...]] = tuple(SUFFIXES)
    form = "table"

    def utterances(self, path: Path, repaired: Counter[str]) -> Iterator[Utterance | DataError]:
        """Yield the utterance of each row of a table, or the error that the row deserves.

        Rows stand in the order of speech. What no key is taken from is kept under the column's name.

        Raises:
            DataError: the file cannot be read, is no table, or a column is missing.
        """
        table = self._table(path)
        columns = self._columns(table)
        folder = path.resolve().parent  # the manifest lies elsewhere
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
        """Return a line for each way in which the files' columns were read."""
        ways: dict[str, None] = {}
        for path in files:
            table = self._table(path)
            columns = self._columns(table)
            taken = ", ".join(f"{key} from {column!r}" for key, column in columns.items())
            others = [column for column in table.columns if column not in columns.values()]
            kept, lost = ([c for c in others if (c in KEYS) is known] for known in (False, True))
            line = f"columns: {taken}" + (f"; kept as they are: {', '.join(kept)}" if kept else "")
            ways[line + (f"; left out, as another took their place: {', '.join(lost)}" if lost else "")] = None
        return tuple(ways)

    def _table(self, path: Path) -> Table:
        return Table(path, self.options.delimiter or SUFFIXES.get(path.suffix.casefold(), ","))

    def _columns(self, table: Table) -> dict[str, str]:
        """Return the column of each key that has one."""
        where = table.header
        twice = [name for name in table.columns if table.columns.count(name) > 1]
        if twice:
            raise DataError(f"two columns are called {twice[0]!r}", where=where, hint="rename one of the two")
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
            raise DataError(f"the column {shared[0]!r} cannot be {keys} at once", where=where)
        return columns

    def _audio(self, table: Table) -> bool:
        return (self.options.audio or "audio") in table.columns and not self.options.text


def _missing(key: str, name: str, table: Table) -> DataError:
    close = nearest(name, table.columns)
    hints = [f"did you mean {close!r}?"] if close else []
    hints.append(f"there are: {listed(table.columns)}")
    other = _other_delimiter(table.columns)
    takes = f"--option {key}=COLUMN names the one that holds it"
    hints.append(f"if they are several: --option delimiter={other}" if other else takes)
    return DataError(f"the column {name!r} is missing", where=table.header, hint="; ".join(hints))


def _other_delimiter(columns: Sequence[str]) -> str | None:
    """Return what may stand between the values of a table of one column, as the option calls it, or None."""
    counts = {word: columns[0].count(character) for word, character in DELIMITERS.items()} if len(columns) == 1 else {}
    likely = max(counts, key=lambda word: counts[word], default=None)
    return likely if likely is not None and counts[likely] else None


def _row(values: Mapping[str, str], columns: Mapping[str, str], where: str) -> dict[str, Any]:
    check_surplus(values, where)
    lacking = [column for column in columns.values() if column not in values]
    if lacking:  # a row that was cut off, whose emotion or recording would be lost without a word
        hint = "write every value, also the empty ones"
        problem = f"the row has fewer values than the header has columns, and lacks {', '.join(lacking)}"
        raise DataError(problem, where=where, hint=hint)
    for column, value in values.items():
        check_readable(column, value, where)
    taken = set(columns.values())
    # A key of a dialogue file that another column gives must not come in by the name of a column of its own.
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
        hint = "with a point for decimals, as 71.4"
        raise DataError(f"{column} must be a number of seconds, not {value.strip()!r}", where=where, hint=hint)
    return seconds
