"""MELD's recordings: from archives and folders into FLAC files of the workspace, each once."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from ecef_cli.errors import DataError, EcefError
from ecef_cli.fetching.archives import Member, members
from ecef_cli.fetching.partial import check_room
from ecef_datasets.clip_pool import ClipPool
from ecef_datasets.clips import sweep
from ecef_datasets.meld_clips import Clip, clip_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from ecef_cli.fetching.place import Bar, Place
    from ecef_datasets.meld_sources import Found

RECORDINGS, TABLES = "recordings", "tables"
"""Folders of the dataset: of the FLAC files, by split, and of the tables that came out of archives."""
SMALLER = 8
"""An archive of videos holds so many times the bytes that its sound takes as FLAC, or more."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of the recordings of the sources.

    Attributes:
        folder: where the FLAC files lie.
        tables: the tables that came out of archives, by name.
        seconds: how long each recording is that is there.
        faults: what is wrong with each that could not be decoded.
        made: how many were decoded now; the rest had been before.
    """

    folder: Path
    tables: Mapping[str, Path]
    seconds: Mapping[Clip, float]
    faults: Mapping[Clip, str]
    made: int


@dataclass(slots=True)
class _Contents:
    """What an archive was found to hold, so that it need not be read again: notes of clips, faults, tables."""

    notes: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)


def record(found: Found, tables: Collection[str], place: Place) -> Recorded:
    """Make a FLAC file of every recording in the sources that has none yet.

    A loose recording goes before one in an archive; of two archives, the first.

    Args:
        found: what lies in the sources.
        tables: names of the tables to take out of archives.
        place: where to write.

    Raises:
        DataError: an archive is damaged or hostile.
        EcefError: another process is at it, or the disk is full.
    """
    folder = place.folder / RECORDINGS
    with _alone(folder):
        sweep(folder)
        packed = sum(path.stat().st_size for path in found.archives)
        if packed and not any(folder.glob("*/*.flac")):
            check_room(folder, packed // SMALLER, "the recordings", "make room, or put the workspace elsewhere")
        work = _Work(folder, place.folder / TABLES, tables, place)
        work.loose(found.clips)
        for path in found.archives:
            work.archive(path)
        return work.result()


class _Work:
    def __init__(self, folder: Path, tables: Path, wanted: Collection[str], place: Place) -> None:
        self._folder, self._tables_folder, self._wanted, self._place = folder, tables, wanted, place
        self._tables: dict[str, Path] = {}
        self._seconds: dict[Clip, float] = {}
        self._faults: dict[Clip, str] = {}
        self._made = 0

    def loose(self, clips: Mapping[Clip, Path]) -> None:
        """Convert recordings that lie in folders."""
        if not clips:
            return
        with self._place.progress(len(clips), "decoding", "clips") as bar, self._pool(bar) as pool:
            for clip, path in sorted(clips.items()):
                stat = path.stat()
                note = _note(stat.st_size, int(stat.st_mtime))
                if not pool.has(clip, note):
                    pool.add(clip, note, path)
            self._take(pool)

    def archive(self, path: Path) -> None:
        """Convert the recordings in an archive that are not there by now, and take out its tables."""
        stat = path.stat()
        key = f"{path.name} {stat.st_size} {stat.st_mtime_ns}"
        known = self._known().get(key)
        if known is not None and self._all_there(known):
            return  # ten gigabytes need not be read to find that nothing is to do
        contents = _Contents()
        with self._place.progress(stat.st_size, f"decoding {path.name}", "bytes") as bar, self._pool(None) as pool:
            for member in members(path, progress=bar.reach):
                self._member(path, member, pool, contents)
            self._take(pool)
        contents.faults = {str(c.path): fault for c, fault in pool.faults.items()}
        _write_json(self._contents_path, {**self._known(), key: _plain(contents)})

    def _member(self, path: Path, member: Member, pool: ClipPool, contents: _Contents) -> None:
        parts = member.name.split("/")
        if parts[-1] in self._wanted:
            contents.tables.append(parts[-1])
            if parts[-1] not in self._tables:
                _write(self._tables_folder / parts[-1], member.read())
                self._tables[parts[-1]] = self._tables_folder / parts[-1]
            return
        clip = clip_of(parts)
        if clip is None:
            return
        if clip.path in contents.notes:
            raise DataError(
                f"the recording of {clip} is there twice, the second time as {member.name}", where=str(path)
            )
        note = contents.notes[clip.path] = _note(member.size, member.modified)
        if clip not in self._seconds and not pool.has(clip, note):
            pool.add(clip, note, member.read())

    def _all_there(self, known: Mapping[str, Any]) -> bool:
        """Take what an archive gave before, where all of it is still there."""
        try:
            tables = {name: self._tables_folder / name for name in known["tables"]}
            clips = {_clip(path): note for path, note in known["notes"].items()}
            faults = {_clip(path): fault for path, fault in known["faults"].items()}
        except (KeyError, TypeError, AttributeError):
            return False  # of another version
        if not all(path.is_file() for path in tables.values()):
            return False
        with self._pool(None) as pool:
            for clip, note in clips.items():
                if clip not in self._seconds and clip not in faults and not pool.has(clip, note):
                    return False
            self._take(pool)
        self._faults |= {clip: fault for clip, fault in faults.items() if clip not in self._seconds}
        self._tables = {**tables, **self._tables}
        return True

    def result(self) -> Recorded:
        """Return what became of everything."""
        faults = {clip: fault for clip, fault in self._faults.items() if clip not in self._seconds}
        return Recorded(self._folder, self._tables, self._seconds, faults, self._made)

    def _pool(self, bar: Bar | None) -> ClipPool:
        count = 0

        def done() -> None:
            nonlocal count
            count += 1
            if bar is not None:
                bar.reach(count)

        return ClipPool(self._folder, self._place.workers, done)

    def _take(self, pool: ClipPool) -> None:
        pool.finish()
        self._seconds |= pool.seconds
        self._faults |= pool.faults
        self._made += pool.made

    @property
    def _contents_path(self) -> Path:
        return self._folder / "archives.json"

    def _known(self) -> dict[str, Any]:
        try:
            known = json.loads(self._contents_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}


def _note(size: int, modified: int) -> str:
    """Return what tells one recording from another without reading it: archives and file systems both keep these."""
    return f"{size} {modified}"


def _clip(path: str) -> Clip:
    clip = clip_of(path.split("/"))
    if clip is None:
        raise KeyError(path)
    return clip


def _plain(contents: _Contents) -> dict[str, Any]:
    return {"notes": contents.notes, "faults": contents.faults, "tables": contents.tables}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder, so that whatever is half-written in it is nobody's."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock", timeout=0):
            yield
    except Timeout:
        raise EcefError(f"{folder} is in use by another process", hint="wait until it has ended") from None
    except OSError as error:
        problem = f"cannot be written: {error.strerror or error}"
        raise EcefError(problem, where=str(folder), hint="what is done is kept; mend that and run it again") from error


def _write_json(path: Path, value: Any) -> None:
    _write(path, json.dumps(value, ensure_ascii=False).encode())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False) as handle:
        handle.write(content)
    part = Path(handle.name)
    part.chmod(0o644)
    part.replace(path)
