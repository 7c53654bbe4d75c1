"""Read tar archives safely: one pass, bounded memory, nothing unpacked to the disk.

`tarfile.data_filter` refuses members that lead out of the archive, and devices. This module also refuses archives that
flood memory or disk, names that cannot be written, two names for one file, and damage that tarfile passes over.
"""

from __future__ import annotations

import gzip
import re
import tarfile
import unicodedata
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import DataError, EcefError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_GZIP = b"\x1f\x8b"
_HEADERS = 1 << 20  # bytes of the headers between two members
_SLACK = 16 << 20  # bytes that an archive may give before its ratio counts
_NAME, _PATH, _SHOWN = 255, 1_000, 80  # bytes of a part, bytes of a path, characters in an error
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FOREIGN = re.compile(r"/|[A-Za-z]:|.*\\")
_AGAIN = "download it again: it was truncated or changed in transfer"
_PUBLISHED = "download the archive from its publisher"
_TOO_LARGE = "no known corpus is that large: download the archive from its publisher"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of an archive together with the archives within it."""

    member: int = 1 << 30  # bytes of one file
    total: int = 64 << 30  # bytes of all files
    ratio: int = 200  # unpacked bytes per packed byte, on average
    members: int = 200_000  # files, folders and links
    depth: int = 1  # levels of archives within archives


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive.

    Attributes:
        name: its path, with `/` between the parts; for a file of an archive within, after the path of that archive.
        size: its size in bytes.
        modified: time of the last change, in seconds since 1970.
        read: returns its bytes; call it before asking for the next member.
    """

    name: str
    size: int
    modified: int
    read: Callable[[], bytes]


def is_archive(name: str) -> bool:
    """Return whether a file has the name of an archive that can be read."""
    return name.casefold().endswith((".tar.gz", ".tgz", ".tar"))


def read_archive(
    path: Path, limits: Limits | None = None, *, progress: Callable[[int], None] = lambda _: None
) -> Iterator[Member]:
    """Yield the files of a tar archive, gzipped or not, and those of archives within it; skip links.

    Args:
        path: the archive.
        limits: what it may hold.
        progress: receives the number of bytes of the archive that are read.

    Raises:
        DataError: the archive cannot be read, is damaged, or is hostile.
    """
    if not hasattr(tarfile, "data_filter"):
        raise EcefError("this Python cannot open archives safely", hint="update it to 3.11.4 or later")
    try:
        with path.open("rb") as stream:
            for member in _members(stream, str(path), _Use(limits or Limits())):
                progress(stream.tell())
                yield member
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=str(path)) from None


@dataclass(slots=True)
class _Use:
    """The share of the limits that an archive and those within it have used."""

    limits: Limits
    total: int = 0
    members: int = 0


def _members(packed: Any, where: str, use: _Use, prefix: str = "", depth: int = 0) -> Iterator[Member]:
    limits, names = use.limits, _Names()
    with _damage(where):
        zipped = packed.peek(2)[:2] == _GZIP
        unpacked = _Metered(gzip.GzipFile(fileobj=packed) if zipped else packed, packed, use, where)
        with tarfile.open(fileobj=unpacked, mode="r|", tarinfo=_Header, errorlevel=2) as tar:  # type: ignore[call-overload]
            while (info := tar.next()) is not None:
                tar.members.clear()  # each is needed once, and a corpus has thousands
                if problem := names.problem(info, where):
                    raise DataError(f"the member {_shown(info.name)} {problem}", where=where, hint=_PUBLISHED)
                name = _normal(info.name)
                nested = info.isreg() and is_archive(name) and not name.rpartition("/")[2].startswith(".")
                largest = limits.total if nested else limits.member
                use.members += 1
                if use.members > limits.members:
                    problem = f"holds more than {limits.members:,} members"
                elif info.size > largest:
                    problem = f"the member {_shown(name)} declares {info.size:,} bytes; the limit is {largest:,}"
                elif nested and depth == limits.depth:
                    problem = f"the member {_shown(name)} is an archive nested too deeply"
                if problem:
                    raise DataError(problem, where=where, hint=_TOO_LARGE)
                unpacked.allowed = info.offset_data + info.size + _HEADERS
                if not info.isreg():
                    continue
                stream = tar.extractfile(info)
                if nested:
                    yield from _members(stream, f"{where}: {name}", use, f"{prefix}{name}/", depth + 1)
                else:
                    yield Member(f"{prefix}{name}", info.size, int(info.mtime), _reader(stream, where))
        unpacked.drain()


