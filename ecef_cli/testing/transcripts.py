"""Check the contract of a reader of transcripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli.api.dialogue import to_json
from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import TranscriptRow, TranscriptSource, read_head
from ecef_cli.testing.requirements import check_identity, require

if TYPE_CHECKING:
    from pathlib import Path

    from ecef_cli.api.components import TranscriptReader

ODD_HEADS = (
    b"",
    b"\n\n",
    b"\x00\x01\x02\xff" * 64,
    b"\xff\xfe",
    "It was late when they came home.\n".encode("utf-16"),
    b"It was late when they came home, and nobody spoke.\n",
    b"\xc3",
    b"{",
    b"[[[[",
    b'{"a": 1}\n',
)
"""Starts of files that are no transcripts; some are cut off in the middle of a character."""
_CUTS = 16  # places at which the file is cut


def check_transcript(reader: TranscriptReader, path: Path) -> list[TranscriptRow]:
    """Check a reader on a transcript without errors.

    Args:
        reader: the reader.
        path: a file of its format.

    Returns:
        The rows, for further checks.

    Raises:
        AssertionError: the reader breaks its contract.
    """
    check_identity(reader)
    for extension in reader.extensions:
        require(extension.startswith(".") and extension == extension.lower(), f"extension {extension!r}: write .abc")
    require(reader.recognises(read_head(path), path.name) is True, "recognises() must return True for its format")
    for head in ODD_HEADS:
        require(reader.recognises(head, "odd") is False, f"recognises() must return False for {head[:20]!r}")
    source = TranscriptSource.open(path)
    rows = [row for row in reader.read(source) if isinstance(row, TranscriptRow)]
    require(bool(rows), "read() finds no row")
    for row in rows:
        require(row.where.startswith(source.name), f"the place {row.where!r} must start with the file's name")
        to_json(row.values)
    require(all(count > 0 for count in source.left_out.values()), "leave_out() must count at least one")
    again = TranscriptSource.open(path)
    require(rows == [*reader.read(again)], "read() returns other rows the second time, or errors")
    require(source.left_out == again.left_out, "read() leaves out other things the second time")
    _check_cut(reader, source)
    return rows


def _check_cut(reader: TranscriptReader, source: TranscriptSource) -> None:
    """Check that a file that is cut off, or has bytes missing, raises no other error than a DataError."""
    size = len(source.raw)
    for number in range(_CUTS):
        place = size * number // _CUTS
        for raw in (source.raw[:place], source.raw[:place] + source.raw[place + 3 :]):
            try:
                list(reader.read(TranscriptSource(source.name, raw, source.path)))
            except DataError as error:
                require(bool(error.where), f"the error has no place: {error}")
            except Exception as error:  # noqa: BLE001 - a reader may raise anything
                require(False, f"read() raises {type(error).__name__} on a damaged file, not a DataError: {error}")
