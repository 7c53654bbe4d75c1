"""Read MELD (Poria et al., ACL 2019), conversations of a television series, from its tables and recordings."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ecef_cli.api.components import Corpus, Dataset, Dropped, Options
from ecef_cli.api.dialogue import Utterance, group
from ecef_cli.api.errors import DataError, did_you_mean
from ecef_datasets.meld_clips import CLIP_FAULTS
from ecef_datasets.meld_published import compare
from ecef_datasets.tables import (
    Table,
    candidates,
    check_filled,
    check_readable,
    check_surplus,
    find_file,
    line_item,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ecef_cli.api.components import PrepareContext

LABELS = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
FILES = {split: f"{split}_sent_emo.csv" for split in ("train", "dev", "test")}
FOLDER = "data/MELD"
"""Folder of the files in the corpus's repository."""
FOLDERS = (FOLDER, "MELD.Raw")
"""Folders that may contain the files: of the repository, and of the archive of recordings."""

COLUMNS = (
    "Utterance",
    "Speaker",
    "Emotion",
    "Sentiment",
    "Dialogue_ID",
    "Utterance_ID",
    "Season",
    "Episode",
    "StartTime",
    "EndTime",
)
TEXTS = ("Utterance", "Speaker")
"""Columns to repair broken characters in."""

_Address = Annotated[str, Field(pattern=r"^https?://\S+$")]


class MeldOptions(Options):
    """Addresses for `prepare --download`."""

    recordings: bool = Field(True, description="whether to download the archive of recordings too, 10.9 GB")
    tables: _Address | None = Field(
        None, description="the address of the folder of the three tables; null: the corpus's repository"
    )
    archive: _Address | None = Field(
        None, description="the address of the archive of recordings; null: the public addresses, one after the other"
    )
    archive_sha256: Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")] | None = Field(
        None, description="the archive's SHA-256; null: the known one of the public addresses"
    )

    def decisive(self) -> dict[str, Any]:
        """Return nothing: the content determines the dataset, not its address."""
        return {}


class Meld(Dataset):
    """Reader of `train_sent_emo.csv`, `dev_sent_emo.csv` and `test_sent_emo.csv`, and the clips `diaX_uttY`."""

    Options = MeldOptions
    licence = "GPL-3.0"
    options: MeldOptions

    def download(self, context: PrepareContext) -> tuple[Path, ...]:
        """Download missing tables and the archive of recordings, and return all paths."""
        from ecef_datasets.meld_download import fetch_archive, fetch_tables

        tables = fetch_tables(self.options.tables, tuple(FILES.values()), context)
        if not self.options.recordings:
            return tuple(tables)
        return (*tables, fetch_archive(self.options.archive, self.options.archive_sha256, context))

    def collect(self, sources: Sequence[Path], context: PrepareContext) -> Corpus:
        """Return the corpus with its recordings, converted to FLAC files in the dataset's folder.

        Tables that are not among the sources come from the archive. Without recordings this is `read`.

        Raises:
            DataError: a table or a column is missing, or an archive is damaged or hostile.
            EcefError: the disk is full, or another process is working on it.
        """
        from ecef_datasets.meld_sources import look

        found = look(sources, context.folder)
        if not found.clips and not found.archives:
            return self.read(sources)
        from ecef_datasets.meld_pairing import with_recordings
        from ecef_datasets.meld_recordings import record

        loose = [name for name in FILES.values() if candidates(found.plain, name, FOLDERS)]
        recorded = record(found, [name for name in FILES.values() if name not in loose], context)
        if recorded.made:
            context.say(f"decoded {recorded.made:,} recordings to {recorded.folder}")
        return with_recordings(self.read([*found.plain, *recorded.tables.values()]), recorded)

    def read(self, sources: Sequence[Path]) -> Corpus:
        """Return the corpus found under `sources`: the three files, a folder of them, or the repository.

        Dialogues are called `train_dia12`, so ids are unique across splits. Rows keep the sentiment, the
        season, the episode, and the times within the episode, in seconds, as `episode_start` and `episode_end`.

        Raises:
            DataError: a file or a column is missing.
        """
        files = {split: find_file(sources, name, FOLDERS) for split, name in FILES.items()}
        dropped: list[Dropped] = []
        repaired: Counter[str] = Counter()
        remarks: tuple[str, ...] = ()
        splits = {}
        for split, path in files.items():
            found: dict[tuple[int, int], Utterance] = {}
            table = Table.with_columns(path, COLUMNS)
            remarks += table.remarks
            for where, row in table.rows(TEXTS, repaired):
                try:
                    key, utterance = _utterance(split, row, where)
                    _check_new(key, found, where)
                except DataError as error:
                    dropped.append(Dropped(split, line_item(where), error.problem, where, error))
                else:
                    found[key] = utterance
            splits[split] = group(found[key] for key in sorted(found))
        return Corpus(LABELS, splits, tuple(files.values()), tuple(dropped), dict(repaired), remarks)

    def published(self, corpus: Corpus) -> tuple[str, ...]:
        """Return differences from the published counts of dialogues, utterances and emotions."""
        return compare(corpus)


def _check_new(key: tuple[int, int], found: Mapping[tuple[int, int], Utterance], where: str) -> None:
    if key in found:
        first = found[key].where
        raise DataError(f"duplicate utterance {key[1]} of dialogue {key[0]}, first at {first}", where=where)


def _utterance(split: str, row: Mapping[str, str], where: str) -> tuple[tuple[int, int], Utterance]:
    check_surplus(row, where)
    check_filled(row, COLUMNS, where)
    for column in TEXTS:
        check_readable(column, row[column], where)
    emotion = row["Emotion"].strip().casefold()
    if emotion not in LABELS:
        raise DataError(f"unknown emotion {row['Emotion']!r}", where=where, hint=did_you_mean(emotion, LABELS))
    dialogue, number = (whole(row, column, where) for column in ("Dialogue_ID", "Utterance_ID"))
    start, end = (_seconds(row, column, where) for column in ("StartTime", "EndTime"))
    extra: dict[str, Any] = {
        "sentiment": row["Sentiment"].strip(),
        "season": whole(row, "Season", where),
        "episode": whole(row, "Episode", where),
        "episode_start": start,
        "episode_end": end,
    }
    fault = CLIP_FAULTS.get((split, dialogue, number))
    if fault is None and end <= start:
        fault = "its duration is not positive"
    if fault:
        extra["clip_fault"] = fault
    return (dialogue, number), Utterance(
        text=row["Utterance"],
        speaker=row["Speaker"].strip(),
        dialogue=f"{split}_dia{dialogue}",
        utterance=number,
        emotion=emotion,
        row=extra,
        where=where,
    )


def _seconds(row: Mapping[str, str], column: str, where: str) -> float:
    """Return a time such as `00:16:16,059` in seconds."""
    text = row[column].strip()
    try:
        hours, minutes, rest = text.replace(",", ".").split(":")
        seconds = int(hours) * 3600 + int(minutes) * 60 + float(rest)
    except ValueError:
        raise DataError(f"{column} must be a time h:mm:ss,ms, not {text!r}", where=where) from None
    return round(seconds, 3)
