"""Convert MELD's recordings from archives and folders to FLAC files of the workspace."""

from __future__ import annotations

import hashlib
import json
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from ecef_cli.api.download import Member, check_disk_space, read_archive
from ecef_cli.api.errors import DataError, EcefError
from ecef_datasets.clip_pool import ClipPool
from ecef_datasets.clips import source_note, sweep
from ecef_datasets.meld_clips import Clip, clip_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from ecef_cli.api.components import PrepareContext, ProgressBar
    from ecef_datasets.meld_sources import Found

RECORDINGS, TABLES = "recordings", "tables"
"""Folders of the dataset: FLAC files by split, and tables from archives."""
SMALLER = 8
"""An archive of videos is at least this many times as large as its audio in FLAC."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Results for the recordings of the sources.

    Attributes:
        folder: the folder of the FLAC files.
        tables: tables from archives, by name.
        seconds: duration of each existing recording.
        faults: problem of each recording that could not be decoded.
        made: number of recordings decoded now, not before.
    """

    folder: Path
    tables: Mapping[str, Path]
    seconds: Mapping[Clip, float]
    faults: Mapping[Clip, str]
    made: int


@dataclass(slots=True)
class _Contents:
    """Contents of an archive, so that it need not be read again: notes of clips, faults, checksums of tables."""

    notes: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)


