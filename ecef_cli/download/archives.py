"""Reads archives member by member, in one pass and in bounded memory; nothing is unpacked to the disk.

An archive is hostile until it has proven otherwise: what it declares is checked before it is believed, and what it
gives is counted while it comes.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ecef_cli.api.errors import DataError
from ecef_cli.download.archive_names import Names, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUFFIXES = (".tar.gz", ".tgz", ".tar")
_GZIP = b"\x1f\x8b"
_HEADERS = 1 << 20  # bytes that the headers between two members may take
_SLACK = 16 << 20  # bytes that may come out of an archive before its ratio counts
_DAMAGED = "get it anew: it was cut off or changed on its way"


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold.

    Attributes:
        member: bytes of one file.
        total: bytes of all files, those of archives within it among them.
        ratio: bytes that may come out of one byte that is packed, in the mean.
        members: how many files, folders and links.
        depth: how deep archives may lie within archives.
    """

    member: int = 1 << 30
    total: int = 64 << 30
    ratio: int = 200
    members: int = 200_000
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive.

    Attributes:
        name: its path, parts separated by `/`; that of an archive within stands before that of its own members.
        size: its size in bytes.
        modified: when it was last changed, seconds since 1970.
        read: returns its bytes; to be called before the next member is asked for.
    """

    name: str
    size: int
    modified: int
    read: Callable[[], bytes]


def is_archive(name: str) -> bool:
    """Tell by its name whether a file is an archive that can be read."""
    return name.casefold().endswith(SUFFIXES)


def members(
    path: Path, limits: Limits | None = None, *, progress: Callable[[int], None] | None = None
) -> Iterator[Member]:
    """Yield the files of a tar archive, gzipped or not, and those of archives within it; links are passed over.

    Args:
        path: the archive.
        limits: what it may hold.
        progress: is told how many bytes of the archive are read.

    Raises:
        DataError: it cannot be read, is cut off, or holds what no honest archive does.
    """
    limits = limits or Limits()
    try:
        with path.open("rb") as stream:
            for member in _Walk(limits).archive(stream, str(path), "", 0):
                if progress:
                    progress(stream.tell())
                yield member
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=str(path)) from None


class _Walk:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.total = 0
        self._count = 0

    def archive(self, packed: Any, where: str, prefix: str, depth: int) -> Iterator[Member]:
        """Yield the files of an archive whose bytes `packed`, a buffered reader, gives."""
        with ExitStack() as stack:
            counted = _Counted(packed)
            with _damage(where):
                zipped = packed.peek(2)[:2] == _GZIP
            source: IO[bytes] = gzip.GzipFile(fileobj=counted) if zipped else counted  # type: ignore[assignment]
            if zipped:
                stack.enter_context(closing(source))
            metered = _Metered(source, counted, self, where)
            with _damage(where):
                tar = stack.enter_context(
                    tarfile.open(fileobj=metered, mode="r|", tarinfo=_Info, errorlevel=2)  # type: ignore[call-overload]
                )
            names = Names(where, Path(f"{where.partition(': ')[0]}.unpacked"))
            while (info := self._next(tar, names, metered, where)) is not None:
                if info.isreg():
                    yield from self._file(tar, info, where, prefix, depth)
            with _damage(where):
                metered.drain()

    def _next(self, tar: tarfile.TarFile, names: Names, metered: _Metered, where: str) -> tarfile.TarInfo | None:
        with _damage(where):
            info = tar.next()
        if info is None:
            return None
        tar.members.clear()  # type: ignore[attr-defined]  # each is met once, and a corpus has thousands
        names.check(info)
        self._count += 1
        if self._count > self.limits.members:
            raise DataError(f"holds more than {self.limits.members:,} members", where=where, hint=_BOMB)
        largest = self.limits.total if is_archive(info.name) else self.limits.member
        if info.size > largest:
            problem = f"the member {shown(info.name)} declares {info.size:,} bytes, and {largest:,} are allowed"
            raise DataError(problem, where=where, hint=_BOMB)
        metered.allowed = info.offset_data + info.size + _HEADERS
        return info

    def _file(
        self, tar: tarfile.TarFile, info: tarfile.TarInfo, where: str, prefix: str, depth: int
    ) -> Iterator[Member]:
        with _damage(where):
            stream = tar.extractfile(info)
        if stream is None:
            return
        name = "/".join(part for part in info.name.split("/") if part not in {"", "."})
        if is_archive(name) and not name.rpartition("/")[2].startswith("."):
            if depth == self.limits.depth:
                problem = f"the member {shown(name)} is an archive in an archive in an archive"
                raise DataError(problem, where=where, hint=_BOMB)
            yield from self.archive(stream, f"{where}: {name}", f"{prefix}{name}/", depth + 1)
            return

        def read() -> bytes:
            with _damage(where):
                return stream.read()

        yield Member(f"{prefix}{name}", info.size, int(info.mtime), read)


_BOMB = "it is larger than any corpus it could be: get it from where it was published"


class _Counted(io.RawIOBase):
    """Counts the bytes that are read of a stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece: bytes = self._stream.read(size)
        self.count += len(piece)
        return piece


class _Metered:
    """What comes out of an archive, and no more than is allowed.

    Attributes:
        allowed: up to which byte its tar file may be read by now.
    """

    def __init__(self, stream: IO[bytes], packed: _Counted, walk: _Walk, where: str) -> None:
        self._stream, self._packed, self._walk, self._where = stream, packed, walk, where
        self._count = 0
        self.allowed = _HEADERS

    def read(self, size: int) -> bytes:
        piece = self._stream.read(size)
        self._take(len(piece))
        if self._count > self.allowed:
            raise DataError(f"its headers take more than {_HEADERS:,} bytes", where=self._where, hint=_BOMB)
        return piece

    def drain(self) -> None:
        """Read to the end, where the checksum of what was packed stands."""
        try:
            while piece := self._stream.read(1 << 16):
                self._take(len(piece))
        except gzip.BadGzipFile as error:
            if not str(error).startswith("Not a gzipped file"):  # what follows a whole archive is no part of it
                raise

    def _take(self, count: int) -> None:
        self._count += count
        self._walk.total += count
        limits = self._walk.limits
        if self._walk.total > limits.total:
            raise DataError(f"unpacks to more than {limits.total:,} bytes", where=self._where, hint=_BOMB)
        if self._count > limits.ratio * self._packed.count + _SLACK:
            problem = f"unpacks to more than {limits.ratio} times its size"
            raise DataError(problem, where=self._where, hint=_BOMB)


class _Info(tarfile.TarInfo):
    """A header; one that is damaged is an error, where `tarfile` takes it for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _Info:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":
                raise
            raise tarfile.ReadError(str(error)) from None


@contextmanager
def _damage(where: str) -> Iterator[None]:
    """Turn what the readers of archives raise into a line that a user can act on."""
    try:
        yield
    except (EOFError, zlib.error):
        raise DataError("is cut off or damaged", where=where, hint=_DAMAGED) from None
    except (tarfile.TarError, gzip.BadGzipFile, ValueError, OverflowError) as error:
        raise DataError(f"is no tar archive, or a damaged one: {error}", where=where, hint=_DAMAGED) from None
