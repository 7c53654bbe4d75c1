"""MELD (Poria et al., ACL 2019), conversations of a television series, from its official CSV files."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ecef_cli.components import Corpus, Dataset, Dropped
from ecef_cli.dialogue import Utterance, group
from ecef_cli.errors import DataError, did_you_mean
from ecef_datasets.tables import Table, check_filled, check_readable, check_surplus, find_file, line_item, whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LABELS = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
FILES = {split: f"{split}_sent_emo.csv" for split in ("train", "dev", "test")}
FOLDER = "data/MELD"
"""Where the files lie in a copy of the corpus's repository."""

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
"""The columns whose broken characters are mended."""

CLIP_FAULTS: Mapping[tuple[str, int, int], str] = {
    ("train", 125, 3): "the published clip is corrupt",
    ("dev", 110, 7): "the clip was not published",
}
"""Utterances, as (split, dialogue, utterance), whose text is sound and whose recording is not."""


class Meld(Dataset):
    """Reads `train_sent_emo.csv`, `dev_sent_emo.csv` and `test_sent_emo.csv`."""

    def read(self, sources: Sequence[Path]) -> Corpus:
        """Return the corpus found under `sources`: the three files, a folder of them, or the repository.

        Dialogues are called `train_dia12`, so that ids are unique across splits. Rows keep the sentiment, the
        season, the episode, and the seconds into the episode as `episode_start` and `episode_end`.

        Raises:
            DataError: a file or a column is missing.
        """
        files = {split: find_file(sources, name, (FOLDER,)) for split, name in FILES.items()}
        dropped: list[Dropped] = []
        repaired: Counter[str] = Counter()
        splits = {}
        for split, path in files.items():
            found: dict[tuple[int, int], Utterance] = {}
            table = Table(path)
            table.check_columns(COLUMNS)
            for where, row in table.rows(TEXTS, repaired):
                try:
                    key, utterance = _utterance(split, row, where)
                    _check_new(key, found, where)
                except DataError as error:
                    dropped.append(Dropped(split, line_item(where), error.problem, where, error))
                else:
                    found[key] = utterance
            splits[split] = group(found[key] for key in sorted(found))
        return Corpus(LABELS, splits, tuple(files.values()), tuple(dropped), dict(repaired))


def _check_new(key: tuple[int, int], found: Mapping[tuple[int, int], Utterance], where: str) -> None:
    if key in found:
        first = found[key].where
        raise DataError(f"dialogue {key[0]}, utterance {key[1]} stands here again, first at {first}", where=where)


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
        raise DataError(f"{column} must read h:mm:ss,ms, not {text!r}", where=where) from None
    return round(seconds, 3)
