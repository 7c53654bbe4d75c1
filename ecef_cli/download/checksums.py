"""Checksum notes that detect damage to a file since its download.

A note beside the file has its checksum, size and modification time. A large file with the same size and time is not
read again: whatever unpacks it detects damage, as a gzip stream ends with a checksum of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SMALL = 64 << 20
"""Size in bytes up to which a file is always read."""


def write_note(target: Path, path: Path, sha256: str) -> None:
    """Write the note of `target`, whose content is at `path`."""
    with suppress(OSError):  # a shared cache may be read-only
        _note_path(target).write_text(json.dumps(_note(path, sha256)), "utf-8")


def verify(target: Path, sha256: str | None, progress: Callable[[int, int | None], None]) -> None:
    """Check the checksum of a file, by default against the one in its note; write a missing note.

    Raises:
        DataError: the checksum differs.
    """
    try:
        known = json.loads(_note_path(target).read_text("utf-8"))
        same = known == _note(target, known["sha256"])
    except (OSError, ValueError, TypeError, KeyError):  # missing or half-written
        known, same = {}, False
    expected = sha256.casefold() if sha256 else known.get("sha256")
    if expected is None and not os.access(target.parent, os.W_OK):
        return
    found = known["sha256"] if same and known["size"] > SMALL else sha256_of(target, progress)
    if expected is not None and found != expected:
        changed = known and found != known["sha256"]
        problem = "has changed since its download" if changed else "is not the expected file"
        hint = "delete it, and run the command again to download it anew"
        raise DataError(f"{problem}: its SHA-256 is {found}, not {expected}", where=str(target), hint=hint)
    if not same:
        write_note(target, target, found)


def sha256_of(path: Path, progress: Callable[[int, int | None], None] = lambda _done, _size: None) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest, size, done = hashlib.sha256(), path.stat().st_size, 0
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
            done += len(piece)
            progress(done, size)
    return digest.hexdigest()


def _note_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.sum.json")


def _note(path: Path, sha256: str) -> dict[str, Any]:
    stat = path.stat()
    return {"sha256": sha256, "size": stat.st_size, "modified": stat.st_mtime_ns}
