"""Recordings of any kind become FLAC files, one channel at 16 kHz, each with a note of what it was made of."""

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
"""Samples a second (Hz): what speech encoders read."""
LONGEST = 900.0
"""Seconds after which decoding stops: no utterance lasts a quarter of an hour, and no disk is filled by one file."""
SHARE = 0.95
"""Of the seconds that a recording promises, so much must come out of it; encoders drop a frame, damage drops many."""

_MAKER = 1  # another number makes every file anew
_PART = ".part"


def convert(sound: bytes | Path, target: Path, note: str) -> None:
    """Decode a recording and write it to `target`, which is there whole or not at all.

    Args:
        sound: a recording, or its bytes, in any container and codec that FFmpeg knows; what is no sound is passed over.
        target: the FLAC file to make.
        note: what `note_of` is to say of it.

    Raises:
        DataError: it holds no sound, cannot be decoded, is cut off, silent or too long.
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
        part.chmod(0o644)  # as files are that no mkstemp made
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def note_of(path: Path) -> tuple[str, float] | None:
    """Return the note of a file that `convert` made, and its seconds; None where there is no whole recording.

    The note is empty where another program, or another version of this one, made it. The files are not brought to the
    disk one by one, which would take as long as to decode them; so after a power failure one may be empty, cut off, or
    end in zeros. None of these has a last sample that can be read.
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
    """Return what tells one recording from another.

    Args:
        size: its bytes.
        modified: when it was last changed, seconds since 1970; archives and file systems both keep this and the size.
        checksum: the CRC-32 of its bytes, where they were read.
    """
    return f"{size} {modified}" if checksum is None else f"{size} {modified} {checksum:08x}"


def same_source(one: str, other: str) -> bool:
    """Tell whether two notes are of one recording, as far as both of them say."""
    first, second = one.split(), other.split()
    both = min(len(first), len(second))
    return both > 1 and first[:both] == second[:both]


def sweep(folder: Path) -> None:
    """Remove what killed processes had begun to write in a folder, of which no other process is at work."""
    for path in (*folder.glob(f".*{_PART}"), *folder.glob(f"*/.*{_PART}")):
        path.unlink(missing_ok=True)


def decode(sound: bytes | Path) -> npt.NDArray[np.int16]:
    """Return a recording as samples `(S,)`, the mix of its channels, at `RATE`.

    Raises:
        DataError: it holds no sound, cannot be decoded, is cut off, silent or too long.
    """
    import av
    import numpy as np

    try:
        with av.open(io.BytesIO(sound) if isinstance(sound, bytes) else str(sound)) as container:
            streams = container.streams.audio
            if not streams:
                raise DataError("it holds no sound")
            promised = _promised(container, streams[0])
            if promised is not None and promised > LONGEST:
                raise DataError(f"it lasts {promised:,.0f} s, and {LONGEST:,.0f} s are allowed")
            wave = np.concatenate([np.empty(0, np.int16), *_pieces(container, streams[0])])
    except av.FFmpegError as error:
        raise DataError(f"it cannot be decoded: {(error.strerror or str(error)).lower()}") from None
    seconds = len(wave) / RATE
    if promised is not None and seconds < SHARE * promised:
        raise DataError(f"it is cut off or damaged: of {promised:.2f} s, {seconds:.2f} s can be decoded")
    if not len(wave):
        raise DataError("it holds no samples")
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
            continue  # a damaged packet takes its own milliseconds with it; what is missing is counted in the end
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
    """Return the seconds of sound that the headers promise, or None where they are silent about it."""
    import av

    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else float(container.duration / av.time_base)


def _stamp(note: str) -> str:
    return f"ecef {_MAKER}; {note}"
