"""Columns of a table as keys of a dialogue file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from ecef_cli.api.components import TranscriptOptions
from ecef_cli.api.errors import DataError, nearest
from ecef_cli.api.values import parse_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEYS = ("text", "speaker", "dialogue", "utterance", "audio", "start", "end", "emotion", "channel")
"""Keys that a column may hold."""


def _column(description: str) -> Any:
    return Field(None, min_length=1, description=f"column of {description}; null: the column of this name")


class ColumnOptions(TranscriptOptions):
    """Columns by key. Without an option, a key uses the column of its own name, in any case."""

    text: str | None = _column("the words")
    speaker: str | None = _column("the speaker")
    dialogue: str | None = _column("the dialogue")
    utterance: str | None = _column("the utterance's id")
    audio: str | None = _column("the recording")
    start: str | None = _column("the start in the recording, seconds")
    end: str | None = _column("the end in the recording, seconds")
    emotion: str | None = _column("the gold label")
    channel: str | None = _column("the channel of the recording")


def chosen_columns(options: ColumnOptions, names: Sequence[str], where: str) -> dict[str, str]:
    """Return the column of each key that has one.

    Raises:
        DataError: a column is missing or is there twice.
    """
    twice = next((name for name in names if name and list(names).count(name) > 1), None)
    if twice is not None:
        raise DataError(f"duplicate column {twice!r}", where=where, hint="rename one of the two")
    found = {}
    for key in KEYS:
        asked = getattr(options, key)
        column = asked or next((name for name in names if name.casefold() == key), key)
        if column in names:
            found[key] = column
        elif asked:
            raise _missing(key, asked, names, where)
    if "text" not in found and "audio" not in found:
        raise _missing("text", "text", names, where)
    return found


def _missing(key: str, name: str, names: Sequence[str], where: str) -> DataError:
    close = nearest(name, names)
    hint = (f"did you mean {close!r}?; " if close else "") + f"pass --option {key}=COLUMN"
    listed = ", ".join(repr(column) for column in names if column)
    return DataError(f"no column named {name!r}; found {listed}", where=where, hint=hint)


def to_row(values: Mapping[str, Any], columns: Mapping[str, str], where: str) -> dict[str, Any]:
    """Return the row of a dialogue file; other columns keep their names, empty cells are absent.

    Raises:
        DataError: a time is not a number of seconds.
    """
    taken = {*columns.values(), *KEYS}
    row = {
        name: value
        for name, value in values.items()
        if name and name not in taken and value is not None and value != ""
    }
    for key, column in columns.items():
        value = values.get(column)
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        if key in {"start", "end"}:
            value = _number(value, column, where)
        elif key == "channel" and isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        elif key == "utterance" and isinstance(value, int):
            pass
        elif key != "channel":
            value = str(value).strip()
        row[key] = value
    if "text" in columns:
        row.setdefault("text", "")
    return row


def _number(value: Any, column: str, where: str) -> float:
    try:
        return parse_seconds(str(value))
    except ValueError as error:
        raise DataError(f"{column} must be {error}, not {str(value).strip()!r}", where=where) from None
