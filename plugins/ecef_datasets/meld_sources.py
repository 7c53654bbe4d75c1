"""Find MELD's tables, recordings and archives in the sources."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ecef_cli.api.download import is_archive
from ecef_cli.api.errors import DataError
from ecef_datasets.meld_clips import ARCHIVES, SUFFIXES, Clip, clip_of, is_recording

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DEPTH = 4
"""Number of folder levels below a source to search for recordings."""


@dataclass(frozen=True, slots=True)
class Found:
    """Tables, recordings and archives of the sources.

    Attributes:
        plain: the sources that may contain tables as files.
        clips: loose recordings.
        archives: archives in reading order.
    """

    plain: tuple[Path, ...]
    clips: Mapping[Clip, Path]
    archives: tuple[Path, ...]


@dataclass(slots=True)
class _Search:
    clips: dict[Clip, Path] = field(default_factory=dict)
    archives: dict[Path, None] = field(default_factory=dict)
    homeless: Path | None = None

    def add(self, source: Path, path: Path) -> None:
        # Include the source's own name: it may be the folder `train_splits` itself.
        parts = (*source.resolve().parts[-1:], *path.relative_to(source).parts)
        clip = clip_of(parts)
        if clip is not None:
            self._settle(clip, path)
        elif is_recording(path.name):
            self.homeless = self.homeless or path

    def _settle(self, clip: Clip, path: Path) -> None:
        other = self.clips.setdefault(clip, path)
        if other is path or other.resolve() == path.resolve():
            return
        if other.parent != path.parent or other.suffix == path.suffix:
            raise DataError(f"two recordings of {clip}: {other} and {path}", hint="pass only one of them")
        self.clips[clip] = min(other, path, key=lambda p: SUFFIXES.index(p.suffix[1:].casefold()))


def look(sources: Sequence[Path], own: Path) -> Found:
    """Return the tables, recordings and archives in the sources; in folders, only archives with the corpus's own names.

    Args:
        sources: files and folders.
        own: the folder of the dataset being prepared, which is never a source.

    Raises:
        DataError: a source is missing or unsupported, an utterance has two recordings, or the split of recordings is
            unknown.
        OSError: a folder cannot be read.
    """
    search = _Search()
    plain = []
    for source in sources:
        if not source.exists():
            raise DataError("no such file or folder", where=str(source))
        if source.is_dir():
            plain.append(source)
            for path in _files(source, own.resolve()):
                if path.name in ARCHIVES:
                    search.archives[path] = None
                else:
                    search.add(source, path)
        elif is_archive(source.name):
            search.archives[source] = None
        elif source.suffix.casefold() == ".csv":
            plain.append(source)
        else:
            hint = "pass a .csv, an archive (.tar.gz, .tgz, .tar), or the folder of recordings"
            raise DataError("neither a table nor an archive of MELD", where=str(source), hint=hint)
    if search.homeless and not search.clips:
        hint = "put the recordings of each split into a folder train, dev or test: splits share dialogue numbers"
        raise DataError("cannot tell the split of the recording", where=str(search.homeless), hint=hint)
    return Found(tuple(plain), search.clips, tuple(search.archives))


def _files(source: Path, own: Path) -> Iterator[Path]:
    """Yield the files below a folder in order, except hidden ones and those of a prepared dataset."""
    # DEPTH stops symlink loops. An unreadable folder raises, because it may not be empty.
    for folder, folders, files in os.walk(source, followlinks=True, onerror=_raise):
        here = Path(folder)
        deep = len(here.relative_to(source).parts) >= DEPTH
        prepared = "dataset.json" in files or here.resolve() == own  # a workspace may be inside the source
        if deep or prepared:
            folders.clear()
        if prepared:
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (here / name for name in sorted(files) if not name.startswith(".") and (here / name).is_file())


def _raise(error: OSError) -> None:
    raise error
