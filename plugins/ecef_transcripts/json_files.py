"""Parse JSON files, and look at the start of one."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import head_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecef_cli.api.transcripts import TranscriptSource

_KEY = re.compile(r'"([A-Za-z_][\w .-]*)"\s*:')


def parsed(source: TranscriptSource, encoding: str | None) -> Any:
    """Return the content of a JSON file.

    Raises:
        DataError: it is not JSON, or nested too deeply.
    """
    text = source.text(encoding)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        problem = f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}"
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        hint = "is the file cut off?" if cut else None
        raise DataError(problem, where=f"{source.name}:{error.lineno}", hint=hint) from None
    except (RecursionError, ValueError) as error:
        raise DataError(f"unsupported JSON: {error}", where=source.name) from None


def opening(head: bytes) -> tuple[str, frozenset[str]]:
    """Return the first character of a JSON file, and the keys in the part of it that was read."""
    text = head_text(head).lstrip()
    return text[:1], frozenset(_KEY.findall(text)) if text[:1] in {"[", "{"} else frozenset()


def json_lines(head: bytes) -> list[dict[str, Any]]:
    """Return the rows of JSON Lines in a head, without a row that is cut off; none for any other file."""
    found: list[dict[str, Any]] = []
    lines = [line for line in head_text(head).split("\n") if line.strip()]
    for number, line in enumerate(lines):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            return found if number == len(lines) - 1 else []
        if not isinstance(row, dict):
            return []
        found.append(row)
    return found


def objects(value: Any, what: str, source: TranscriptSource) -> Iterator[tuple[str, dict[str, Any] | DataError]]:
    """Yield the place and value of each object in a list, or an error for what is no object.

    Raises:
        DataError: the value is not a list.
    """
    if not isinstance(value, list):
        raise DataError(f"{what or 'the file'} is not a list", where=source.name)
    for number, item in enumerate(value):
        where = f"{source.name}: {what}[{number}]"
        yield where, item if isinstance(item, dict) else DataError("not an object", where=where)


def first_of(row: dict[str, Any], keys: Sequence[str]) -> Any:
    """Return the value of the first of `keys` that a row has, or None."""
    return next((row[key] for key in keys if row.get(key) is not None), None)
