"""Open sound files with libsndfile, without its messages on stderr, and repair what it misreads."""

from __future__ import annotations

import ctypes
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from threading import Lock
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COPY = "copy or download it again, or convert it anew from its source"
"""Hint for an incomplete file."""

_UNKNOWN = (range(0x7FFF0000, 0x80000001), range(0xFFFF0000, 0x100000000))  # bytes: the most, less some header
_FORMATS = "convert it to WAV, FLAC, Ogg or MP3, e.g. with ffmpeg"


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Yield a sound file as a `soundfile.SoundFile`; meanwhile, C code writes nothing to stderr.

    Raises:
        DataError: the file is missing or not a readable sound file.
    """
    _check_file(path)
    with _STDERR.silent():
        with _sound(str(path), path) as sound:
            samples = _samples(path) if sound.frames == 0 else None
            if samples is None or not samples.unclosed:
                yield sound
                return
        with _Unclosed(path, samples.size_at) as file, _sound(file, path) as sound:
            yield sound


def promised_frames(path: Path, sound: Any) -> int:
    """Return the number of frames that the header of a file states; a truncated file has fewer.

    Args:
        path: the file.
        sound: the file, opened.
    """
    frames: int = sound.frames
    samples = _samples(path)
    if samples is not None and not samples.unknown and 0 < samples.there < samples.declared:
        # libsndfile silently counts only the existing frames.
        frames = round(frames * samples.declared / samples.there)
    return frames


def _check_file(path: Path) -> None:
    where = str(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise DataError("is a folder", where=where, hint="name a recording in it")
        if not stat.S_ISREG(status.st_mode):
            raise DataError("is not a regular file", where=where, hint="save the recording to a file first")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise DataError("there is no such file", where=where, hint="check the path of the recording") from None
    except (OSError, ValueError) as error:  # a ValueError: a null character
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"cannot be read: {reason}", where=where, hint="check its path and permissions") from None
    if status.st_size == 0:
        raise DataError("the file is empty", where=where, hint=COPY)


def _sound(file: str | FileIO, path: Path) -> Any:
    import soundfile

    try:
        sound = soundfile.SoundFile(file)
        known = sound.format != "RAW"  # a file without a header is audio by its name alone
    except (RuntimeError, TypeError, UnicodeError):  # a TypeError: `.raw` needs a rate
        known = False
    if not known:
        raise DataError("is not a readable audio file", where=str(path), hint=_FORMATS)
    return sound


@dataclass(frozen=True, slots=True)
class _Samples:
    """The samples of a WAV file, in bytes.

    Attributes:
        size_at: position of the size field.
        declared: value of the size field.
        there: number of bytes after it.
        chunk: whether these bytes begin like another chunk.
    """

    size_at: int
    declared: int
    there: int
    chunk: bool

    @property
    def unclosed(self) -> bool:
        """Whether samples follow a size of 0: their writer could not seek back, or was killed."""
        return self.declared == 0 and self.there > 0 and not self.chunk

    @property
    def unknown(self) -> bool:
        """Whether the size is a placeholder of a writer that did not know it, such as one that writes to a pipe."""
        return any(self.declared in sizes for sizes in _UNKNOWN)


def _samples(path: Path) -> _Samples | None:
    """Return the samples of a WAV file, or None for another file."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        if file.read(4) not in {b"RIFF", b"RF64"}:
            return None
        file.seek(12)
        long = 0  # the size of RF64 takes more than the field's 32 bits and is in a chunk of its own
        while len(head := file.read(8)) == 8:  # noqa: PLR2004 - name and size of a chunk
            length = int.from_bytes(head[4:], "little")
            begin = file.tell()
            if head.startswith(b"data"):
                there, after = size - begin, file.read(8)
                chunk = after[:4].strip().isalnum() and int.from_bytes(after[4:], "little") <= there - 8
                return _Samples(begin - 4, long or length, there, chunk)
            if head.startswith(b"ds64"):
                long = int.from_bytes(file.read(16)[8:], "little")
            file.seek(begin + length + length % 2)
    return None


class _Unclosed(FileIO):
    """A WAV file with a sample size of 0, read as if the size were the maximum."""

    def __init__(self, path: Path, size_at: int) -> None:
        super().__init__(path)
        self._size_at = size_at

    def readinto(self, buffer: Any) -> int:
        at = self.tell()
        count = super().readinto(buffer) or 0
        view = memoryview(buffer).cast("B")
        for place in range(max(at, self._size_at), min(at + count, self._size_at + 4)):
            view[place - at] = 0xFF
        return count


class _CStderr:
    """The stderr stream of C code.

    The MP3 decoder prints remarks, even for intact files, and libsndfile offers no way to stop it. C and Python have
    separate streams on the same descriptor: messages of ecef still appear while the C stream is silenced, whichever
    thread prints them. Without glibc the stream is not silenced.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._stream: ctypes.c_void_p | None = None
        try:
            library = ctypes.CDLL(None)
            if not hasattr(library, "gnu_get_libc_version"):  # other libraries keep the variable in read-only memory
                return
            library.fopen.restype = ctypes.c_void_p
            self._nowhere = library.fopen(b"/dev/null", b"we")
            if self._nowhere:
                self._stream = ctypes.c_void_p.in_dll(library, "stderr")
                self._loud = self._stream.value
        except (OSError, TypeError, ValueError, AttributeError):  # Windows, or another C library
            return

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Silence the stream until the last thread has left the block."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self._users += change
            if self._stream is not None:
                self._stream.value = self._nowhere if self._users else self._loud


_STDERR = _CStderr()