def record(found: Found, tables: Collection[str], context: PrepareContext) -> Recorded:
    """Convert every recording of the sources to a FLAC file, unless it exists.

    A loose recording takes precedence over one in an archive, and the first archive over others.

    Args:
        found: contents of the sources.
        tables: names of the tables to extract from archives.
        context: the folder to write to.

    Raises:
        DataError: an archive is damaged or hostile.
        EcefError: the disk is full, or recordings of other sources must stay.
    """
    folder = context.folder / RECORDINGS
    with _written(folder):
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        sweep(context.folder / TABLES)
        packed = sum(path.stat().st_size for path in found.archives)
        if packed and not any(folder.glob("*/*.flac")):
            check_disk_space(folder, packed // SMALLER, "the recordings", "free some space, or move the workspace")
        work = _Work(folder, context.folder / TABLES, tables, context)
        work.loose(found.clips)
        for path in found.archives:
            work.archive(path)
        return work.result()


class _Work:
    def __init__(self, folder: Path, tables: Path, wanted: Collection[str], context: PrepareContext) -> None:
        self._folder, self._tables_folder, self._wanted, self._context = folder, tables, wanted, context
        self._tables: dict[str, Path] = {}
        self._seconds: dict[Clip, float] = {}
        self._faults: dict[Clip, str] = {}
        self._made = 0

    def loose(self, clips: Mapping[Clip, Path]) -> None:
        """Convert recordings in folders."""
        if not clips:
            return
        with self._context.progress(len(clips), "decoding", "clips") as bar, self._pool(bar) as pool:
            for clip, path in sorted(clips.items()):
                stat = path.stat()
                if not pool.has(clip, source_note(stat.st_size, int(stat.st_mtime))):
                    pool.add(clip, source_note(stat.st_size, int(stat.st_mtime), _crc(path)), path)
            self._take(pool)

    def archive(self, path: Path) -> None:
        """Convert the missing recordings of an archive, and extract its tables."""
        stat = path.stat()
        key = f"{path.name} {stat.st_size} {stat.st_mtime_ns}"
        known = self._known().get(key)
        if known is not None and self._all_there(known):
            return  # avoid reading ten gigabytes when there is nothing to do
        contents = _Contents()
        with self._context.progress(stat.st_size, f"decoding {path.name}", "bytes") as bar, self._pool(None) as pool:
            for member in read_archive(path, progress=bar.reach):
                self._member(path, member, pool, contents)
            self._take(pool)
        contents.faults = {str(c.path): fault for c, fault in pool.faults.items()}
        _write_json(self._contents_path, {**self._known(), key: _plain(contents)})

    def _member(self, path: Path, member: Member, pool: ClipPool, contents: _Contents) -> None:
        parts = member.name.split("/")
        if parts[-1] in self._wanted:
            table = member.read()
            contents.tables[parts[-1]] = hashlib.sha256(table).hexdigest()
            if parts[-1] not in self._tables:
                _write(self._tables_folder / parts[-1], table)
                self._tables[parts[-1]] = self._tables_folder / parts[-1]
            return
        clip = clip_of(parts)
        if clip is None:
            return
        if clip.path in contents.notes:
            raise DataError(f"duplicate recording of {clip}: {member.name}", where=str(path))
        contents.notes[clip.path] = source_note(member.size, member.modified)
        if clip in self._seconds:
            return
        # A clip from a damaged archive may differ from the right one only in its checksum.
        sound = member.read()
        note = contents.notes[clip.path] = source_note(member.size, member.modified, zlib.crc32(sound))
        if not pool.has(clip, note):
            pool.add(clip, note, sound)

    def _all_there(self, known: Mapping[str, Any]) -> bool:
        """Reuse the earlier output of an archive, and return whether it is complete."""
        try:
            tables = {self._tables_folder / name: digest for name, digest in known["tables"].items()}
            clips = {_clip(path): note for path, note in known["notes"].items()}
            faults = {_clip(path): fault for path, fault in known["faults"].items()}
        except (KeyError, TypeError, AttributeError):
            return False  # of another version
        # A refused archive of another name may have replaced the tables since.
        if not all(path.is_file() and _sum(path) == digest for path, digest in tables.items()):
            return False
        with self._pool(None) as pool:
            for clip, note in clips.items():
                if clip not in self._seconds and clip not in faults and not pool.has(clip, note):
                    return False
            self._take(pool)
        self._faults |= {clip: fault for clip, fault in faults.items() if clip not in self._seconds}
        self._tables = {**{path.name: path for path in tables}, **self._tables}
        return True

    def result(self) -> Recorded:
        """Return the combined results."""
        faults = {clip: fault for clip, fault in self._faults.items() if clip not in self._seconds}
        return Recorded(self._folder, self._tables, self._seconds, faults, self._made)

    def _pool(self, bar: ProgressBar | None) -> ClipPool:
        count = 0

        def done() -> None:
            nonlocal count
            count += 1
            if bar is not None:
                bar.reach(count)

        return ClipPool(self._folder, self._context.workers, done, self._context.give_way)

    def _take(self, pool: ClipPool) -> None:
        pool.finish()
        self._seconds |= pool.seconds
        self._faults |= pool.faults
        self._made += pool.made
        if pool.damaged:
            self._context.say(f"remaking damaged recordings in {self._folder}: {pool.damaged:,}")

    @property
    def _contents_path(self) -> Path:
        return self._folder / "archives.json"

    def _known(self) -> dict[str, Any]:
        try:
            known = json.loads(self._contents_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}


def _clip(path: str) -> Clip:
    clip = clip_of(path.split("/"))
    if clip is None:
        raise KeyError(path)
    return clip


def _plain(contents: _Contents) -> dict[str, Any]:
    return {"notes": contents.notes, "faults": contents.faults, "tables": contents.tables}


def _crc(path: Path) -> int | None:
    found = 0
    try:
        with path.open("rb") as stream:
            while piece := stream.read(1 << 20):
                found = zlib.crc32(piece, found)
    except OSError:
        return None  # decoding will report the problem
    return found


def _sum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        problem = f"cannot be written: {error.strerror or error}"
        raise EcefError(
            problem, where=str(folder), hint="finished recordings are kept; fix this and run the command again"
        ) from error


def _write_json(path: Path, value: Any) -> None:
    _write(path, json.dumps(value, ensure_ascii=False).encode())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False) as handle:
        handle.write(content)
    part = Path(handle.name)
    part.chmod(0o644)
    part.replace(path)
