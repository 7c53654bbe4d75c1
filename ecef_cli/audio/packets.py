"""Decode recordings with FFmpeg, through PyAV: every format that libsndfile does not read, and MP3."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ecef_cli.api.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    Block = npt.NDArray[np.float32]

DECODER = "ffmpeg-1"
"""Version of this decoder: raise it if it gives other samples."""

_SLACK = 0.1  # seconds of packets that may be undecodable, or be missing before the end that a header states
_SHARE = 0.01  # the same as a share of the stated length
_PREROLL = 0.5  # seconds to decode before a segment: the output of a codec depends on earlier packets
_GAP = 0.05  # seconds between timestamps that count as a pause, not as rounding
_COUNTED = 0x0100  # FFmpeg's flag of formats without an index or timestamps: only counting gives their positions
_XING = 2_000  # bytes before the first packet of an MP3 file that hold its Xing header


@dataclass(frozen=True, slots=True)
class _Facts:
    """Facts about a recording, from its packets.

    Attributes:
        frames: samples per channel, counted over all packets.
        promised: samples per channel according to the header; `frames` if it states none.
        rate: sampling rate (Hz).
        channels: number of channels.
        partial: whether the last packet is incomplete.
    """

    frames: int
    promised: int
    rate: int
    channels: int
    partial: bool


class PacketSound:
    """A recording with the part of the interface of `soundfile.SoundFile` that `reading` uses.

    Attributes:
        frames: samples per channel, counted over all packets.
        promised: samples per channel according to the header.
        samplerate: sampling rate (Hz).
        channels: number of channels.
        partial: whether the last packet is incomplete.
    """

    def __init__(self, container: Any, facts: _Facts) -> None:
        self.frames, self.promised, self.partial = facts.frames, facts.promised, facts.partial
        self.samplerate, self.channels = facts.rate, facts.channels
        self._container = container
        self._blocks: Iterator[Block] = self._from(0)
        self._rest: Block = np.zeros((0, self.channels), dtype=np.float32)

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, frame: int) -> int:
        """Continue at a frame, and return it. Only the first call has an effect on the file."""
        self._blocks = self._from(frame)
        return frame

    def read(self, frames: int, **_: Any) -> Block:
        """Return at most `frames` frames (frames, channels); none at the end.

        Raises:
            RuntimeError: the recording is damaged.
        """
        while not len(self._rest):
            block = next(self._blocks, None)
            if block is None:
                return self._rest
            self._rest = block
        block, self._rest = self._rest[:frames], self._rest[frames:]
        return block

    def _from(self, first: int) -> Iterator[Block]:
        """Yield the decoded frames from `first` up to the counted end."""
        stream = _sound_of(self._container)
        at = None  # position of the next frame
        for found, position in self._decoded(stream, first / self.samplerate):
            block = found
            pause = 0 if at is None or position is None else position - at
            if at is None:
                at = position or 0
            elif pause > _GAP * self.samplerate:  # silence was not recorded
                block = np.concatenate([np.zeros((pause, self.channels), dtype=np.float32), block])
            begin, at = at, at + len(block)
            block = block[max(0, first - begin) : max(0, self.frames - begin)]
            if len(block):
                yield block

    def _decoded(self, stream: Any, seconds: float) -> Iterator[tuple[Block, int | None]]:
        """Yield decoded blocks from `_PREROLL` before a time, with the position that each states."""
        import av

        convert = av.AudioResampler("fltp", stream.layout, self.samplerate)
        unit, start = stream.time_base, stream.start_time or 0
        early, lost = seconds - _PREROLL, 0.0
        if early > 0 and not self._counted:
            self._container.seek(start + int(early / unit), stream=stream)
        for packet in self._container.demux(stream):
            if self._counted and packet.pts is not None and float((packet.pts - start) * unit) < early:
                continue
            try:
                made = [part for frame in packet.decode() for part in convert.resample(frame)]
            except (av.FFmpegError, ValueError) as error:  # a ValueError: its rate or channels have changed
                lost += float((packet.duration or 0) * unit)
                if lost > _SLACK:
                    raise RuntimeError(str(error)) from None
                continue
            for frame in made:
                place = None if frame.pts is None else round(float(frame.time - start * unit) * self.samplerate)
                yield np.ascontiguousarray(frame.to_ndarray().T, dtype=np.float32), place

    @property
    def _counted(self) -> bool:
        return bool(self._container.format.flags & _COUNTED)


@contextmanager
def opened_packets(path: Path) -> Iterator[PacketSound | None]:
    """Yield a recording that FFmpeg decodes, or None.

    Raises:
        DataError: the file holds video or pictures without sound.
    """
    status = path.stat()
    facts = _facts(path, status.st_size, status.st_mtime_ns)
    if facts is None:
        yield None
        return
    with path.open("rb") as file, _container(file) as container:
        yield PacketSound(container, facts)


class _Unnamed:
    """A file whose suffix FFmpeg cannot see, so its content decides."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def _container(file: BinaryIO) -> Any:
    import av

    return av.open(_Unnamed(file), options={"protocol_whitelist": "none"})  # a playlist must not open other files


