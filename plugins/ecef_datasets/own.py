"""What the readers of anyone's own dialogues share: labels, splits, and rows that stand twice."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from ecef_cli.api.components import Corpus, Dataset, Dropped, Options
from ecef_cli.api.dialogue import Dialogue, Utterance, group
from ecef_cli.api.errors import DataError, did_you_mean
from ecef_datasets.tables import line_item

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

SPLITS = {"train": "train", "dev": "dev", "valid": "dev", "validation": "dev", "test": "test"}
"""The names of splits that files and rows may use."""


_Label = Annotated[str, Field(min_length=1)]


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class OwnOptions(Options):
    """Which labels there are, and how dialogues are distributed over the splits."""

    labels: Annotated[list[_Label] | None, Field(min_length=1), BeforeValidator(_listed)] = Field(
        None, description="the emotions in order; where null all that occur, the most frequent in train first"
    )
    dev: float = Field(0.1, ge=0, lt=1, description="share of dialogues for dev, where nothing names a split")
    test: float = Field(0.1, ge=0, lt=1, description="share of dialogues for test, where nothing names a split")
    seed: int = Field(0, description="another seed gives another distribution")

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: list[str] | None) -> list[str] | None:
        twice = [label for label, count in Counter(labels or ()).items() if count > 1]
        if twice:
            raise ValueError(f"the label {twice[0]!r} stands twice")
        return labels

    @field_validator("test")
    @classmethod
    def _leaves_some(cls, test: float, info: ValidationInfo) -> float:
        dev = info.data.get("dev", 0)
        if dev + test >= 1:
            raise ValueError(f"must leave train its share: below {1 - dev:g} where dev is {dev:g}")
        return test


@dataclass(frozen=True, slots=True)
class _Stated:
    """The split that a file or a row names, and where."""

    split: str
    where: str


class OwnDialogues(Dataset):
    """Reads files of utterances; a file's name, a row's `split` or else chance decides a dialogue's split."""

    Options = OwnOptions
    options: OwnOptions
    suffixes: ClassVar[tuple[str, ...]]
    """How the files are called that are read of a folder."""
    form: ClassVar[str]
    """What such a file is, for errors."""

    @abstractmethod
    def utterances(self, path: Path, repaired: Counter[str]) -> Iterator[Utterance | DataError]:
        """Yield the utterance of each row of a file, or the error that the row deserves.

        Raises:
            DataError: the file cannot be read.
        """

    def remarks(self, files: Sequence[Path]) -> tuple[str, ...]:
        """Return what is to be said about the files as a whole."""
        del files
        return ()

    def read(self, sources: Sequence[Path]) -> Corpus:
        """Return the dialogues of the files in `sources`; of a folder, of those that it holds itself.

        A file called `train`, `dev`, `valid`, `validation` or `test` is that split. Elsewhere a row may name
        it under the key `split`. The remaining dialogues are distributed by a hash of their id, so that
        further files leave those at hand where they are.

        Raises:
            DataError: there is no file, no utterance or no label, or a dialogue is in two splits.
        """
        files = tuple(self._files(sources))
        dropped: list[Dropped] = []
        repaired: Counter[str] = Counter()
        kept: dict[tuple[str, str], Utterance] = {}
        stated: dict[str, _Stated] = {}
        for path in files:
            for found in self.utterances(path, repaired):
                try:
                    utterance = _sound(found)
                    split = _stated_split(path, utterance)
                    self._check_label(utterance)
                    _check_new(utterance, kept)
                except DataError as error:
                    where = error.where or ""
                    dropped.append(Dropped(_split_of_file(path) or "", line_item(where), error.problem, where, error))
                    continue
                if split:
                    _settle(stated, utterance.dialogue, split)
                kept[utterance.dialogue, str(utterance.utterance)] = utterance
        if not kept and not dropped:
            raise DataError("the files hold no utterance", where=", ".join(map(str, files)))
        splits: dict[str, list[Dialogue]] = {split: [] for split in ("train", "dev", "test")}
        for dialogue in group(kept.values()):
            known = stated.get(dialogue.id)
            splits[known.split if known else self._distribute(dialogue.id)].append(dialogue)
        labels = self.options.labels or _labels(splits)
        if kept and not labels:
            raise _unlabelled(files[0], dropped)
        return Corpus(
            tuple(labels),
            {split: tuple(dialogues) for split, dialogues in splits.items()},
            files,
            tuple(dropped),
            dict(repaired),
            self.remarks(files),
        )

    def _files(self, sources: Sequence[Path]) -> Iterator[Path]:
        seen = set()
        for source in sources:
            if not source.exists():
                raise DataError("no such file or folder", where=str(source))
            if source.is_dir():
                # Not of its subfolders: one may be a workspace, whose manifests look just like dialogue files.
                found = sorted(p for p in source.iterdir() if self._readable(p))
                if not found:
                    hint = f"they end in {self.suffixes[0]}; subfolders are not searched, name each as a source"
                    raise DataError(f"the folder holds no {self.form}", where=str(source), hint=hint)
            else:
                found = [source]
            for path in found:
                if path.resolve() not in seen:
                    seen.add(path.resolve())
                    yield path

    def _readable(self, path: Path) -> bool:
        # What begins with a dot is hidden on purpose, or what a Mac keeps beside a file.
        return path.suffix.casefold() in self.suffixes and not path.name.startswith(".") and path.is_file()

    def _distribute(self, dialogue: str) -> str:
        share = share_of(dialogue, self.options.seed)
        if share < self.options.test:
            return "test"
        return "dev" if share < self.options.test + self.options.dev else "train"

    def _check_label(self, utterance: Utterance) -> None:
        label, labels = utterance.emotion, self.options.labels
        if label is None:
            return
        if not label.strip():
            raise DataError("'emotion' is empty", where=utterance.where, hint="write null where there is no label")
        if labels is not None and label not in labels:
            raise DataError(f"unknown emotion {label!r}", where=utterance.where, hint=did_you_mean(label, labels))


