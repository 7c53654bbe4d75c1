"""What `--source` gives of MELD: tables, loose recordings in folders, archives of either."""

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
"""How many folders below a source recordings are looked for."""


@dataclass(frozen=True, slots=True)
class Found:
    """What lies in the sources.

    Attributes:
        plain: the sources in which tables may lie as files.
        clips: loose recordings.
        archives: archives, in the order in which they are to be read.
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
        # The source's own name counts: it may be the folder `train_splits` itself.
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
            raise DataError(f"the recording of {clip} is there twice: {other} and {path}", hint="give one of the two")
        self.clips[clip] = min(other, path, key=lambda p: SUFFIXES.index(p.suffix[1:].casefold()))


def look(sources: Sequence[Path], own: Path) -> Found:
    """Return what lies in the sources; of archives in folders, those that are called as the corpus's own.

    Args:
        sources: files and folders.
        own: a folder that is no source, wherever it lies: that of the dataset that is being prepared.

    Raises:
        DataError: a source does not exist or is of no use, an utterance has two recordings, or recordings do not tell
            their split.
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
            hint = "give a .csv, an archive (.tar.gz, .tgz, .tar), or the folder of recordings"
            raise DataError("is no table and no archive of MELD", where=str(source), hint=hint)
    if search.homeless and not search.clips:
        hint = "keep each split's in a folder train, dev or test: dialogues of different splits have the same numbers"
        raise DataError("the recording does not tell its split", where=str(search.homeless), hint=hint)
    return Found(tuple(plain), search.clips, tuple(search.archives))


def _files(source: Path, own: Path) -> Iterator[Path]:
    """Yield the files below a folder, in order, but for those that are hidden or in a prepared dataset."""
    # As deep as DEPTH, so that a circle ends. A folder that cannot be read is not one that is empty.
    for folder, folders, files in os.walk(source, followlinks=True, onerror=_raise):
        here = Path(folder)
        deep = len(here.relative_to(source).parts) >= DEPTH
        prepared = "dataset.json" in files or here.resolve() == own  # a workspace may lie within the source
        if deep or prepared:
            folders.clear()
        if prepared:
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (here / name for name in sorted(files) if not name.startswith(".") and (here / name).is_file())


def _raise(error: OSError) -> None:
    raise error
