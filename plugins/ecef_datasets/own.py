"""Base class for readers of the user's own dialogues: labels, splits and duplicate rows."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ecef_cli.api.components import Corpus, Dataset, Dropped
from ecef_cli.api.dialogue import Dialogue, Utterance, group
from ecef_cli.api.errors import DataError, did_you_mean
from ecef_cli.api.text_files import plain_name
from ecef_cli.api.values import alike_names, fold_label
from ecef_datasets.findings import Findings
from ecef_datasets.own_labels import by_frequency, check_distinct, fold_remarks, folded, read_label
from ecef_datasets.own_options import OwnOptions
from ecef_datasets.own_order import file_labels, order_remarks, ordered, restart, scoped
from ecef_datasets.splits import IGNORE, Stated, naming_remarks, splits_of_files, stated_split
from ecef_datasets.tables import line_item

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class _Row:
    utterance: Utterance
    path: Path
    stated: Stated | None


class OwnDialogues(Dataset):
    """Reader of files of utterances; the file's name, the row's `split` or else a hash decides the split."""

    Options = OwnOptions
    options: OwnOptions
    suffixes: ClassVar[tuple[str, ...]]
    """Suffixes of the files to read in a folder, before `.gz`."""
    form: ClassVar[str]
    """Name of such a file in errors."""

    def __init__(self, options: OwnOptions) -> None:
        super().__init__(options)
        self.licence = options.licence

    @abstractmethod
    def utterances(self, path: Path, findings: Findings) -> Iterator[Utterance | DataError]:
        """Yield the utterance of each row of a file, or an error for an invalid row.

        Raises:
            DataError: the file cannot be read.
        """

    def read(self, sources: Sequence[Path]) -> Corpus:
        """Return the dialogues of the files in `sources`, and of the files directly in its folders.

        A file with a word such as `train`, `val` or `test` in its name is that split. In other files a row may name
        it under the key `split`. The remaining dialogues are distributed by a hash of their id, so adding
        files does not move existing dialogues. Without any emotion, they are all in test.

        Raises:
            DataError: the sources have no file or utterance, only a part of the files are splits, a dialogue is in two
                splits, no label is left, or labels may be the same.
        """
        files = tuple(self._files(sources))
        of_files = splits_of_files(files) if self.options.splits_by_name else {}
        findings = Findings()
        dropped: list[Dropped] = []
        rows: list[_Row] = []
        for path in files:
            for found in self.utterances(path, findings):
                try:
                    rows.append(self._row(found, path, of_files, findings))
                except DataError as error:
                    dropped.append(_dropped(error, of_files.get(path)))
        if not rows and not dropped:
            raise DataError("the files contain no utterance", where=", ".join(map(str, files)))
        rows, notes = self._scope(rows, files, of_files)
        kept, stated = _checked(rows, of_files, dropped)
        utterances, spelled = self._spelled(list(kept.values()), ", ".join(map(str, files)))
        counted = Counter(u.emotion for u in utterances if u.emotion is not None)
        if utterances and not counted and findings.labelled:
            raise _unlabelled(files[0], dropped)
        splits: dict[str, list[Dialogue]] = {split: [] for split in ("train", "dev", "test")}
        for dialogue in group(utterances):
            known = stated.get(dialogue.id)
            split = known.split if known else self._distribute(dialogue.id) if counted else "test"
            splits[split].append(ordered(dialogue, self.options.order))
        every = [dialogue for dialogues in splits.values() for dialogue in dialogues]
        train = Counter(u.emotion for d in splits["train"] for u in d.utterances if u.emotion is not None)
        labels = self.options.named or by_frequency(train, counted)
        remarks = (*naming_remarks(of_files), *notes, *spelled, *order_remarks(every), *findings.remarks())
        return Corpus(
            tuple(labels) if counted else (),
            {split: tuple(dialogues) for split, dialogues in splits.items()},
            files,
            tuple(dropped),
            dict(findings.repaired),
            remarks if counted or not utterances else (*remarks, self._without_labels()),
        )

    def _without_labels(self) -> str:
        return (
            "no row has an emotion: the dataset is unlabelled; you can tag it and predict on it, not train or measure"
        )

    def _row(self, found: Utterance | DataError, path: Path, of_files: Mapping[Path, str], findings: Findings) -> _Row:
        if isinstance(found, DataError):
            raise found
        findings.labelled |= found.row.get("emotion") is not None
        # A word that the labels list is a label.
        missing = {word.casefold() for word in self.options.missing_words} - {w.casefold() for w in self.options.named}
        label, is_word = read_label(found.emotion, missing, found.where)
        if is_word:
            findings.add(
                "the emotion is a word for a missing value, so no label; --option missing=[] keeps it", found.where
            )
        utterance = found if label == found.emotion else replace(found, emotion=label)
        self._check_label(utterance)
        stated = stated_split(utterance, of_files.get(path), path.name)
        if of_files and stated is None:
            named = next(iter(of_files))
            problem = f"neither the file's name nor the row says a split, but the name of {named.name} does"
            hint = f"rename the file, write the split into each row, or pass {IGNORE}"
            raise DataError(problem, where=utterance.where, hint=hint)
        return _Row(utterance, path, stated)

    def _scope(
        self, rows: list[_Row], files: Sequence[Path], of_files: Mapping[Path, str]
    ) -> tuple[list[_Row], tuple[str, ...]]:
        """Return the rows with ids of dialogues that are unique over the files or splits, and a line about new ids."""
        mode, notes = self.options.ids, ()
        if mode is None and len(of_files) == len(files) and restart((row.utterance, row.path) for row in rows):
            mode = "file"
        if mode is None:
            return rows, notes
        labels = file_labels(files)
        by_split = [row.stated.split if row.stated else None for row in rows]
        names = by_split if mode == "split" else [labels[row.path] for row in rows]
        changed = [replace(row, utterance=scoped(row.utterance, name)) for row, name in zip(rows, names, strict=True)]
        pairs = zip(rows, changed, strict=True)
        example = next((f"{a.utterance.dialogue!r} is now {b.utterance.dialogue!r}" for a, b in pairs if a != b), None)
        line = f"ids of dialogues start again in each {mode}, so they carry its name: {example}"
        return changed, (line,) if example else ()

    def _spelled(self, utterances: list[Utterance], where: str) -> tuple[list[Utterance], tuple[str, ...]]:
        """Return utterances with united labels and speakers, and lines about them.

        Raises:
            DataError: labels may be the same, or are not among those that the options name.
        """
        labels = Counter(u.emotion for u in utterances if u.emotion is not None)
        speakers = Counter(u.speaker for u in utterances)
        if not self.options.labels:
            check_distinct(labels, where)
        of_label = folded(labels, self.options.named) if self.options.folds else {}
        of_speaker = folded(speakers, alike=alike_names) if self.options.speakers else {}
        remarks = [*fold_remarks("label", of_label), *fold_remarks("speaker", of_speaker)]
        if not self.options.speakers:
            remarks += [
                f"speakers that look alike, but count as different: {', '.join(map(repr, names))}; "
                "pass --option speakers=fold if they are the same"
                for names in alike_names(speakers)
            ]
        if of_label or of_speaker:
            utterances = [
                replace(
                    u,
                    emotion=None if u.emotion is None else of_label.get(u.emotion, u.emotion),
                    speaker=of_speaker.get(u.speaker, u.speaker),
                )
                for u in utterances
            ]
        return utterances, tuple(remarks)

    def _files(self, sources: Sequence[Path]) -> Iterator[Path]:
        seen = set()
        for source in sources:
            if not source.exists():
                raise DataError("no such file or folder", where=str(source))
            if source.is_dir():
                # Not its subfolders: one may be a workspace, and manifests look like dialogue files.
                found = sorted(p for p in source.iterdir() if self._readable(p))
                if not found:
                    hint = f"they end in {self.suffixes[0]}; subfolders are not searched, pass each with --source"
                    raise DataError(f"no {self.form} in the folder", where=str(source), hint=hint)
            else:
                found = [source]
            for path in found:
                if path.resolve() not in seen:
                    seen.add(path.resolve())
                    yield path

    def _readable(self, path: Path) -> bool:
        # A leading dot means hidden, or macOS metadata.
        suffix = plain_name(path).suffix.casefold()
        return suffix in self.suffixes and not path.name.startswith(".") and path.is_file()

    def _distribute(self, dialogue: str) -> str:
        share = share_of(dialogue, self.options.seed)
        if share < self.options.test:
            return "test"
        return "dev" if share < self.options.test + self.options.dev else "train"

    def _check_label(self, utterance: Utterance) -> None:
        label, labels = utterance.emotion, self.options.named
        if label is None or not labels or label in labels:
            return
        alike = fold_label(label) in map(fold_label, labels)
        if not (alike and self.options.folds):
            hint = did_you_mean(label, labels)
            if alike:
                hint = f"pass --option labels=fold,{','.join(labels)} to unite spellings"
            raise DataError(f"unknown emotion {label!r}", where=utterance.where, hint=hint)


def share_of(dialogue: str, seed: int) -> float:
    """Return a number from 0 to below 1 that depends on a dialogue's id and the seed alone."""
    digest = hashlib.sha256(f"{seed}:{dialogue}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def _checked(
    rows: Sequence[_Row], of_files: Mapping[Path, str], dropped: list[Dropped]
) -> tuple[dict[tuple[str, str], Utterance], dict[str, Stated]]:
    """Return the utterances by dialogue and id, and the splits that are stated for dialogues.

    Adds duplicate utterances to `dropped`.

    Raises:
        DataError: a dialogue is in two splits.
    """
    kept: dict[tuple[str, str], _Row] = {}
    stated: dict[str, Stated] = {}
    for row in rows:
        key = row.utterance.dialogue, str(row.utterance.utterance)
        if key in kept:
            dropped.append(_dropped(_duplicate(row, kept[key]), of_files.get(row.path)))
            continue
        if row.stated:
            _settle(stated, row.utterance.dialogue, row.stated)
        kept[key] = row
    return {key: row.utterance for key, row in kept.items()}, stated