def share_of(dialogue: str, seed: int) -> float:
    """Return a number from 0 to below 1 that depends on a dialogue's id and the seed alone."""
    digest = hashlib.sha256(f"{seed}:{dialogue}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def _unlabelled(path: Path, dropped: Sequence[Dropped]) -> DataError:
    broken = next((lost.error for lost in dropped if lost.error is not None), None)
    if broken is None:
        return DataError("no row has an 'emotion'", where=str(path), hint="training needs gold labels")
    # The only ones that have an emotion may be those that are broken.
    hint = "mend it: none of the rows that are whole has an 'emotion', and training needs gold labels"
    return DataError(broken.problem, where=broken.where, hint=f"{broken.hint}; {hint}" if broken.hint else hint)


def _sound(found: Utterance | DataError) -> Utterance:
    if isinstance(found, DataError):
        raise found
    return found


def _split_of_file(path: Path) -> str | None:
    return SPLITS.get(path.stem.casefold())


def _stated_split(path: Path, utterance: Utterance) -> _Stated | None:
    of_file, where = _split_of_file(path), utterance.where or ""
    named = utterance.row.get("split")
    if named is None:
        return _Stated(of_file, where) if of_file else None
    of_row = SPLITS.get(named.casefold()) if isinstance(named, str) else None
    if of_row is None:
        raise DataError(f"unknown split {named!r}", where=where, hint=did_you_mean(str(named), SPLITS))
    if of_file not in {None, of_row}:
        raise DataError(f"the row says {named!r} and its file is {path.name}", where=where, hint="mend one of the two")
    return _Stated(of_row, where)


def _settle(stated: dict[str, _Stated], dialogue: str, split: _Stated) -> None:
    first = stated.setdefault(dialogue, split)
    if first.split != split.split:
        raise DataError(
            f"the dialogue {dialogue!r} is in {split.split} here and in {first.split} at {first.where}",
            where=split.where,
            hint="a dialogue belongs to one split: rename one of the two, or move it",
        )


def _check_new(utterance: Utterance, kept: Mapping[tuple[str, str], Utterance]) -> None:
    first = kept.get((utterance.dialogue, str(utterance.utterance)))
    if first is not None:
        raise DataError(
            f"dialogue {utterance.dialogue!r}, utterance {utterance.utterance!r} stands here again, "
            f"first at {first.where}",
            where=utterance.where,
            hint='tell dialogues apart by the key "dialogue", utterances by "utterance"',
        )


def _labels(splits: Mapping[str, Iterable[Dialogue]]) -> list[str]:
    def count(dialogues: Iterable[Dialogue]) -> Counter[str]:
        return Counter(u.emotion for d in dialogues for u in d.utterances if u.emotion is not None)

    train = count(splits["train"])
    every = set(train).union(*(count(dialogues) for dialogues in splits.values()))
    return sorted(every, key=lambda label: (-train[label], label))
