"""Inspect the recordings of a corpus in several threads, each file once."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ecef_cli import console
from ecef_cli.api.audio_paths import similar_name
from ecef_cli.api.components import Dropped
from ecef_cli.api.errors import DataError
from ecef_cli.audio import reading
from ecef_cli.corpus.manifest import recording_name
from ecef_cli.workspace import checksum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from ecef_cli.api.components import Corpus
    from ecef_cli.api.dialogue import Dialogue, Utterance
    from ecef_cli.audio.reading import Recording

READERS = 4
"""Reading threads: decoding and checksums release the global interpreter lock, and disks serve several reads."""

Found = TypeVar("Found")


def each_file(paths: Iterable[Path], look: Callable[[Path], Found], label: str) -> dict[Path, Found | DataError]:
    """Return the result of `look` for each file, or the error that it raises.

    Args:
        paths: the files; duplicates are read once.
        look: called with each path in a thread.
        label: label of the progress bar.
    """

    def found_or_error(path: Path) -> Found | DataError:
        try:
            return look(path)
        except DataError as error:
            return error

    distinct = list(dict.fromkeys(paths))
    found: dict[Path, Found | DataError] = {}
    pool = ThreadPoolExecutor(READERS)
    try:
        with console.Progress(len(distinct), label, "recordings") as progress:
            for path, answer in zip(distinct, pool.map(found_or_error, distinct), strict=True):
                found[path] = answer
                progress.advance()
    finally:
        pool.shutdown(cancel_futures=True)  # do not wait for thousands of files after an interrupt
    return found


def segment_seconds(recording: Recording, utterance: Utterance) -> float:
    """Return the duration of an utterance within its recording, seconds.

    Raises:
        DataError: it starts or ends outside the recording, or names a channel that the recording lacks.
    """
    reading.check_segment(recording, utterance.start, utterance.end, utterance.channel)
    end = recording.seconds if utterance.end is None else min(utterance.end, recording.seconds)
    return end - (utterance.start or 0.0)


@dataclass(frozen=True, slots=True)
class File:
    """An inspected recording.

    Attributes:
        recording: the contents of its header.
        checksum: its SHA-256, in hexadecimal.
    """

    recording: Recording
    checksum: str


@dataclass(frozen=True, slots=True)
class Scan:
    """Results of inspecting the recordings of a corpus.

    Attributes:
        corpus: the corpus; all its recordings can be opened and are long enough.
        muted: utterances that keep only their text, with the problem of the recording.
        facts: `files`, `utterances`, `seconds`, `digest` and `decoders` of the recordings; None without recordings.
        files: the inspected recordings, by absolute path.
    """

    corpus: Corpus
    muted: tuple[Dropped, ...] = ()
    facts: Mapping[str, Any] | None = None
    files: Mapping[Path, File] = field(default_factory=dict)


def scan_recordings(corpus: Corpus, folder: Path | None = None) -> Scan:
    """Inspect every recording of a corpus, and remove those that are missing, invalid or too short.

    An utterance that loses its recording keeps its row, with the reason under `audio_fault`; without text it is
    dropped.

    Args:
        corpus: the corpus.
        folder: the dataset's folder; names of recordings inside it are relative.
    """
    utterances = [u for ds in corpus.splits.values() for d in ds for u in d.utterances if u.audio is not None]
    if not utterances:
        return Scan(corpus)
    files = each_file((u.audio for u in utterances if u.audio is not None), _look, "recordings")
    scanner = _Scanner(files, folder)
    splits = {split: tuple(scanner.dialogues(split, dialogues)) for split, dialogues in corpus.splits.items()}
    usable = replace(corpus, splits=splits, dropped=(*corpus.dropped, *scanner.dropped))
    return Scan(usable, tuple(scanner.muted), scanner.facts(), scanner.files)


def decode(paths: Iterable[Path]) -> dict[Path, File | DataError]:
    """Decode each recording to its end and return it, or its error."""
    return each_file(paths, lambda path: _file(reading.decode(path)), "decoding")


def digest(files: Mapping[Path, File], folder: Path | None = None) -> str:
    """Return one hash, in hexadecimal, of the paths and bytes of recordings.

    Args:
        files: the recordings, by path.
        folder: the dataset's folder, to name paths as its manifests do.
    """
    pairs = json.dumps(sorted((recording_name(path, folder), file.checksum) for path, file in files.items()))
    return hashlib.sha256(pairs.encode()).hexdigest()


def _look(path: Path) -> File:
    try:
        return _file(reading.inspect(path))
    except DataError as error:
        similar = None if path.exists() else similar_name(path)
        if similar is None:
            raise
        raise DataError(error.problem, where=error.where, hint=f"the folder has {similar!r}: write it so") from None


def _file(recording: Recording) -> File:
    try:
        return File(recording, checksum(recording.path))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(recording.path)) from None


class _Scanner:
    def __init__(self, found: Mapping[Path, File | DataError], folder: Path | None) -> None:
        self.dropped: list[Dropped] = []
        self.muted: list[Dropped] = []
        self.files: dict[Path, File] = {}
        self._found = found
        self._folder = folder
        self._seconds: list[float] = []

    def dialogues(self, split: str, dialogues: Iterable[Dialogue]) -> Iterator[Dialogue]:
        """Yield the dialogues of a split with their remaining utterances."""
        for dialogue in dialogues:
            kept = tuple(u for u in (self._usable(split, u) for u in dialogue.utterances) if u is not None)
            if kept:
                yield replace(dialogue, utterances=kept)

    def facts(self) -> dict[str, Any] | None:
        """Return the fields of `dataset.json` about the remaining recordings.

        `decoders` are those other than libsndfile.
        """
        if not self.files:
            return None
        decoders = sorted({file.recording.decoder for file in self.files.values()} - {""})
        return {
            "files": len(self.files),
            "utterances": len(self._seconds),
            "seconds": round(sum(self._seconds), 3),
            "digest": digest(self.files, self._folder),
            **({"decoders": decoders} if decoders else {}),
        }

    def _usable(self, split: str, utterance: Utterance) -> Utterance | None:
        if utterance.audio is None:
            return utterance
        try:
            file = self._file(utterance.audio)
            self._seconds.append(segment_seconds(file.recording, utterance))
        except DataError as error:
            return self._muted(split, utterance, utterance.audio, error)
        # The manifest is in another folder, so its paths must not depend on the current one.
        path = utterance.audio.absolute()
        self.files[path] = file
        return replace(utterance, audio=path)

    def _file(self, path: Path) -> File:
        found = self._found[path]
        if isinstance(found, DataError):
            raise found
        return found

    def _muted(self, split: str, utterance: Utterance, path: Path, error: DataError) -> Utterance | None:
        reason = f"recording {path}: {error.problem}"
        fault = DataError(reason, where=utterance.where, hint=error.hint)
        item = f"{utterance.dialogue}/{utterance.utterance}"
        lost = Dropped(split, item, reason, utterance.where or "", fault)
        if not utterance.text.strip():
            self.dropped.append(lost)
            return None
        self.muted.append(lost)
        # The row's bytes must not depend on the location of the workspace.
        named = recording_name(path, self._folder)
        row = {**utterance.row, "audio_fault": f"recording {named}: {error.problem}"}
        return replace(utterance, audio=None, start=None, end=None, channel=None, row=row)
