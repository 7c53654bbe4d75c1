"""Find the reader of a transcript: by name, or by the file's extension and content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ecef_cli import console
from ecef_cli.api.errors import DataError, UsageProblem, did_you_mean
from ecef_cli.api.text_files import plain_name
from ecef_cli.api.transcripts import head_text
from ecef_cli.plugin.boundary import calling
from ecef_cli.plugin.manager import Entry, get_registry
from ecef_cli.transcripts.unreadable import conversion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ecef_cli.api.components import TranscriptReader

NATIVE = "jsonl"
"""Name of the dialogue file's own format, which needs no reader."""
NATIVE_EXTENSIONS = (".jsonl", ".ndjson")
_BLANK = b"\xef\xbb\xbf\xfe\xff \t\r\n"


def formats() -> tuple[str, ...]:
    """Return the names of all formats."""
    return (NATIVE, *(entry.name for entry in get_registry().entries("transcript")))


def reader_class(entry: Entry) -> type[TranscriptReader]:
    """Return the class of a registered reader."""
    return cast("type[TranscriptReader]", entry.load())


def named(form: str) -> Entry | None:
    """Return the reader of this name; None for a dialogue file.

    Raises:
        UsageProblem: no reader has this name.
    """
    if form == NATIVE:
        return None
    registry = get_registry()
    if form not in formats() and not registry.broken:
        raise UsageProblem(f"no transcript format is called {form!r}", hint=did_you_mean(form, formats()))
    return registry.find("transcript", form)


def extension_of(name: str) -> str:
    """Return the extension of a file in lower case, without `.gz`."""
    return plain_name(Path(name)).suffix.casefold()


def find(head: bytes, name: str) -> Entry | None:
    """Return the reader for a file; None for a dialogue file.

    Args:
        head: the first bytes of the file.
        name: its name.

    Raises:
        DataError: the file is empty, no reader recognises it, or several do.
    """
    check_not_empty(head, name)
    extension = extension_of(name)
    if extension in NATIVE_EXTENSIONS and not _lacks_speakers(head):
        return None
    entries = get_registry().entries("transcript")
    usual = [entry for entry in entries if extension in reader_class(entry).extensions]
    found = _recognising(usual, head, name)
    if not found and extension in NATIVE_EXTENSIONS:
        return None
    if not found:
        found = _recognising((entry for entry in entries if entry not in usual), head, name)
        if len(found) == 1:
            console.note(f"{name}: read as {found[0].name}, going by its content; --from FORMAT overrides this")
    if len(found) == 1:
        return found[0]
    if found:
        names = " and ".join(entry.name for entry in found)
        raise DataError(f"the format may be {names}", where=name, hint="choose one with --from FORMAT")
    if _may_be_native(head, extension):
        return None
    if len(usual) == 1 and head_text(head) and not conversion(head, name):
        return usual[0]  # the reader says best what is wrong with its own format
    raise unreadable(head, name)


def check_not_empty(content: bytes, name: str) -> None:
    """Check that a file holds more than blank lines and a byte order mark.

    Raises:
        DataError: it does not.
    """
    if not content.strip(_BLANK):
        raise DataError("the file is empty", where=name, hint="is it the right file?")


def _recognising(entries: Iterable[Entry], head: bytes, name: str) -> list[Entry]:
    found = []
    for entry in entries:
        with calling(str(entry), "recognises", name):
            if reader_class(entry).recognises(head, name):
                found.append(entry)
    return found


def unreadable(head: bytes, name: str) -> DataError:
    """Return the error for a file that no reader recognises; it names the command that converts the file."""
    known = conversion(head, name)
    read = ", ".join(formats())
    if known:
        return DataError(f"{known[0]} is not read", where=name, hint=f"convert it: `{known[1]}`; formats read: {read}")
    kind = "text of an unknown format" if head_text(head) else "a binary file of an unknown format"
    hint = f"formats read: {read}; pass --from FORMAT, or write one `Name: words` per line in a .txt file"
    return DataError(f"{kind}, not a transcript", where=name, hint=hint)


def _may_be_native(head: bytes, extension: str) -> bool:
    """Return whether the file may be a dialogue file of another name."""
    start = head_text(head).lstrip()
    if extension != ".json":
        return start.startswith("{")
    try:
        return isinstance(json.loads(start.partition("\n")[0]), dict)
    except (ValueError, RecursionError):
        return False


def _lacks_speakers(head: bytes) -> bool:
    """Return whether the file may be JSON Lines of another program: a row has text and no speaker."""
    for line in head_text(head).split("\n"):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and "speaker" not in row and "text" in row:
            return True
    return False