def _reader(stream: Any, where: str) -> Callable[[], bytes]:
    def read() -> bytes:
        with _damage(where):
            return bytes(stream.read())

    return read


@dataclass(slots=True)
class _Metered:
    """The unpacked bytes of an archive, counted while they are read, because declared sizes may be wrong."""

    unpacked: Any
    packed: Any
    use: _Use
    where: str
    count: int = 0
    allowed: int = _HEADERS  # position up to which the tar file may be read so far

    def read(self, size: int) -> bytes:
        piece: bytes = self.unpacked.read(size)
        limits, problem = self.use.limits, None
        self.count += len(piece)
        self.use.total += len(piece)
        if self.use.total > limits.total:
            problem = f"unpacks to more than {limits.total:,} bytes"
        elif self.count > limits.ratio * self.packed.tell() + _SLACK:
            problem = f"unpacks to more than {limits.ratio} times its size"
        elif self.count > self.allowed:
            problem = f"its headers take more than {_HEADERS:,} bytes"
        if problem:
            raise DataError(problem, where=self.where, hint=_TOO_LARGE)
        return piece

    def drain(self) -> None:
        """Read to the end, where gzip has its checksum."""
        self.allowed = self.use.limits.total
        try:
            while self.read(1 << 16):
                pass
        except gzip.BadGzipFile as error:
            if not str(error).startswith("Not a gzipped file"):  # bytes after the end of an archive do no harm
                raise


class _Names:
    """The names of an archive, each checked before its member is used."""

    def __init__(self) -> None:
        self._spelled: dict[str, str] = {}
        self._files: set[str] = set()

    def problem(self, info: tarfile.TarInfo, where: str) -> str | None:
        """Return why a member cannot be used."""
        parts = info.name.split("/")
        try:
            size, longest = len(info.name.encode()), max(len(part.encode()) for part in parts)
        except UnicodeEncodeError:
            return "has a name that is not UTF-8"
        problems = {
            "has a control character in its name": _UNPRINTABLE.search(info.name),
            "has an absolute path, or one of another system": _FOREIGN.match(info.name),
            "leads out of the archive": ".." in parts,
            f"has a name of {size:,} bytes: the limit is {_NAME} per part and {_PATH:,} in all": (
                longest > _NAME or size > _PATH
            ),
            "is a sparse file": info.issparse(),
        }
        found = next((problem for problem, holds in problems.items() if holds), None)
        return (
            found or _refused(info, f"{where}.unpacked") or self._duplicate(_normal(info.name), file=not info.isdir())
        )

    def _duplicate(self, name: str, *, file: bool) -> str | None:
        for end in [*(slash.start() for slash in re.finditer("/", name)), len(name)]:
            other = self._spelled.setdefault(unicodedata.normalize("NFC", name[:end]).casefold(), name[:end])
            if other != name[:end]:
                return f"differs from {_shown(other)} only in case or Unicode form"
        if file and name in self._files:
            return "is a duplicate"
        if file:
            self._files.add(name)
        return None


def _refused(info: tarfile.TarInfo, folder: str) -> str | None:
    """Return why tarfile would not unpack a member into a folder."""
    try:
        tarfile.data_filter(info, folder)
    except (tarfile.AbsoluteLinkError, tarfile.LinkOutsideDestinationError):
        return f"is a link that leads out of the archive, to {_shown(info.linkname)}"
    except tarfile.SpecialFileError:
        return "is a device or a pipe"
    except tarfile.FilterError:
        return "leads out of the archive"
    return None


def _normal(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in {"", "."})


def _shown(name: str) -> str:
    """Return a name shortened, and escaped for a terminal."""
    text = ascii(name)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(name):,} characters)"


class _Header(tarfile.TarInfo):
    """Header that raises an error if it is damaged; `tarfile` takes that for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _Header:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":
                raise
            raise tarfile.ReadError(str(error)) from None


@contextmanager
def _damage(where: str) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error):
        raise DataError("is cut off or damaged", where=where, hint=_AGAIN) from None
    except (tarfile.TarError, gzip.BadGzipFile, ValueError, OverflowError) as error:
        raise DataError(f"is not a tar archive, or is damaged: {error}", where=where, hint=_AGAIN) from None
