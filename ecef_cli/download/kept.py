"""What is known of a file since it was downloaded, so that one that was damaged afterwards is not used.

Beside the file lies a note of its checksum, and of the size and time by which it is recognised. As long as these are
the same, a large file is not read to check it: that an archive is damaged is noticed while it is unpacked, since a gzip
stream ends with a checksum of its own. A small file is always read.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ecef_cli.api.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SMALL = 64 << 20
"""Bytes of a file that is read in no time."""

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class _Known:
    sha256: str
    size: int
    modified: int  # nanoseconds since 1970


def note(target: Path, path: Path, sha256: str) -> None:
    """Write down the checksum of what will be, or is, the file `target`, and lies at `path` now."""
    stat = path.stat()
    with suppress(OSError):  # a shared cache may not be ours to write to
        _note_path(target).write_text(json.dumps(asdict(_Known(sha256, stat.st_size, stat.st_mtime_ns))), "utf-8")


def check(target: Path, sha256: str | None, progress: Callable[[int, int | None], None]) -> None:
    """Check that a file is still the one that was downloaded, or that somebody put there.

    Args:
        target: the file.
        sha256: its checksum, where that is known.
        progress: is told of the bytes as they are read, where they are.

    Raises:
        DataError: it is another one by now, or another one than is asked for.
    """
    stat = target.stat()
    known = _known(target)
    expected = sha256.casefold() if sha256 else known and known.sha256
    if known and (known.size, known.modified) == (stat.st_size, stat.st_mtime_ns) and stat.st_size > SMALL:
        found = known.sha256
    elif expected is None and not os.access(target.parent, os.W_OK):
        return
    else:
        found = sha256_of(target, progress)
    if expected is not None and found != expected:
        since = "is not what was downloaded" if known and found != known.sha256 else "is another file than is known"
        hint = "delete it, and run it again to download it anew"
        raise DataError(f"{since}: its SHA-256 is {found}, not {expected}", where=str(target), hint=hint)
    now = _Known(found, stat.st_size, stat.st_mtime_ns)
    if known != now:
        note(target, target, found)


def sha256_of(path: Path, progress: Callable[[int, int | None], None]) -> str:
    """Return the SHA-256 of a file, in hexadecimal, and tell of the bytes that are read."""
    digest, size, done = hashlib.sha256(), path.stat().st_size, 0
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
            done += len(piece)
            progress(done, size)
    return digest.hexdigest()


def _note_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.sum.json")


def _known(target: Path) -> _Known | None:
    try:
        return _Known(**json.loads(_note_path(target).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # where it is half-written, what lies there is taken as if somebody had put it there
