"""Read DailyDialog (Li et al., IJCNLP 2017), written conversations of two people, from its text files."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ecef_cli.api.components import Corpus, Dataset, Dropped, Options
from ecef_cli.api.dialogue import Dialogue, Utterance
from ecef_cli.api.errors import DataError
from ecef_datasets.published import differences
from ecef_datasets.repair import mend
from ecef_datasets.tables import check_readable, find_file, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

LABELS = ("no emotion", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
"""The emotions in the order of their numbers, from 0."""

FOLDERS = {"train": "train", "dev": "validation", "test": "test"}
RELEASE = "ijcnlp_dailydialog"
END = "__eou__"
"""Marker after each utterance."""

DIALOGUES: Mapping[str, int] = {"train": 11_118, "dev": 1_000, "test": 1_000}
"""Dialogues by split in the release."""
EMOTIONS: Mapping[str, tuple[int, ...]] = {
    "train": (72_143, 827, 303, 146, 11_182, 969, 1_600),
    "dev": (7_108, 77, 3, 11, 684, 79, 107),
    "test": (6_321, 118, 47, 17, 1_019, 102, 116),
}
"""Utterances of each of `LABELS` in the release (tae898/multimodal-datasets, DailyDialog/dataset-stats.md), 102,979.
The sums agree with the corpus's paper, except for fear: the paper prints 74, but also 0.17 % of all, which is 174."""

DUPLICATE = "the same dialogue is in train"
UNEVEN = "a dialogue with more or fewer emotions than utterances"


class DailyDialogOptions(Options):
    """Handling of dialogues that are in train and in another split."""

    duplicates: Literal["keep", "drop"] = Field(
        "keep", description="drop: remove from dev and test the dialogues with the same text as one in train"
    )


class DailyDialog(Dataset):
    """Reader of `dialogues_train.txt`, `dialogues_emotion_train.txt` and so on."""

    Options = DailyDialogOptions
    licence = "CC BY-NC-SA 4.0, no commercial use"
    options: DailyDialogOptions

    def read(self, sources: Sequence[Path]) -> Corpus:
        """Return the corpus found under `sources`: the release with its split folders unpacked, or the six files.

        Dialogues are called `train_12`, after the line in their file. The corpus does not name the two speakers: they
        are `A`, who starts, and `B`, in turns.

        Raises:
            DataError: a file is missing, or the texts and emotions have different numbers of lines.
        """
        repaired: Counter[str] = Counter()
        dropped: list[Dropped] = []
        files: list[Path] = []
        splits: dict[str, list[Dialogue]] = {}
        for split, folder in FOLDERS.items():
            texts, emotions = (_find(sources, folder, kind) for kind in ("", "emotion_"))
            files += [texts, emotions]
            splits[split] = []
            for number, text, values in _lines(texts, emotions):
                name, where, felt = f"{split}_{number}", f"{texts}:{number}", f"{emotions}:{number}"
                try:
                    labels = _labels(values, felt)
                except DataError as error:
                    dropped.append(_lost(split, name, error))
                    continue
                said = [part.strip() for part in text.removesuffix(END).split(END)] if text else []
                if len(said) != len(labels):
                    dropped.append(Dropped(split, name, UNEVEN, where, _uneven(len(said), len(labels), where, felt)))
                    continue
                dialogue, lost = _dialogue(split, name, said, labels, where, repaired)
                dropped += lost
                if dialogue.utterances:
                    splits[split].append(dialogue)
        if self.options.duplicates == "drop":
            dropped += _drop_duplicates(splits)
        kept = {split: tuple(dialogues) for split, dialogues in splits.items()}
        return Corpus(LABELS, kept, tuple(files), tuple(dropped), dict(repaired))

    def published(self, corpus: Corpus) -> tuple[str, ...]:
        """Return differences from the release in the counts of dialogues and emotions.

        Dialogues that `duplicates=drop` removed count too.
        """
        left = [dropped for dropped in corpus.dropped if dropped.reason == DUPLICATE]
        emotions_known = all(dropped.emotions for dropped in left)  # datasets of earlier versions lack them
        known: dict[str, int] = {}
        expected: dict[str, int] = {}
        for split, numbers in EMOTIONS.items():
            dialogues, lost = corpus.splits.get(split, ()), [dropped for dropped in left if dropped.split == split]
            known[f"dialogues in {split}"] = len(dialogues) + len(lost)
            expected[f"dialogues in {split}"] = DIALOGUES[split]
            if emotions_known:
                felt = Counter(u.emotion for dialogue in dialogues for u in dialogue.utterances)
                felt.update(emotion for dropped in lost for emotion in dropped.emotions)
                known |= {f"{label} in {split}": felt[label] for label in LABELS}
                expected |= {f"{label} in {split}": n for label, n in zip(LABELS, numbers, strict=True)}
        return differences(known, expected, "the release")


