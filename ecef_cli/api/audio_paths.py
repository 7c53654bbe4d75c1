"""Find the recording that a row names."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from ecef_cli.api.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_LABEL_STUDIO = re.compile(r"/data/(local-files|upload)/")


def recording_path(name: str, folder: Path, where: str) -> Path:
    """Return the path of a recording, also if its name has backslashes or another Unicode normal form than the file.

    Args:
        name: the path as written in a row.
        folder: the folder that it is relative to.
        where: `file:line`, for errors.

    Raises:
        DataError: the name is an address of a server, not a path.
    """
    if _ADDRESS.match(name):
        hint = "download the recording and write its path"
        raise DataError(f"'audio' is an address, not a file: {name}", where=where, hint=hint)
    if _LABEL_STUDIO.match(name):
        hint = "export the recording and write its path, relative to this file"
        raise DataError(f"'audio' is an address within Label Studio, not a file: {name}", where=where, hint=hint)
    path = folder / name
    # Only such names can differ from the file's name; do not look for the others.
    if (name.isascii() and "\\" not in name) or path.exists():
        return path
    for written in (name, name.replace("\\", "/")):
        for form in ("NFC", "NFD"):
            found = folder / unicodedata.normalize(form, written)
            if found.exists():
                return found
    return path


def similar_name(path: Path) -> str | None:
    """Return the name of a file in the folder of a missing one, equal except for case or Unicode form; or None."""
    try:
        names = [other.name for other in path.parent.iterdir()]
    except OSError:
        return None
    return next((name for name in names if _plain(name) == _plain(path.name)), None)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
