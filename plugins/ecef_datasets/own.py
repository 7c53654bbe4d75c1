"""Base class for readers of the user's own dialogues: labels, splits and duplicate rows."""

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
"""Split names in files and rows, with the split they mean."""


_Label = Annotated[str, Field(min_length=1)]


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class OwnOptions(Options):
    """Labels, and the distribution of dialogues over the splits."""

    labels: Annotated[list[_Label] | None, Field(min_length=1), BeforeValidator(_listed)] = Field(
        None, description="the emotions in order; null: all that occur, the most frequent in train first"
    )
    dev: float = Field(0.1, ge=0, lt=1, description="share of dialogues for dev, if nothing names a split")
    test: float = Field(0.1, ge=0, lt=1, description="share of dialogues for test, if nothing names a split")
    seed: int = Field(0, description="another seed gives another distribution")

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: list[str] | None) -> list[str] | None:
        twice = [label for label, count in Counter(labels or ()).items() if count > 1]
        if twice:
            raise ValueError(f"duplicate label {twice[0]!r}")
        return labels

    @field_validator("test")
    @classmethod
    def _leaves_some(cls, test: float, info: ValidationInfo) -> float:
        dev = info.data.get("dev", 0)
        if dev + test >= 1:
            raise ValueError(f"must leave a share for train: below {1 - dev:g} if dev is {dev:g}")
        return test


@dataclass(frozen=True, slots=True)
class _Stated:
    """A split named by a file or a row, and its location."""

    split: str
    where: str


class OwnDialogues(Dataset):
    """Reader of files of utterances; the file's name, the row's `split` or else a hash decides the split."""

    Options = OwnOptions
    options: OwnOptions
    suffixes: ClassVar[tuple[str, ...]]
    """Suffixes of the files to read in a folder."""
    form: ClassVar[str]
    """Name of such a file in errors."""

    @abstractmethod
    def utterances(self, path: Path, repaired: Counter[str]) -> Iterator[Utterance | DataError]:
        """Yield the utterance of each row of a file, or an error for an invalid row.

        Raises:
            DataError: the file cannot be read.
        """

    def remarks(self, files: Sequence[Path]) -> tuple[str, ...]:
        """Return remarks about the files as a whole."""
        del files
        return ()

    def read(self, sources: Sequence[Path]) -> Corpus:
        """Return the dialogues of the files in `sources`, and of the files directly in its folders.

        A file called `train`, `dev`, `valid`, `validation` or `test` is that split. In other files a row may name
        it under the key `split`. The remaining dialogues are distributed by a hash of their id, so adding
        files does not move existing dialogues.

        Raises:
            DataError: the sources have no file, no utterance or no label, or a dialogue is in two splits.
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
            raise DataError("the files contain no utterance", where=", ".join(map(str, files)))
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
            raise DataError(
                "'emotion' is empty", where=utterance.where, hint="write null for an utterance without a label"
            )
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
    # The only rows with an emotion may be the invalid ones.
    hint = "fix it: no valid row has an 'emotion', and training needs gold labels"
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
        raise DataError(
            f"the row says {named!r}, but its file is {path.name}", where=where, hint="change one of the two"
        )
    return _Stated(of_row, where)


def _settle(stated: dict[str, _Stated], dialogue: str, split: _Stated) -> None:
    first = stated.setdefault(dialogue, split)
    if first.split != split.split:
        raise DataError(
            f"dialogue {dialogue!r} is in {split.split} here, but in {first.split} at {first.where}",
            where=split.where,
            hint="a dialogue belongs to one split: rename one of the two, or move it",
        )


def _check_new(utterance: Utterance, kept: Mapping[tuple[str, str], Utterance]) -> None:
    first = kept.get((utterance.dialogue, str(utterance.utterance)))
    if first is not None:
        raise DataError(
            f"duplicate utterance {utterance.utterance!r} of dialogue {utterance.dialogue!r}, first at {first.where}",
            where=utterance.where,
            hint='give each dialogue its own "dialogue" and each utterance its own "utterance"',
        )


def _labels(splits: Mapping[str, Iterable[Dialogue]]) -> list[str]:
    def count(dialogues: Iterable[Dialogue]) -> Counter[str]:
        return Counter(u.emotion for d in dialogues for u in d.utterances if u.emotion is not None)

    train = count(splits["train"])
    every = set(train).union(*(count(dialogues) for dialogues in splits.values()))
    return sorted(every, key=lambda label: (-train[label], label))
