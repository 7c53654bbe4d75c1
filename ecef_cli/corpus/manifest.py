"""Prepared datasets: manifests of dialogues and `dataset.json`, written by `prepare`, read by the rest."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecef_cli.api.dialogue import Dialogue, read_dialogues, to_json, to_row
from ecef_cli.api.errors import DataError, EcefError
from ecef_cli.workspace import SPLITS, Workspace, checksum, content_key, read_json, refusals, write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ecef_cli.api.components import Corpus
    from ecef_cli.api.dialogue import Utterance


@dataclass(frozen=True, slots=True)
class Prepared:
    """A dataset as it lies in the workspace.

    Attributes:
        name: the folder's name.
        labels: the emotions in order.
        splits: dialogues by split.
        key: hash of the manifests' bytes, and of which of their utterances are there.
        recordings: hash of the paths and bytes of all recordings; empty where there is none.
        rows: by split, where each utterance stands in the manifest, from 0; None where all are there.
    """

    name: str
    labels: tuple[str, ...]
    splits: Mapping[str, tuple[Dialogue, ...]]
    key: str
    recordings: str = ""
    rows: Mapping[str, Sequence[int]] | None = None

    def labelled(self, labels: Iterable[str]) -> Prepared:
        """Return the dataset without the utterances whose emotion is none of `labels`; itself where all have one.

        Dialogues and splits of which nothing is left are gone too.
        """
        known = set(labels)
        splits: dict[str, tuple[Dialogue, ...]] = {}
        rows: dict[str, tuple[int, ...]] = {}
        for split, dialogues in self.splits.items():
            every = [u for dialogue in dialogues for u in dialogue.utterances]
            places = range(len(every)) if self.rows is None else self.rows[split]
            kept = tuple(place for place, u in zip(places, every, strict=True) if u.emotion in known)
            if kept:
                parts = (replace(d, utterances=tuple(u for u in d.utterances if u.emotion in known)) for d in dialogues)
                splits[split], rows[split] = tuple(part for part in parts if part.utterances), kept
        if _size(splits) == _size(self.splits):
            return self
        return replace(self, splits=splits, key=content_key({"manifest": self.key, "rows": rows}), rows=rows)

    @property
    def longest(self) -> int:
        """How many utterances the longest dialogue has."""
        return longest(dialogue for dialogues in self.splits.values() for dialogue in dialogues)


def longest(dialogues: Iterable[Dialogue]) -> int:
    """Return how many utterances the longest dialogue has, 1 where there is none."""
    return max((len(dialogue.utterances) for dialogue in dialogues), default=1)


def _size(splits: Mapping[str, Sequence[Dialogue]]) -> int:
    return sum(len(dialogue.utterances) for dialogues in splits.values() for dialogue in dialogues)


def load_prepared(workspace: Workspace, name: str) -> Prepared:
    """Return a prepared dataset.

    Raises:
        DataError: it is not prepared, or a manifest is broken or does not match `dataset.json`.
    """
    folder = workspace.prepared(name)
    facts = read_facts(folder)
    splits = {}
    for split, stated in facts["manifests"].items():
        path = manifest_path(folder, split, stated)
        if not path.is_file() or checksum(path) != stated:
            hint = "prepare it again with --force"
            raise DataError("the manifest is not the one that was prepared", where=str(path), hint=hint)
        splits[split] = read_dialogues(path)
    recordings = facts.get("recordings", {}).get("digest", "")
    return Prepared(name, tuple(facts["labels"]), splits, content_key(facts["manifests"]), recordings)


def read_facts(folder: Path) -> dict[str, Any]:
    """Return what the `dataset.json` of a dataset's folder says.

    Raises:
        DataError: it is missing or broken.
    """
    path = folder / "dataset.json"
    facts = read_json(path)
    if not (isinstance(facts, dict) and _is_whole(facts)):
        raise DataError("describes no prepared dataset", where=str(path), hint="prepare it again with --force")
    return facts


def _is_whole(facts: Mapping[str, Any]) -> bool:
    labels, manifests, numbers = (facts.get(key) for key in ("labels", "manifests", "counts"))
    return (
        isinstance(labels, list)
        and all(isinstance(label, str) for label in labels)
        and isinstance(manifests, dict)
        and bool(manifests)
        and manifests.keys() <= set(SPLITS)
        and all(isinstance(digest, str) for digest in manifests.values())
        and isinstance(numbers, dict)
        and all(facts.get(key) is None or isinstance(facts[key], kind) for key, kind in _KINDS.items())
    )


_KINDS: Mapping[str, type] = {
    "name": str,
    "reader": str,
    "options": dict,
    "sources": dict,
    "dropped": list,
    "muted": list,
    "repaired": dict,
    "recordings": dict,
}
"""What else a `dataset.json` says; an earlier version did not say everything."""


def manifest_path(folder: Path, split: str, digest: str = "") -> Path:
    """Return where the manifest of a split lies in a dataset's folder.

    Args:
        folder: the dataset's folder.
        split: its split.
        digest: the checksum that `dataset.json` states. Where a command was killed before that manifest was in its
            place, it still lies where it was written.
    """
    waiting = _waiting_path(folder, split, digest)
    return waiting if digest and waiting.is_file() else folder / "manifest" / f"{split}.jsonl"


def _waiting_path(folder: Path, split: str, digest: str) -> Path:
    return folder / "manifest" / f".{split}-{digest[:16]}.jsonl"


def manifest_texts(corpus: Corpus, folder: Path | None = None) -> dict[str, str]:
    """Return the manifest of each split that has a dialogue, as `save_prepared` writes it.

    Args:
        corpus: the dialogues.
        folder: the dataset's folder; where None, every recording keeps the path that it has.
    """
    return {
        split: "".join(f"{to_json(_row(u, folder))}\n" for d in corpus.splits[split] for u in d.utterances)
        for split in SPLITS
        if corpus.splits.get(split)
    }


def _row(utterance: Utterance, folder: Path | None) -> dict[str, Any]:
    row = to_row(utterance)
    return row if utterance.audio is None else {**row, "audio": recording_name(utterance.audio, folder)}


def recording_name(path: Path, folder: Path | None) -> str:
    """Return the path by which a manifest names a recording, and by which the recording is known.

    One that lies in the dataset's folder is named relative to the manifests, so that a workspace can be moved and
    copied; any other by the path that is given.

    Args:
        path: the recording.
        folder: the dataset's folder; where None, no recording lies in it.
    """
    if folder is None:
        return str(path)
    # Nothing is resolved: a folder of recordings that is a link to another disk is one of the dataset all the same.
    there, within = (Path(os.path.normpath(given.absolute())) for given in (path, folder))
    return f"../{there.relative_to(within).as_posix()}" if there.is_relative_to(within) else str(path)


def text_checksum(text: str) -> str:
    """Return the SHA-256, in hexadecimal, of the file that holds this text."""
    return hashlib.sha256(text.encode()).hexdigest()


def save_prepared(workspace: Workspace, name: str, corpus: Corpus, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write manifests and `dataset.json`.

    A process that is killed leaves the dataset as it was, or the new one: the manifests are written beside those of
    before, the one rename of `dataset.json` decides, and then the manifests take their places (`manifest_path`).

    Args:
        workspace: where to write.
        name: the dataset's name.
        corpus: what a reader found.
        facts: what else `dataset.json` is to say.

    Returns:
        What `dataset.json` says.

    Raises:
        EcefError: the disk is full, or cannot be written to.
    """
    folder = workspace.dataset(name)
    texts = manifest_texts(corpus, folder)
    stated = {
        "name": name,
        "labels": list(corpus.labels),
        "counts": counts(corpus),
        "manifests": {split: text_checksum(text) for split, text in texts.items()},
        **facts,
    }
    hint = "the dataset is as it was; mend that, or make room, and run it again"
    with refusals(EcefError, "cannot be written", folder, hint=hint):
        for split, text in texts.items():
            write_text(_waiting_path(folder, split, stated["manifests"][split]), text)
        write_json(folder / "dataset.json", stated)
    settle(folder, stated["manifests"])
    return stated


