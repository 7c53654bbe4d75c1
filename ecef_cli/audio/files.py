"""Open recordings by their content, with libsndfile or FFmpeg, and repair what libsndfile misreads."""

from __future__ import annotations

import stat
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import DataError
from ecef_cli.audio.packets import PacketSound, opened_packets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

COPY = "copy or download it again, or convert it anew from its source"
"""Hint for an incomplete file."""

_UNKNOWN = (range(0x7FFF0000, 0x80000001), range(0xFFFF0000, 0x100000000))  # bytes: the most, less some header
_FORMATS = "convert it to WAV, FLAC, Ogg or MP3, e.g. with ffmpeg"
_PAGES = 2**17  # bytes at the end of an Ogg file that hold the start of its last page: a page has at most 65,307
_PAGE_HEADER = 27  # bytes of a page before the lengths of its segments; the last one is their number
_PADDING = 64  # bytes after the samples of a WAV file that are no chunk and no samples
_TAGS = (b"ID3", b"TAG", b"APETAG")  # what programs append to files of any format


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Yield a recording as a `soundfile.SoundFile`, or as a `PacketSound`, which has the same interface.

    Raises:
        DataError: the file is missing or not a readable recording.
    """
    _check_file(path)
    if not _is_mpeg(path):  # libsndfile trusts an estimated length, and its decoder writes to stderr
        with _sound(str(path)) as sound:
            if sound is not None:
                samples = _samples(path)
                if samples is None or not samples.more:
                    yield sound
                    return
                with _Resized(path, samples.size_at) as file, _sound(file) as whole:
                    yield whole
                return
    with opened_packets(path) as packets:
        if packets is None:
            raise DataError("is not a readable audio file", where=str(path), hint=_FORMATS)
        yield packets


def promised_frames(path: Path, sound: Any) -> int:
    """Return the number of frames that the header of a file states; a truncated file has fewer.

    Args:
        path: the file.
        sound: the file, opened.
    """
    if isinstance(sound, PacketSound):
        return sound.promised
    frames: int = sound.frames
    samples = _samples(path)
    if samples is not None and not samples.unknown and 0 < samples.there < samples.declared:
        # libsndfile silently counts only the existing frames.
        frames = round(frames * samples.declared / samples.there)
    return frames


def unfinished(path: Path, sound: Any) -> str | None:
    """Return the part of a file within which it ends, or None if it ends after one.

    Args:
        path: the file, of a format whose header does not state its length.
        sound: the file, opened.
    """
    if isinstance(sound, PacketSound):
        return "frame" if sound.partial else None
    return "page" if sound.format == "OGG" and _ends_within_page(path) else None


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


def _is_mpeg(path: Path) -> bool:
    """Return whether a file begins like MP3 or AAC: with a frame's header, or with a tag before it."""
    with path.open("rb") as file:
        head = file.read(3)
    return head == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")


@contextmanager
def _sound(file: str | FileIO) -> Iterator[Any]:
    """Yield what libsndfile reads as a `soundfile.SoundFile`, or None."""
    import soundfile

    try:
        sound = soundfile.SoundFile(file)
    except (RuntimeError, TypeError, UnicodeError):  # a TypeError: `.raw` needs a rate
        yield None
        return
    with sound:
        # A file without a header is audio by its name alone.
        yield None if sound.format == "RAW" or sound.subtype.startswith("MPEG") else sound


def _ends_within_page(path: Path) -> bool:
    """Return whether an Ogg file ends within a page (RFC 3533, section 6)."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _PAGES))
        rest = file.read()
    at = rest.rfind(b"OggS")
    if at < 0:
        return False
    table = rest[at + _PAGE_HEADER - 1 : at + _PAGE_HEADER]
    lengths = rest[at + _PAGE_HEADER : at + _PAGE_HEADER + sum(table)]
    return not table or len(lengths) < table[0] or len(rest) - at < _PAGE_HEADER + len(lengths) + sum(lengths)


@dataclass(frozen=True, slots=True)
class _Samples:
    """The samples of a WAV file, in bytes.

    Attributes:
        size_at: position of the size field.
        declared: value of the size field.
        there: number of bytes after it.
        chunks: whether chunks follow the declared samples up to the end of the file.
    """

    size_at: int
    declared: int
    there: int
    chunks: bool

    @property
    def more(self) -> bool:
        """Whether samples follow the declared ones.

        The writer could not seek back or was killed (a size of 0), or the size took more than 32 bits.
        """
        return self.declared < self.there and not self.chunks

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
                declared = long or length
                return _Samples(begin - 4, declared, size - begin, _chunks(file, begin + declared, size))
            if head.startswith(b"ds64"):
                long = int.from_bytes(file.read(16)[8:], "little")
            file.seek(begin + length + length % 2)
    return None


def _chunks(file: BinaryIO, at: int, size: int) -> bool:
    """Return whether a file holds chunks or tags, or no more than padding, from a position to its end."""
    file.seek(at + at % 2)
    head = file.read(8)
    if size - at < _PADDING or head.startswith(_TAGS):
        return True
    return head[:4].strip().isalnum() and int.from_bytes(head[4:], "little") <= size - at - 8


class _Resized(FileIO):
    """A WAV file, read as if its size field stated the maximum."""

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
