"""The part of a file that a download has brought so far, and what it is a part of."""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from filelock import FileLock, Timeout

from ecef_cli.api.errors import EcefError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from requests import Response

PART = 206
"""The status of a reply that holds a part of a file."""
SPARE = 64 << 20
"""Bytes that stay free on the disk."""

_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


@dataclass(frozen=True, slots=True)
class Origin:
    """Which file the part on disk is a part of.

    Attributes:
        address: where it is downloaded from.
        validator: its ETag, or else its date; by it the server tells whether it is still the same file.
        size: its size in bytes, where the server states it.
    """

    address: str
    validator: str
    size: int | None


class Partial:
    """A file `TARGET.part`, open for appending, and the note beside it that says what it is a part of.

    Args:
        target: the file that it will become.
        part: the part, open.
    """

    def __init__(self, target: Path, part: BinaryIO) -> None:
        self.target, self._part = target, part

    @property
    def path(self) -> Path:
        """Where the part lies."""
        return part_of(self.target)

    def size(self) -> int:
        """Return how many bytes are there."""
        self._part.flush()
        return os.fstat(self._part.fileno()).st_size

    def write(self, piece: bytes) -> None:
        """Append bytes."""
        self._part.write(piece)

    def restart(self) -> None:
        """Forget all bytes."""
        self._part.flush()
        self._part.truncate(0)

    def settle(self) -> None:
        """Bring all bytes to the disk."""
        self._part.flush()
        os.fsync(self._part.fileno())

    def become(self, path: Path) -> None:
        """Make the part the file `path`."""
        self.path.replace(path)
        _note(self.target).unlink(missing_ok=True)

    def origin(self, address: str) -> Origin | None:
        """Return what the part is a part of, or None where it cannot be carried on from this address."""
        found = _noted(self.target)
        return found if found and found.address == address and found.validator else None

    def note(self, origin: Origin) -> None:
        """Write down what the part is a part of."""
        # A note that is half-written is no JSON: then the download starts anew.
        _note(self.target).write_text(json.dumps(asdict(origin)), encoding="utf-8")


@contextmanager
def alone(target: Path) -> Iterator[Partial]:
    """Open the part of `target` for appending, as the only process that does.

    Raises:
        EcefError: another process downloads it.
    """
    path = part_of(target)
    try:
        with FileLock(f"{target}.lock", timeout=0), path.open("ab") as part:
            try:
                yield Partial(target, part)
            finally:
                part.flush()
                if path.exists() and not path.stat().st_size:
                    path.unlink()
    except Timeout:
        raise EcefError(f"another process is downloading {target}", hint="wait for it") from None


def part_of(target: Path) -> Path:
    """Return where the part of a file lies."""
    return target.with_name(f"{target.name}.part")


def begun_from(target: Path) -> str | None:
    """Return the address from which a download of `target` was begun that can be carried on."""
    found = _noted(target)
    part = part_of(target)
    return found.address if found and found.validator and part.exists() and part.stat().st_size else None


def check_room(folder: Path, needed: int, what: str, hint: str) -> None:
    """Check that a file system has room for so many bytes, and some to spare.

    Raises:
        EcefError: it has not.
    """
    needed, free = needed + SPARE, shutil.disk_usage(folder).free
    if free < needed:
        raise EcefError(f"{folder} has {free >> 20:,} MiB free, {what} needs {needed >> 20:,} MiB", hint=hint)


def origin_of(response: Response, address: str, size: int) -> Origin:
    """Return which file a reply brings, the first `size` bytes of which are there already."""
    tag, date = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
    # A weak tag does not promise the same bytes.
    validator = tag if tag and not tag.startswith("W/") else date
    if response.status_code == PART:
        return Origin(address, validator, stated_total(response))
    stated = response.headers.get("Content-Length", "")
    return Origin(address, validator, size + int(stated) if stated.isdigit() else None)


def stated_start(response: Response) -> int | None:
    """Return the byte at which a part starts that a reply brings, or None where it does not say."""
    match = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return int(match[1]) if match and match[1] else None


def stated_total(response: Response) -> int | None:
    """Return the size of the whole file of which a reply brings a part, or None where it does not say."""
    match = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return int(match[2]) if match and match[2] != "*" else None


def _note(target: Path) -> Path:
    return target.with_name(f"{target.name}.part.json")


def _noted(target: Path) -> Origin | None:
    try:
        stated: dict[str, Any] = json.loads(_note(target).read_text(encoding="utf-8"))
        return Origin(**stated)
    except (OSError, ValueError, TypeError):
        return None
