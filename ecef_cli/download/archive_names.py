"""Which names and kinds of members an archive may have: what could be written elsewhere, or not at all, is refused."""

from __future__ import annotations

import re
import tarfile
import unicodedata
from typing import TYPE_CHECKING

from ecef_cli.api.errors import DataError, EcefError

if TYPE_CHECKING:
    from pathlib import Path

PART = 255
"""Bytes that a file system takes for the name of one file or folder."""
PATH = 1_000
"""Bytes of a path in an archive."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DRIVE = re.compile(r"[A-Za-z]:")
_SHOWN = 80  # characters of a hostile name in an error
_HINT = "get the archive from where it was published"


class Names:
    """The names of an archive, each checked when it is met.

    Args:
        where: the archive, as errors name it.
        folder: where its members would be unpacked; need not exist.
    """

    def __init__(self, where: str, folder: Path) -> None:
        self._where, self._folder = where, str(folder)
        self._folded: dict[str, str] = {}
        self._files: set[str] = set()

    def check(self, member: tarfile.TarInfo) -> None:
        """Check a member's name and kind.

        Raises:
            DataError: it leads out of the archive, is no file, folder or link, or has a name that cannot be used.
        """
        problem = _flaw(member.name) or self._filtered(member) or self._twice(member)
        if problem:
            raise DataError(f"the member {shown(member.name)} {problem}", where=self._where, hint=_HINT)

    def _filtered(self, member: tarfile.TarInfo) -> str | None:
        if member.issparse():
            return "is a sparse file, whose size is not what it takes"
        try:
            check = tarfile.data_filter
        except AttributeError:
            raise EcefError("this Python cannot open archives safely", hint="update it to 3.11.4 or later") from None
        try:
            check(member, self._folder)
        except (tarfile.AbsoluteLinkError, tarfile.LinkOutsideDestinationError):
            return f"is a link that leads out of the archive, to {shown(member.linkname)}"
        except tarfile.SpecialFileError:
            return "is a device or a pipe"
        except tarfile.FilterError:
            return "leads out of the archive"
        return None

    def _twice(self, member: tarfile.TarInfo) -> str | None:
        parts = [part for part in member.name.split("/") if part not in {"", "."}]
        for count in range(1, len(parts) + 1):
            name = "/".join(parts[:count])
            other = self._folded.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
            if other != name:
                return f"differs from {shown(other)} only in how it is spelled"
        name = "/".join(parts)
        if not member.isdir():
            if name in self._files:
                return "is there twice"
            self._files.add(name)
        return None


def shown(name: str) -> str:
    """Return a name as an error may show it: short, and harmless to a terminal."""
    text = ascii(name)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(name):,} characters)"


def _flaw(name: str) -> str | None:
    try:
        size = len(name.encode())
        longest = max(len(part.encode()) for part in name.split("/"))
    except UnicodeEncodeError:
        return "has a name that is no UTF-8"
    if _CONTROL.search(name):
        return "has a control character in its name"
    if name.startswith("/") or "\\" in name or _DRIVE.match(name):
        return "has an absolute path, or one of another system"
    if ".." in name.split("/"):
        return "leads out of the archive"
    if longest > PART or size > PATH:
        return f"has a name of {size:,} bytes: {PART} in a part, and {PATH:,} in all, can be written"
    return None