def _find(sources: Sequence[Path], folder: str, kind: str) -> Path:
    # The split folders are archives; unpacking one into a folder of its own name nests it.
    inside = (folder, f"{folder}/{folder}")
    folders = (*inside, *(f"{RELEASE}/{path}" for path in inside))
    hint = f"pass the folder {RELEASE}, and unpack {folder}.zip in it"
    return find_file(sources, f"dialogues_{kind}{folder}.txt", folders, hint=hint)


def _lines(texts: Path, emotions: Path) -> Iterator[tuple[int, str, str]]:
    """Yield the number, the text and the emotions of each dialogue."""
    said, felt = (read_text(path).rstrip().split("\n") for path in (texts, emotions))
    if len(said) != len(felt):
        raise DataError(
            f"{len(felt):,} lines, but {texts.name} has {len(said):,}",
            where=str(emotions),
            hint="each line has the emotions of the dialogue on the same line: use both files of one release",
        )
    for number, (text, values) in enumerate(zip(said, felt, strict=True), start=1):
        if text.strip() or values.strip():
            yield number, text.strip(), values


def _labels(values: str, where: str) -> list[str]:
    labels = []
    for value in values.split():
        if value not in map(str, range(len(LABELS))):
            known = ", ".join(f"{number} {label}" for number, label in enumerate(LABELS))
            raise DataError(f"unknown emotion {value!r}", where=where, hint=f"known: {known}")
        labels.append(LABELS[int(value)])
    return labels


def _uneven(said: int, felt: int, where: str, location: str) -> DataError:
    return DataError(
        f"{said} utterances, but {felt} emotions at {location}", where=where, hint="each utterance needs one"
    )


def _dialogue(
    split: str, name: str, said: Sequence[str], labels: Sequence[str], where: str, repaired: Counter[str]
) -> tuple[Dialogue, list[Dropped]]:
    utterances, lost = [], []
    for position, (raw, label) in enumerate(zip(said, labels, strict=True)):
        text, repairs = mend(raw)
        try:
            if not text:
                raise DataError(f"utterance {position + 1} is empty", where=where)  # noqa: TRY301 - one way to be lost
            check_readable(f"utterance {position + 1}", text, where)
        except DataError as error:
            lost.append(_lost(split, name, error))
            continue
        repaired.update(repairs)
        speaker = "AB"[position % 2]
        utterances.append(Utterance(text, speaker, name, position + 1, emotion=label, where=where))
    return Dialogue(name, tuple(utterances)), lost


def _lost(split: str, item: str, error: DataError) -> Dropped:
    return Dropped(split, item, error.problem, error.where or "", error)


def _drop_duplicates(splits: dict[str, list[Dialogue]]) -> Iterator[Dropped]:
    known = {dialogue.wording for dialogue in splits["train"]}
    for split in ("dev", "test"):
        same = [dialogue for dialogue in splits[split] if dialogue.wording in known]
        splits[split] = [dialogue for dialogue in splits[split] if dialogue.wording not in known]
        for dialogue in same:
            emotions = tuple(utterance.emotion for utterance in dialogue.utterances)
            yield Dropped(split, dialogue.id, DUPLICATE, dialogue.utterances[0].where or "", emotions=emotions)
