"""Read dialogues from CSV and TSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator

from ecef_cli.api.dialogue import parse_row, to_json
from ecef_cli.api.errors import DataError, nearest
from ecef_cli.api.text_files import plain_name, read_text
from ecef_cli.api.values import clean_name, is_missing, parse_seconds
from ecef_datasets.own import OwnDialogues
from ecef_datasets.own_options import OwnOptions
from ecef_datasets.repair import looks_misread
from ecef_datasets.tables import (
    LITERAL,
    Table,
    check_readable,
    check_surplus,
    is_rectangular,
    is_torn,
    listed,
    unclosed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ecef_cli.api.dialogue import Utterance
    from ecef_datasets.findings import Findings
    from ecef_datasets.tables import Quoting

KEYS = ("text", "speaker", "dialogue", "utterance", "emotion", "audio", "start", "end", "split")
"""Keys of a dialogue file that a column may hold."""
NEEDED = ("text", "speaker")
"""Keys with a required column; `text` is optional if there is a column for `audio`."""
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
SUFFIXES = {".csv": ",", ".tsv": "\t"}

_USUAL: Mapping[str, tuple[str, ...]] = {
    "text": ("utterance", "sentence", "transcript", "transcription", "content", "message", "said", "words", "body"),
    "speaker": ("speakerid", "speakeridx", "name", "role", "author", "user", "from", "sender", "who", "participant"),
    "emotion": (
        "emotions",
        "label",
        "labels",
        "emotionlabel",
        "feeling",
        "context",
        "annotation",
        "sentiment",
        "class",
    ),
    "dialogue": ("dialogueid", "dialogid", "dialogue", "dialog", "conversationid", "convid", "conversation", "callid"),
    "utterance": ("utteranceid", "utteranceidx", "turn", "turnid"),
    "audio": ("file", "filename", "path", "wav", "recording"),
    "start": ("starttime", "begin", "startsec"),
    "end": ("endtime", "stop", "endsec"),
    "split": ("set", "partition", "subset", "fold"),
}
"""Usual names of columns, in lower case without punctuation, to suggest options."""
_MAY_BE_MISSING = ("audio", "start", "end", "split")
_WORDS_OF_ID = 2
_REPAIR = "remove it; --option repair=true reads those of Windows-1252 as punctuation"

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
    emotion: _Name | None = _column("the gold label; an empty cell means no label, no column an unlabelled dataset")
    audio: _Name | None = _column("the recording, a path relative to the file")
    start: _Name | None = _column("its start in the recording, seconds or h:mm:ss")
    end: _Name | None = _column("its end in the recording, seconds or h:mm:ss")
    split: _Name | None = _column("the split: train, dev or test")
    delimiter: Annotated[str | None, Field(min_length=1, max_length=1), BeforeValidator(_delimiter)] = Field(
        None,
        description="the delimiter: one character, or comma, semicolon, tab or bar; null: a comma, and a tab in .tsv",
    )

    quoting: Literal["double", "backslash", "none"] | None = Field(
        None,
        description='double: quotation marks enclose values, two are one inside; backslash: \\\\" is one inside; none: '
        "they are text; null: double, and in .tsv none, except around whole values",
    )
    decimal: Literal["comma", "point"] | None = Field(
        None, description="the decimal mark of start and end; null: either, if a comma cannot separate thousands"
    )
    repair: bool = Field(False, description="whether to repair text that was decoded with the wrong encoding")

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

    def utterances(self, path: Path, findings: Findings) -> Iterator[Utterance | DataError]:
        """Yield the utterance of each row of a table, or an error for an invalid row.

        Rows are in the order of speech. Other columns are kept under their own names.

        Raises:
            DataError: the file cannot be read, is not a table, or a column is missing.
        """
        table = self._table(path)
        columns = self._columns(table)
        findings.lines |= dict.fromkeys((*self._ways(table, columns), *table.remarks))
        findings.labelled |= "emotion" in columns
        folder, name = path.resolve().parent, plain_name(path).stem  # the manifest is in another folder
        counts: dict[str, int] = {}
        for where, values in table.rows(table.columns if self.options.repair else (), findings.repaired):
            try:
                self._check_quotes(table, values, where, findings)
                row = self._row_of(values, columns, where)
                if not self.options.repair and looks_misread(row["text"]):
                    findings.add("the text looks like UTF-8 read as Windows-1252; --option repair=true mends it", where)
                number = counts.get(row.get("dialogue", name), 0) + 1
                found = parse_row(to_json(row), where=where, dialogue=name, number=number, folder=folder)
            except DataError as error:
                yield error
            else:
                counts[found.dialogue] = number
                yield found

    def _ways(self, table: Table, columns: Mapping[str, str]) -> tuple[str, ...]:
        """Return a line about the columns that are read, kept and ignored, and one about a missing emotion."""
        taken = ", ".join(f"{key} from {column!r}" for key, column in columns.items())
        others = [column for column in table.columns if column not in columns.values()]
        kept, lost = ([c for c in others if (c in KEYS) is known] for known in (False, True))
        line = f"columns: {taken}" + (f"; kept unchanged: {', '.join(kept)}" if kept else "")
        line += f"; ignored, because another column replaces them: {', '.join(lost)}" if lost else ""
        if "emotion" in columns:
            return (line,)
        option = _option("emotion", others) or "--option emotion=COLUMN"
        return line, f"no column named 'emotion': the rows have no label; pass {option} if another column holds it"

    def _table(self, path: Path) -> Table:
        text = read_text(path, self.options.encoding)
        suffix = plain_name(path).suffix.casefold()
        delimiter = self.options.delimiter or (None if SUFFIXES.get(suffix) == "," else SUFFIXES.get(suffix))
        quoting: Quoting = self.options.quoting or "double"
        if self.options.quoting is None and delimiter == "\t" and is_rectangular(text, delimiter):
            quoting = "ends"
        return Table(path, delimiter, text=text, quoting=quoting, checked=True)

    def _check_quotes(self, table: Table, values: Mapping[str, str], where: str, findings: Findings) -> None:
        """Note or refuse a row whose quotation marks may mean something else."""
        if self.options.quoting is not None:
            return
        if any('\\"' in line for line in table.raw):
            hint = (
                'pass --option quoting=backslash if \\" stands for a quotation mark, or quoting=double if the '
                "backslash belongs to the text"
            )
            raise DataError("the row has a quotation mark after a backslash", where=where, hint=hint)
        if is_torn(values):
            raise unclosed(where, LITERAL)
        if table.looks_swallowed():
            problem = f"a quotation mark encloses {len(table.raw)} lines that look like rows of their own"
            hint = "pass --option quoting=none if it belongs to the text, or quoting=double if it encloses a value"
            raise DataError(problem, where=where, hint=hint)
        if len(table.raw) > 1:
            findings.add("a value encloses a line break; --option quoting=none reads each line as a row", where)

    def _columns(self, table: Table) -> dict[str, str]:
        """Return the column of each key that has one."""
        where = table.header
        twice = [name for name in table.columns if table.columns.count(name) > 1]
        if twice:
            raise DataError(f"duplicate column {twice[0]!r}", where=where, hint="rename one of the two")
        asked = {key: name for key in KEYS if (name := getattr(self.options, key))}
        columns: dict[str, str] = {}
        for key, name in asked.items():
            columns[key] = _found(name, table.columns) or ""
            if not columns[key]:
                raise _missing(key, name, table)
        shared = [name for name in columns.values() if list(columns.values()).count(name) > 1]
        if shared:
            keys = " and ".join(key for key, name in columns.items() if name == shared[0])
            raise DataError(f"column {shared[0]!r} cannot be both {keys}", where=where)
        free = [name for name in table.columns if name not in columns.values()]
        for key in KEYS:
            name = _found(key, free)
            if key not in columns and name:
                columns[key] = name
        for key in NEEDED:
            if key not in columns and not (key == "text" and "audio" in columns):
                other = next((other for other, name in columns.items() if name == key), None)
                if other:
                    hint = f"pass --option {key}=COLUMN too"
                    raise DataError(f"column {key!r} cannot be both {key} and {other}", where=where, hint=hint)
                raise _missing(key, key, table)
        return {key: columns[key] for key in KEYS if key in columns}

    def _row_of(self, values: Mapping[str, str], columns: Mapping[str, str], where: str) -> dict[str, Any]:
        check_surplus(values, where)
        lacking = [column for column in columns.values() if column not in values]
        if lacking:  # a truncated row would silently lose its emotion or recording
            hint = "write every value, also empty ones"
            problem = f"the row has fewer values than the header has columns; missing: {', '.join(lacking)}"
            raise DataError(problem, where=where, hint=hint)
        for column, value in values.items():
            check_readable(column, value, where, _REPAIR)
        taken = set(columns.values())
        # If another column holds a key of a dialogue file, ignore the column with the key's name.
        row: dict[str, Any] = {k: v for k, v in values.items() if k not in taken and k not in KEYS}
        row["text"] = ""
        for key, column in columns.items():
            value = values.get(column, "")
            if key == "text":
                row[key] = value
            elif value.strip() and not (key in _MAY_BE_MISSING and is_missing(value)):
                row[key] = self._seconds(column, value, where) if key in {"start", "end"} else value.strip()
        if "speaker" not in row:
            raise DataError(f"{columns['speaker']} is empty", where=where, hint='name the speaker, or write "?"')
        if "text" not in columns and len(str(row.get("utterance", "")).split()) > _WORDS_OF_ID:
            hint = f"pass --option text={columns['utterance']}"
            raise DataError(f"{columns['utterance']} holds a sentence, not an id", where=where, hint=hint)
        return row

    def _seconds(self, column: str, value: str, where: str) -> float:
        decimal = {"comma": ",", "point": ".", None: None}[self.options.decimal]
        try:
            return parse_seconds(value, decimal)
        except ValueError as error:
            hint = "use a decimal point, as in 71.4, or a time such as 0:01:11.4"
            if str(error).startswith("unambiguous"):
                hint = "pass --option decimal=comma, or decimal=point if it separates thousands"
            raise DataError(f"{column} must be {error}; found {value.strip()!r}", where=where, hint=hint) from None


def _found(name: str, columns: Sequence[str]) -> str | None:
    """Return the column of a name, or the only one that differs from it in case and spaces alone."""
    alike = [column for column in columns if clean_name(column).casefold() == clean_name(name).casefold()]
    return name if name in columns else alike[0] if len(alike) == 1 else None


def _option(key: str, columns: Sequence[str]) -> str | None:
    """Return the option that reads a key from the column with its usual other name, if there is one."""
    usual = (
        {"".join(filter(str.isalnum, column.casefold())): column for column in columns}.get(n) for n in _USUAL[key]
    )
    column = next(filter(None, usual), None)
    return column and f"--option {key}={column}"


def _missing(key: str, name: str, table: Table) -> DataError:
    option = _option(key, table.columns)
    close = None if option else nearest(name, table.columns)
    other = _other_delimiter(table.columns)
    hints = [f"did you mean {close!r}?"] if close else []
    cure = f"pass {option or f'--option {key}=COLUMN'}"
    hints.append(f"if these are several columns, pass --option delimiter={other}" if other else cure)
    problem = f"no column named {name!r}; found {listed(table.columns)}"
    return DataError(problem, where=table.header, hint="; ".join(hints))


def _other_delimiter(columns: Sequence[str]) -> str | None:
    """Return the likely delimiter of a table with one column, as the option names it, or None."""
    counts = {word: columns[0].count(character) for word, character in DELIMITERS.items()} if len(columns) == 1 else {}
    likely = max(counts, key=lambda word: counts[word], default=None)
    return likely if likely is not None and counts[likely] else None