def _sound_of(container: Any) -> Any:
    return container.streams.audio[0]


@lru_cache(maxsize=1024)  # the utterances of a long recording read it again and again
def _facts(path: Path, size: int, modified: int) -> _Facts | None:
    del size, modified  # a changed file is another one
    import av

    try:
        with path.open("rb") as file, _container(file) as container:
            if not container.streams.audio:
                hint = "leave 'audio' out of the row, or name the file with the sound"
                raise DataError("the file contains no sound", where=str(path), hint=hint)
            return _count(container, file)
    except av.FFmpegError:
        return None


def _count(container: Any, file: BinaryIO) -> _Facts | None:
    """Read all packets, without decoding them."""
    import av

    stream = _sound_of(container)
    rate, channels, unit = stream.codec_context.sample_rate, stream.codec_context.channels, stream.time_base
    if not (rate and channels and unit):
        return None
    start = float((stream.start_time or 0) * unit)
    end = reached = 0.0
    first = last = None
    for packet in _packets(container):
        until = float((packet.pts + (packet.duration or 0)) * packet.time_base)
        reached = max(reached, until)
        if packet.stream.index == stream.index:
            first, last, end = first or packet, packet, max(end, until)
    if first is None or last is None:
        return _Facts(0, 0, rate, channels, partial=False)
    frames = round((end - start) * rate)
    if container.format.flags & _COUNTED:  # other formats state the last packet without it
        frames -= _padding(last)
    missing = 0.0
    if container.format.flags & _COUNTED and not _states_length(container, file, first):
        pass  # FFmpeg only estimates the length, from the bit rate
    elif stream.duration is not None:
        missing = _missing(float(stream.duration * unit), end - start)
    elif container.duration is not None:
        missing = _missing(container.duration / av.time_base, reached)
    partial = _is_partial(container, stream, first, last)
    return _Facts(frames, frames + round(missing * rate), rate, channels, partial)


def _packets(container: Any) -> Iterator[Any]:
    """Yield the packets that state a time, up to the first damage; the header tells whether others are missing."""
    import av

    try:
        for packet in container.demux():
            if packet.pts is not None:
                yield packet
    except av.FFmpegError:
        return


def _missing(stated: float, found: float) -> float:
    """Return the seconds that a header states but no packet has; 0 within a tolerance."""
    return stated - found if stated - found > max(_SLACK, _SHARE * stated) else 0.0


def _padding(packet: Any) -> int:
    """Return the number of samples that the encoder added at the end."""
    for side in packet.iter_sidedata():
        if side.data_type == "skip_samples":
            return int.from_bytes(bytes(side)[4:8], "little")
    return 0


def _states_length(container: Any, file: BinaryIO, first: Any) -> bool:
    """Return whether a file without an index states its length: FLAC, or MP3 with a Xing header before its packets."""
    if container.format.name != "mp3":
        return bool(container.format.name == "flac")
    file.seek(max(0, first.pos - _XING))
    head = file.read(min(first.pos, _XING))
    at = max(head.rfind(b"Xing"), head.rfind(b"Info"))
    return at >= 0 and len(head) > at + 7 and head[at + 7] & 1 == 1  # the flag of a number of frames


def _is_partial(container: Any, stream: Any, first: Any, last: Any) -> bool:
    """Return whether a file without an index ends within its last packet."""
    import av

    if not container.format.flags & _COUNTED:
        return False

    def whole(packet: Any) -> bool:
        # A parser returns a packet as soon as its header's length is there; some wait for the next header.
        return bool(av.CodecContext.create(stream.codec_context.name, "r").parse(bytes(packet)))

    if whole(first) and not whole(last):
        return True
    try:
        last.decode()
    except av.FFmpegError:
        return True
    return False
