"""MELD (Poria et al., ACL 2019), conversations of a television series, from its official CSV files."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from ecef_cli.components import Corpus, Dataset, Dropped
from ecef_cli.dialogue import Utterance, group
from ecef_cli.errors import DataError, did_you_mean, nearest
from ecef_datasets.repair import decode, mend

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
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

CLIP_FAULTS: Mapping[tuple[str, int, int], str] = {
    ("train", 125, 3): "the published clip is corrupt",
    ("dev", 110, 7): "the clip was not published",
}
"""Utterances, as (split, dialogue, utterance), whose text is sound and whose recording is not."""

_SURPLUS = ""
_UNREADABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Meld(Dataset):
    """Reads `train_sent_emo.csv`, `dev_sent_emo.csv` and `test_sent_emo.csv`."""

    def read(self, sources: Sequence[Path]) -> Corpus:
        """Return the corpus found under `sources`: the three files, a folder of them, or the repository.

        Dialogues are called `train_dia12`, so that ids are unique across splits. Rows keep the sentiment, the
        season, the episode, and the seconds into the episode as `episode_start` and `episode_end`.

        Raises:
            DataError: a file or a column is missing.
        """
        files = {split: _find(sources, name) for split, name in FILES.items()}
        dropped: list[Dropped] = []
        repaired: Counter[str] = Counter()
        splits = {}
        for split, path in files.items():
            found: dict[tuple[int, int], Utterance] = {}
            for number, row in _rows(path, repaired):
                where = f"{path}:{number}"
                try:
                    key, utterance = _utterance(split, row, where)
                    _check_new(key, found, where)
                except DataError as error:
                    dropped.append(Dropped(split, f"line {number}", error.problem, where, error))
                else:
                    found[key] = utterance
            splits[split] = group(found[key] for key in sorted(found))
        return Corpus(LABELS, splits, tuple(files.values()), tuple(dropped), dict(repaired))


def _find(sources: Sequence[Path], name: str) -> Path:
    found = []
    for source in sources:
        if not source.exists():
            raise DataError("no such file or folder", where=str(source))
        candidates = (source / name, source / FOLDER / name) if source.is_dir() else (source,)
        found += [path for path in candidates if path.name == name and path.is_file()]
    if not found:
        searched = ", ".join(map(str, sources))
        raise DataError(
            f"{name} is missing",
            where=searched,
            hint=f"give the folder that holds it, or the one that holds {FOLDER}",
        )
    if len({path.resolve() for path in found}) > 1:
        raise DataError(f"{name} is there twice: {found[0]} and {found[1]}", hint="give one of the two")
    return found[0]


def _rows(path: Path, repaired: Counter[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line on which each row begins, and the row, its broken characters mended."""
    try:
        text = decode(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from None
    reader = csv.reader(io.StringIO(text, newline=""))
    line = 1
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, path)
        line = reader.line_num + 1
        for values in reader:
            if values:
                # A row that is too short lacks its last columns; what is too much goes by no name.
                row = dict(zip([*header, _SURPLUS], values, strict=False))
                for column in ("Utterance", "Speaker"):
                    row[column], repairs = mend(row.get(column, ""))
                    repaired.update(repairs)
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"not CSV: {error}", where=f"{path}:{line}", hint="is a quotation mark left open?") from None


def _check_header(header: Sequence[str], path: Path) -> None:
    for column in COLUMNS:
        if column not in header:
            close = nearest(column, header)
            raise DataError(
                f"the column {column!r} is missing",
                where=f"{path}:1",
                hint=f"did you mean it by {close!r}?" if close else f"there are: {', '.join(header) or 'none'}",
            )


def _check_new(key: tuple[int, int], found: Mapping[tuple[int, int], Utterance], where: str) -> None:
    if key in found:
        first = found[key].where
        raise DataError(f"dialogue {key[0]}, utterance {key[1]} stands here again, first at {first}", where=where)


def _utterance(split: str, row: Mapping[str, str], where: str) -> tuple[tuple[int, int], Utterance]:
    if _SURPLUS in row:
        raise DataError("the row has more values than the header has columns", where=where)
    for column in COLUMNS:
        if not row.get(column, "").strip():
            raise DataError(f"{column} is empty", where=where)
    for column in ("Utterance", "Speaker"):
        broken = _UNREADABLE.search(row[column])
        if broken:
            problem = f"{column} holds U+{ord(broken.group()):04X}, which is no character"
            raise DataError(problem, where=where, hint="save the file as UTF-8")
    emotion = row["Emotion"].strip().casefold()
    if emotion not in LABELS:
        raise DataError(f"unknown emotion {row['Emotion']!r}", where=where, hint=did_you_mean(emotion, LABELS))
    dialogue, number = (_whole(row, column, where) for column in ("Dialogue_ID", "Utterance_ID"))
    start, end = (_seconds(row, column, where) for column in ("StartTime", "EndTime"))
    extra: dict[str, Any] = {
        "sentiment": row["Sentiment"].strip(),
        "season": _whole(row, "Season", where),
        "episode": _whole(row, "Episode", where),
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


def _whole(row: Mapping[str, str], column: str, where: str) -> int:
    text = row[column].strip()
    if not (text.isascii() and text.isdigit()):
        raise DataError(f"{column} must be a whole number, not {text!r}", where=where)
    return int(text)


def _seconds(row: Mapping[str, str], column: str, where: str) -> float:
    """Return a time such as `00:16:16,059` in seconds."""
    text = row[column].strip()
    try:
        hours, minutes, rest = text.replace(",", ".").split(":")
        seconds = int(hours) * 3600 + int(minutes) * 60 + float(rest)
    except ValueError:
        raise DataError(f"{column} must read h:mm:ss,ms, not {text!r}", where=where) from None
    return round(seconds, 3)
