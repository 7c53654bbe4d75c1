"""Check a prepared dataset, from its folder or right after `prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecef_cli.api.dialogue import open_utterances
from ecef_cli.api.errors import DataError, EcefError
from ecef_cli.corpus.checks.check import Check, Problem, check_problems
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

_PUBLISHED = "counts match the published ones"


def find_dataset(workspace: Workspace, name_or_path: str) -> Path:
    """Return the folder of a prepared dataset, from its name in the workspace or the folder itself.

    Raises:
        DataError: it does not exist, or its folder cannot be read.
        UsageProblem: the name is invalid.
    """
    with refusals(DataError, "cannot be read", Path(name_or_path)):
        return _find(workspace, name_or_path)


def _find(workspace: Workspace, name_or_path: str) -> Path:
    folder = Path(name_or_path)
    named = len(folder.parts) == 1 and not name_or_path.startswith(".")
    if named and (not folder.exists() or name_or_path in workspace.datasets()):
        return workspace.prepared(name_or_path)
    if folder.exists() and not folder.is_dir():
        raise DataError("not a folder", where=str(folder), hint="pass the folder of a prepared dataset")
    if not (folder / "dataset.json").is_file():
        problem = "not a prepared dataset: dataset.json is missing" if folder.is_dir() else "no such folder"
        hint = (
            "pass a folder that `ecef prepare` made, such as ecef-work/NAME, or the name of a dataset of the workspace"
        )
        raise DataError(problem, where=str(folder), hint=hint)
    return folder


def check_folder(folder: Path) -> list[Check]:
    """Run every check on a prepared dataset; decode each recording.

    Raises:
        DataError: `dataset.json` is missing or invalid, or another file cannot be read.
    """
    with refusals(DataError, "cannot be read", folder):
        return _check(folder)


def _check(folder: Path) -> list[Check]:
    facts = read_facts(folder)
    rows, broken = _read_rows(folder, facts)
    corpus = restored_corpus(facts, rows)
    files = decode(u.audio for utterances in rows.values() for u in utterances if u.audio is not None)
    well = f"{sum(map(len, rows.values())):,} rows"
    readable = check_problems(
        "every row can be read", broken, well=well, wrong=("row cannot be read", "rows cannot be read")
    )
    try:
        published = check_published(restored_reader(facts), corpus)
    except EcefError as error:
        published = Check(_PUBLISHED, "not measured", " ".join(str(error).split()))
    manifests, *others = _checks(folder, facts, corpus, rows, files)
    return [manifests, readable, *others, published]


def check_corpus(folder: Path, facts: Mapping[str, Any], corpus: Corpus, files: Files) -> list[Check]:
    """Run the checks on a dataset that has just been read; do not read recordings again.

    Args:
        folder: its folder.
        facts: the contents of its `dataset.json`.
        corpus: the corpus as read.
        files: the inspected recordings.
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
    """Return the valid rows of the existing manifests, by split, and the problems of the others."""
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
    wrong = ("manifest has changed", "manifests have changed")
    well = f"{len(stated)} {'has its' if len(stated) == 1 else 'have their'} checksum"
    return check_problems("manifests are unchanged", _other_manifests(folder, stated), well=well, wrong=wrong)


def _other_manifests(folder: Path, stated: Mapping[str, Any]) -> Iterator[Problem]:
    for split, digest in stated.items():
        path = manifest_path(folder, split, digest)
        if not path.is_file():
            yield Problem("the manifest is missing", str(path))
        elif checksum(path) != digest:
            yield Problem("the manifest has changed", str(path))
    known = {manifest_path(folder, split) for split in stated}
    manifests = folder / "manifest"
    for path in sorted(manifests.iterdir() if manifests.is_dir() else ()):
        # A leading dot marks an unfinished file of a killed command.
        if path not in known and not path.name.startswith("."):
            yield Problem("dataset.json does not list this manifest; `ecef prepare` removes it", str(path))


def _check_counts(facts: Mapping[str, Any], corpus: Corpus) -> Check:
    problems = tuple(_other_counts(facts["counts"], counts(corpus)))
    wrong = ("count differs", "counts differ")
    return check_problems("counts match dataset.json", problems, well="all counts agree", wrong=wrong)


def _other_counts(stated: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    for split, numbers in found.items():
        before = stated.get(split)
        if not isinstance(before, dict):
            yield Problem(f"dataset.json has no counts for {split}")
            continue
        emotions = before.get("emotions")
        pairs = [(key, before.get(key), number) for key, number in numbers.items() if key != "emotions"]
        for label, number in numbers["emotions"].items():
            pairs.append((label, emotions.get(label) if isinstance(emotions, dict) else None, number))
        for key, recorded, number in pairs:
            # Datasets of earlier versions lack some counts.
            if recorded is not None and recorded != number:
                yield Problem(f"{key} in {split}: {recorded} in dataset.json, {number} found")


def check_published(reader: Dataset, corpus: Corpus) -> Check:
    """Check the counts of a corpus against the published ones."""
    try:
        with calling(reader, "published"):
            lines = reader.published(corpus)
    except EcefError as error:
        problem = f"the reader failed to compare its counts: {' '.join(str(error).split())}"
        return Check(_PUBLISHED, "noted", problem)
    if lines is None:
        return Check(_PUBLISHED, "not measured", "the reader has no published counts")
    wrong = ("line of differences", "lines of differences")
    return check_problems(_PUBLISHED, map(Problem, lines), well="all agree", wrong=wrong, status="noted")