def _dropped(error: DataError, split: str | None) -> Dropped:
    where = error.where or ""
    return Dropped(split or "", line_item(where), error.problem, where, error)


def _duplicate(row: _Row, first: _Row) -> DataError:
    utterance = row.utterance
    hint = 'give each dialogue its own "dialogue" and each utterance its own "utterance"'
    if row.path != first.path:
        hint = f"pass --option ids=file if ids start again in each file; or {hint}"
    elif row.stated and first.stated and row.stated.split != first.stated.split:
        hint = f"pass --option ids=split if ids start again in each split; or {hint}"
    elif utterance.row.get("dialogue") is None:
        hint = f"name the dialogue of each row, in a table with --option dialogue=COLUMN; or {hint}"
    problem = (
        f"duplicate utterance {utterance.utterance!r} of dialogue {utterance.dialogue!r}, first at "
        f"{first.utterance.where}"
    )
    return DataError(problem, where=utterance.where, hint=hint)


def _settle(stated: dict[str, Stated], dialogue: str, split: Stated) -> None:
    first = stated.setdefault(dialogue, split)
    if first.split != split.split:
        raise DataError(
            f"dialogue {dialogue!r} is in {split.split} here, but in {first.split} at {first.where}",
            where=split.where,
            hint="a dialogue is in one split: move it, or pass --option ids=split if ids start again in each split",
        )


def _unlabelled(path: Path, dropped: Sequence[Dropped]) -> DataError:
    broken = next((lost.error for lost in dropped if lost.error is not None), None)
    if broken is None:
        hint = "training needs gold labels; without a column or key for the emotion, the dataset is unlabelled"
        return DataError("no row has an 'emotion'", where=str(path), hint=hint)
    # The only rows with an emotion may be the invalid ones.
    hint = "fix it: no valid row has an 'emotion', and training needs gold labels"
    return DataError(broken.problem, where=broken.where, hint=f"{broken.hint}; {hint}" if broken.hint else hint)