def settle(folder: Path, manifests: Mapping[str, str]) -> None:
    """Bring the manifests of a dataset to their places, and remove what killed commands have left.

    Args:
        folder: the dataset's folder, of which no other process is at work.
        manifests: by split the checksum that `dataset.json` states.
    """
    places = {split: manifest_path(folder, split) for split in manifests}
    for split, digest in manifests.items():
        waiting = _waiting_path(folder, split, digest)
        if waiting.is_file():
            waiting.replace(places[split])
    left = (*folder.glob("manifest/*.jsonl"), *folder.glob("manifest/.*.part"), *folder.glob(".dataset.json.*.part"))
    for path in left:
        if path not in places.values():
            path.unlink()


def counts(corpus: Corpus) -> dict[str, dict[str, Any]]:
    """Return, by split, the numbers of dialogues, utterances, utterances of each emotion, and without one.

    Where any utterance has a recording, the number of those that have one is there too.
    """
    found = {}
    heard = {split: sum(u.audio is not None for d in ds for u in d.utterances) for split, ds in corpus.splits.items()}
    for split in SPLITS:
        dialogues = corpus.splits.get(split, ())
        emotions = Counter(u.emotion for d in dialogues for u in d.utterances)
        found[split] = {
            "dialogues": len(dialogues),
            "utterances": emotions.total(),
            "emotions": {label: emotions[label] for label in corpus.labels},
            "unlabelled": emotions[None],
            **({"recordings": heard.get(split, 0)} if any(heard.values()) else {}),
        }
    return found
