"""Convert recordings to FLAC, mono at 16 kHz, with a note about the source."""

from __future__ import annotations

import io
import os
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

RATE = 16_000
"""Sample rate of speech encoders, Hz."""
LONGEST = 900.0
"""Maximum duration to decode, seconds: no utterance lasts a quarter of an hour, and one file must not fill the disk."""
SHARE = 0.95
"""Minimum share of the declared duration that must decode; encoders drop a frame, damage drops many."""

_MAKER = 1  # raise to convert every file again
_PART = ".part"


def convert(sound: bytes | Path, target: Path, note: str) -> None:
    """Decode a recording and write it to `target`, which is complete or absent.

    Args:
        sound: a recording, or its bytes, in any container and codec of FFmpeg; other streams are ignored.
        target: the FLAC file to write.
        note: the note for `note_of` to return.

    Raises:
        DataError: it has no audio, cannot be decoded, is cut off, silent or too long.
        OSError: it cannot be written.
    """
    import soundfile

    packed = io.BytesIO()
    with soundfile.SoundFile(packed, "w", RATE, 1, subtype="PCM_16", format="FLAC") as file:
        file.comment = _stamp(note)
        file.write(decode(sound))
    handle, name = mkstemp(prefix=f".{target.name}.", suffix=_PART, dir=target.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(packed.getbuffer())
        part.chmod(0o644)  # mkstemp restricts permissions
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def note_of(path: Path) -> tuple[str, float] | None:
    """Return the note and duration (seconds) of a file from `convert`; None if the file is missing or damaged.

    The note is empty if another program, or another version of this one, made the file. Files are not synced to the
    disk one by one, which would take as long as decoding them. So after a power failure a file may be empty, cut off,
    or end in zeros; then its last sample cannot be read.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            comment, seconds = str(file.comment), file.frames / file.samplerate
            file.seek(file.frames - 1)
            whole = len(file.read(1)) == 1
    except (soundfile.LibsndfileError, OSError):
        return None
    note = comment.removeprefix(_stamp(""))
    return (note if note != comment else "", seconds) if whole else None


def source_note(size: int, modified: int, checksum: int | None = None) -> str:
    """Return a note that identifies a recording.

    Args:
        size: its size, bytes.
        modified: its modification time, seconds since 1970; archives and file systems store both.
        checksum: the CRC-32 of its bytes, if they were read.
    """
    return f"{size} {modified}" if checksum is None else f"{size} {modified} {checksum:08x}"


def same_source(one: str, other: str) -> bool:
    """Return whether two notes agree in all parts that both have."""
    first, second = one.split(), other.split()
    both = min(len(first), len(second))
    return both > 1 and first[:both] == second[:both]


def sweep(folder: Path) -> None:
    """Remove partial files of killed processes; no other process may be writing to the folder."""
    for path in (*folder.glob(f".*{_PART}"), *folder.glob(f"*/.*{_PART}")):
        path.unlink(missing_ok=True)


def decode(sound: bytes | Path) -> npt.NDArray[np.int16]:
    """Return a recording as samples `(S,)`, the mix of its channels, at `RATE`.

    Raises:
        DataError: it has no audio, cannot be decoded, is cut off, silent or too long.
    """
    import av
    import numpy as np

    try:
        with av.open(io.BytesIO(sound) if isinstance(sound, bytes) else str(sound)) as container:
            streams = container.streams.audio
            if not streams:
                raise DataError("it contains no audio")
            promised = _promised(container, streams[0])
            if promised is not None and promised > LONGEST:
                raise DataError(f"it lasts {promised:,.0f} s; the maximum is {LONGEST:,.0f} s")
            wave = np.concatenate([np.empty(0, np.int16), *_pieces(container, streams[0])])
    except av.FFmpegError as error:
        raise DataError(f"it cannot be decoded: {(error.strerror or str(error)).lower()}") from None
    seconds = len(wave) / RATE
    if promised is not None and seconds < SHARE * promised:
        raise DataError(f"it is cut off or damaged: only {seconds:.2f} of {promised:.2f} s can be decoded")
    if not len(wave):
        raise DataError("it contains no samples")
    if (wave == wave[0]).all():
        raise DataError("it is silent")
    return wave


def _pieces(container: Any, stream: Any) -> Iterator[npt.NDArray[np.int16]]:
    import av

    resampler = av.AudioResampler("s16", "mono", RATE)
    count = 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue  # lose only the damaged packet; `decode` checks the total
        for frame in frames:
            for piece in resampler.resample(frame):
                count += piece.samples
                if count > LONGEST * RATE:
                    raise DataError(f"it lasts more than {LONGEST:,.0f} s")
                yield piece.to_ndarray()[0]
    if count:
        for piece in resampler.resample(None):
            yield piece.to_ndarray()[0]


def _promised(container: Any, stream: Any) -> float | None:
    """Return the duration that the headers declare, seconds, or None if they declare none."""
    import av

    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else float(container.duration / av.time_base)


def _stamp(note: str) -> str:
    return f"ecef {_MAKER}; {note}"
