"""Read EmoryNLP (Zahiri and Choi, 2018), scenes of a television series, from JSON or CSV files."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ecef_cli.api.components import Corpus, Dataset, Dropped
from ecef_cli.api.dialogue import Utterance, group
from ecef_cli.api.errors import DataError, did_you_mean
from ecef_datasets.emorynlp_files import COLUMNS, Line, of_json, of_row
from ecef_datasets.published import differences
from ecef_datasets.repair import mend
from ecef_datasets.tables import Table, candidates, check_readable, find_file, line_item

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ecef_cli.api.dialogue import Dialogue

LABELS = ("neutral", "joyful", "peaceful", "powerful", "scared", "mad", "sad")
JSON_FILES = {
    "train": "emotion-detection-trn.json",
    "dev": "emotion-detection-dev.json",
    "test": "emotion-detection-tst.json",
}
CSV_FILES = {split: f"emorynlp_{split}_final.csv" for split in ("train", "dev", "test")}
JSON_FOLDER, CSV_FOLDER = "json", "data/emorynlp"
"""Folders of the files in the repositories emorynlp/emotion-detection and declare-lab/MELD."""

SCENES: Mapping[str, int] = {"train": 713, "dev": 99, "test": 85}
EMOTIONS: Mapping[str, tuple[int, ...]] = {
    "train": (3034, 2184, 900, 784, 1285, 1076, 671),
    "dev": (393, 289, 132, 134, 178, 143, 75),
    "test": (349, 282, 159, 145, 182, 113, 98),
}
"""Scenes, and utterances of each of `LABELS`, from the README of emorynlp/emotion-detection: 9,934, 1,344 and
1,328 utterances."""

SILENT = "nothing is said"


class EmoryNlp(Dataset):
    """Reader of `emotion-detection-trn.json` and so on, or of `emorynlp_train_final.csv` and so on."""

    def read(self, sources: Sequence[Path]) -> Corpus:
        """Return the corpus found under `sources`: three files of one form, a folder of them, or the repository.

        A scene is a dialogue, called `s01_e02_c01` in either form. People who speak in chorus are one speaker.

        Raises:
            DataError: a file or a column is missing, the sources have both forms, or a scene is in two splits.
        """
        form, files = _files(sources)
        dropped: list[Dropped] = []
        repaired: Counter[str] = Counter()
        splits: dict[str, tuple[Dialogue, ...]] = {}
        for split, path in files.items():
            lines = of_json(path) if form == "json" else _csv_lines(path)
            splits[split] = group(_utterances(split, lines, dropped, repaired))
        _check_homes(splits)
        return Corpus(LABELS, splits, tuple(files.values()), tuple(dropped), dict(repaired))

    def published(self, corpus: Corpus) -> tuple[str, ...]:
        """Return differences from the repository's README in the counts of scenes and emotions."""
        found: dict[str, int] = {}
        expected: dict[str, int] = {}
        for split, numbers in EMOTIONS.items():
            scenes = corpus.splits.get(split, ())
            emotions = Counter(u.emotion for dialogue in scenes for u in dialogue.utterances)
            found |= {f"scenes in {split}": len(scenes)} | {f"{label} in {split}": emotions[label] for label in LABELS}
            expected[f"scenes in {split}"] = SCENES[split]
            expected |= {f"{label} in {split}": number for label, number in zip(LABELS, numbers, strict=True)}
        return differences(found, expected, "emorynlp/emotion-detection")


def _files(sources: Sequence[Path]) -> tuple[str, dict[str, Path]]:
    forms = {"json": (JSON_FILES, JSON_FOLDER), "csv": (CSV_FILES, CSV_FOLDER)}
    there = [
        form
        for form, (names, folder) in forms.items()
        if any(candidates(sources, name, (folder,)) for name in names.values())
    ]
    if len(there) > 1:
        hint = "pass the files of one form"
        raise DataError("found both the JSON and the CSV files", where=", ".join(map(str, sources)), hint=hint)
    form = there[0] if there else "json"
    names, folder = forms[form]
    either = f"pass the folder that contains it, or the one that contains {CSV_FILES['train']}"
    return form, {s: find_file(sources, n, (folder,), hint=None if there else either) for s, n in names.items()}


def _csv_lines(path: Path) -> Iterator[Line | DataError]:
    table = Table.with_columns(path, COLUMNS)
    found: list[Line] = []
    for where, row in table.rows((), Counter()):
        try:
            found.append(of_row(row, where))
        except DataError as error:
            yield error
    yield from sorted(found, key=lambda line: (line.dialogue, line.utterance))


def _utterances(
    split: str, lines: Iterable[Line | DataError], dropped: list[Dropped], repaired: Counter[str]
) -> Iterator[Utterance]:
    seen: dict[tuple[str, int], str] = {}
    for line in lines:
        try:
            utterance = _utterance(line, repaired)
            key = (utterance.dialogue, int(utterance.utterance))
            first = seen.setdefault(key, utterance.where or "")
            if first != utterance.where:
                problem = f"duplicate utterance {key[1]} of {key[0]}, first at {first}"
                raise DataError(problem, where=utterance.where)  # noqa: TRY301 - one way to be lost
        except DataError as error:
            where = error.where or ""
            dropped.append(Dropped(split, line_item(where), error.problem, where, error))
        else:
            if utterance.text.strip():
                yield utterance
            else:
                item = f"{utterance.dialogue}/{utterance.utterance}"
                dropped.append(Dropped(split, item, SILENT, utterance.where or ""))


def _utterance(line: Line | DataError, repaired: Counter[str]) -> Utterance:
    if isinstance(line, DataError):
        raise line
    text, repairs = mend(line.text)
    repaired.update(repairs)
    emotion = line.emotion.strip().casefold()
    if emotion not in LABELS:
        raise DataError(f"unknown emotion {line.emotion!r}", where=line.where, hint=did_you_mean(emotion, LABELS))
    for name, value in (("the text", text), ("the speaker", " ".join(line.speakers))):
        check_readable(name, value, line.where)
    row: dict[str, Any] = {"season": line.season, "episode": line.episode}
    if len(line.speakers) > 1:
        row["speakers"] = list(line.speakers)
    speaker = " & ".join(line.speakers) or "?"
    return Utterance(text, speaker, line.dialogue, line.utterance, emotion=emotion, row=row, where=line.where)


def _check_homes(splits: Mapping[str, Sequence[Dialogue]]) -> None:
    homes: dict[str, tuple[str, str]] = {}
    for split, dialogues in splits.items():
        for dialogue in dialogues:
            where = dialogue.utterances[0].where or ""
            first, location = homes.setdefault(dialogue.id, (split, where))
            if first != split:
                problem = f"scene {dialogue.id} is in {split} here, but in {first} at {location}"
                raise DataError(problem, where=where, hint="use all three files of one release")
