"""Tell recordings from text by their first bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_STARTS = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3", b"FORM", b".snd", b"#!AMR", b"caff", b"\x1aE\xdf\xa3")
_FRAMES = tuple(bytes([0xFF, second]) for second in (*range(0xE0, 0xFE), 0xFF))
"""First bytes of an MPEG frame, except for those that are also the mark of UTF-16."""


def is_recording(path: Path) -> bool:
    """Return whether a file begins like a recording or a video: WAV, FLAC, Ogg, MP3, AAC, AIFF, AMR, MP4, WebM, ….

    Its name does not matter. A file that cannot be read is not a recording.
    """
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except (OSError, ValueError):
        return False
    return start.startswith((*_STARTS, *_FRAMES)) or start[4:8] == b"ftyp"
