"""The checks of a prepared dataset: of its folder, and of what `prepare` has at hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecef_cli.api.dialogue import open_utterances
from ecef_cli.api.errors import DataError, EcefError
from ecef_cli.corpus.checks.check import Check, Problem, searched
from ecef_cli.corpus.checks.restoring import restored_corpus, restored_reader
from ecef_cli.corpus.checks.rows import check_emotions, check_ids, check_labels, check_order
from ecef_cli.corpus.checks.sound import check_recordings
from ecef_cli.corpus.manifest import counts, manifest_path, read_facts
from ecef_cli.corpus.scan import decode
from ecef_cli.plugin.boundary import calling
from ecef_cli.workspace import SPLITS, checksum, refusals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ecef_cli.api.components import Corpus, Dataset
    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.corpus.checks.rows import Rows
    from ecef_cli.corpus.checks.sound import Files
    from ecef_cli.workspace import Workspace

_PUBLISHED = "numbers are those that are published"


def find_dataset(workspace: Workspace, name_or_path: str) -> Path:
    """Return the folder of a prepared dataset, by its name in the workspace or by the folder itself.

    Raises:
        DataError: there is none, or its folder cannot be read.
        UsageProblem: a name cannot be that of a dataset.
    """
    with refusals(DataError, "cannot be read", Path(name_or_path)):
        return _find(workspace, name_or_path)


def _find(workspace: Workspace, name_or_path: str) -> Path:
    folder = Path(name_or_path)
    named = len(folder.parts) == 1 and not name_or_path.startswith(".")
    if named and (not folder.exists() or name_or_path in workspace.datasets()):
        return workspace.prepared(name_or_path)
    if folder.exists() and not folder.is_dir():
        raise DataError("is no folder", where=str(folder), hint="name the folder of a prepared dataset")
    if not (folder / "dataset.json").is_file():
        problem = "is no prepared dataset: there is no dataset.json" if folder.is_dir() else "no such folder"
        hint = "name the folder that `ecef prepare` has made, such as ecef-work/NAME, or a dataset of the workspace"
        raise DataError(problem, where=str(folder), hint=hint)
    return folder


def check_folder(folder: Path) -> list[Check]:
    """Return every check of a prepared dataset, as it lies there; each recording is decoded.

    Raises:
        DataError: `dataset.json` is missing or broken, or what lies beside it cannot be read.
    """
    with refusals(DataError, "cannot be read", folder):
        return _check(folder)


def _check(folder: Path) -> list[Check]:
    facts = read_facts(folder)
    rows, broken = _read_rows(folder, facts)
    corpus = restored_corpus(facts, rows)
    files = decode(u.audio for utterances in rows.values() for u in utterances if u.audio is not None)
    well = f"{sum(map(len, rows.values())):,} rows"
    readable = searched("every row can be read", broken, well=well, wrong=("row cannot be read", "rows cannot be read"))
    try:
        published = check_published(restored_reader(facts), corpus)
    except EcefError as error:
        published = Check(_PUBLISHED, "not measured", " ".join(str(error).split()))
    manifests, *others = _checks(folder, facts, corpus, rows, files)
    return [manifests, readable, *others, published]


def check_corpus(folder: Path, facts: Mapping[str, Any], corpus: Corpus, files: Files) -> list[Check]:
    """Return the checks of a dataset that has just been read; no recording is looked at again.

    Args:
        folder: where it lies.
        facts: what its `dataset.json` says.
        corpus: what was read.
        files: what was found of each recording.
    """
    rows = {split: [u for d in dialogues for u in d.utterances] for split, dialogues in corpus.splits.items()}
    return list(_checks(folder, facts, corpus, rows, files))


def _checks(folder: Path, facts: Mapping[str, Any], corpus: Corpus, rows: Rows, files: Files) -> Iterator[Check]:
    yield _check_manifests(folder, facts)
    yield _check_counts(facts, corpus)
    yield check_ids(rows)
    yield check_order(rows)
    yield check_emotions(rows, facts["labels"])
    yield check_labels(rows, facts["labels"])
    every = [utterance for utterances in rows.values() for utterance in utterances]
    yield from check_recordings(every, files, facts, folder / "dataset.json")


def _read_rows(folder: Path, facts: Mapping[str, Any]) -> tuple[dict[str, Sequence[Utterance]], list[Problem]]:
    """Return the rows of the manifests that are there, by split, and what is wrong with those that are broken."""
    rows: dict[str, Sequence[Utterance]] = {}
    broken: list[Problem] = []
    for split in (split for split in SPLITS if split in facts["manifests"]):
        path = manifest_path(folder, split, facts["manifests"][split])
        found: list[Utterance] = []
        if path.is_file():
            with open_utterances(path) as utterances:
                for utterance in utterances:
                    if isinstance(utterance, DataError):
                        broken.append(Problem(utterance.problem, utterance.where))
                    else:
                        found.append(utterance)
        rows[split] = found
    return rows, broken


def _check_manifests(folder: Path, facts: Mapping[str, Any]) -> Check:
    stated = facts["manifests"]
    wrong = ("manifest is not the one that was prepared", "manifests are not those that were prepared")
    well = f"{len(stated)} {'has its' if len(stated) == 1 else 'have their'} checksum"
    return searched("manifests are those that were prepared", _other_manifests(folder, stated), well=well, wrong=wrong)


def _other_manifests(folder: Path, stated: Mapping[str, Any]) -> Iterator[Problem]:
    for split, digest in stated.items():
        path = manifest_path(folder, split, digest)
        if not path.is_file():
            yield Problem("the manifest is missing", str(path))
        elif checksum(path) != digest:
            yield Problem("the manifest has been changed", str(path))
    known = {manifest_path(folder, split) for split in stated}
    manifests = folder / "manifest"
    for path in sorted(manifests.iterdir() if manifests.is_dir() else ()):
        # What begins with a dot is what a killed command had begun.
        if path not in known and not path.name.startswith("."):
            yield Problem("dataset.json knows of no such manifest; `ecef prepare` removes it", str(path))


def _check_counts(facts: Mapping[str, Any], corpus: Corpus) -> Check:
    problems = tuple(_other_counts(facts["counts"], counts(corpus)))
    wrong = ("number is another than stated", "numbers are others than stated")
    return searched("dataset.json counts what the manifests hold", problems, well="the numbers agree", wrong=wrong)


def _other_counts(stated: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    for split, numbers in found.items():
        before = stated.get(split)
        if not isinstance(before, dict):
            yield Problem(f"dataset.json says nothing of {split}")
            continue
        emotions = before.get("emotions")
        pairs = [(key, before.get(key), number) for key, number in numbers.items() if key != "emotions"]
        for label, number in numbers["emotions"].items():
            pairs.append((label, emotions.get(label) if isinstance(emotions, dict) else None, number))
        for key, said, number in pairs:
            # A dataset of an earlier version does not say everything.
            if said is not None and said != number:
                yield Problem(f"{key} in {split}: dataset.json says {said}, and there are {number}")


def check_published(reader: Dataset, corpus: Corpus) -> Check:
    """Return whether a corpus is as large as is published."""
    try:
        with calling(reader, "published"):
            lines = reader.published(corpus)
    except EcefError as error:
        problem = f"the reader fails to compare its numbers with those published: {' '.join(str(error).split())}"
        return Check(_PUBLISHED, "noted", problem)
    if lines is None:
        return Check(_PUBLISHED, "not measured", "the reader knows of none")
    wrong = ("line of differences", "lines of differences")
    return searched(_PUBLISHED, map(Problem, lines), well="all that are known", wrong=wrong, status="noted")
