"""Read and write prepared datasets: manifests of dialogues and `dataset.json`."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecef_cli.api.dialogue import Dialogue, read_dialogues, to_json, to_row
from ecef_cli.api.emojis import emoji_rules
from ecef_cli.api.errors import DataError, EcefError
from ecef_cli.workspace import SPLITS, Workspace, checksum, content_key, read_json, refusals, write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ecef_cli.api.components import Corpus
    from ecef_cli.api.dialogue import Utterance


@dataclass(frozen=True, slots=True)
class Prepared:
    """A dataset of the workspace.

    Attributes:
        name: the folder's name.
        labels: the emotions in order.
        splits: dialogues by split.
        key: hash of the manifests' bytes, of the names of emoji if any occur, and of the selection of utterances.
        recordings: hash of the paths and bytes of all recordings, and their decoders; empty without recordings.
        rows: by split, the index of each utterance in the manifest, from 0; None if all are selected.
        licence: terms of the corpus, as its reader states them; empty if it states none.
    """

    name: str
    labels: tuple[str, ...]
    splits: Mapping[str, tuple[Dialogue, ...]]
    key: str
    recordings: str = ""
    rows: Mapping[str, Sequence[int]] | None = None
    licence: str = ""

    def labelled(self, labels: Iterable[str]) -> Prepared:
        """Return the dataset with only the utterances whose emotion is in `labels`; itself if all are.

        Empty dialogues and splits are removed too.
        """
        known = set(labels)
        splits: dict[str, tuple[Dialogue, ...]] = {}
        rows: dict[str, tuple[int, ...]] = {}
        for split, dialogues in self.splits.items():
            every = [u for dialogue in dialogues for u in dialogue.utterances]
            indices = range(len(every)) if self.rows is None else self.rows[split]
            kept = tuple(index for index, u in zip(indices, every, strict=True) if u.emotion in known)
            if kept:
                parts = (replace(d, utterances=tuple(u for u in d.utterances if u.emotion in known)) for d in dialogues)
                splits[split], rows[split] = tuple(part for part in parts if part.utterances), kept
        if _size(splits) == _size(self.splits):
            return self
        return replace(self, splits=splits, key=content_key({"manifest": self.key, "rows": rows}), rows=rows)

    @property
    def longest(self) -> int:
        """Number of utterances of the longest dialogue."""
        return longest(dialogue for dialogues in self.splits.values() for dialogue in dialogues)


def longest(dialogues: Iterable[Dialogue]) -> int:
    """Return the number of utterances of the longest dialogue, 1 if there are no dialogues."""
    return max((len(dialogue.utterances) for dialogue in dialogues), default=1)


def _size(splits: Mapping[str, Sequence[Dialogue]]) -> int:
    return sum(len(dialogue.utterances) for dialogues in splits.values() for dialogue in dialogues)


def load_prepared(workspace: Workspace, name: str) -> Prepared:
    """Return a prepared dataset.

    Raises:
        DataError: it is not prepared, or a manifest is invalid or does not match `dataset.json`.
    """
    folder = workspace.prepared(name)
    facts = read_facts(folder)
    splits = {}
    for split, stated in facts["manifests"].items():
        path = manifest_path(folder, split, stated)
        if not path.is_file() or checksum(path) != stated:
            hint = "prepare it again with --force"
            raise DataError("the manifest has changed since it was prepared", where=str(path), hint=hint)
        splits[split] = read_dialogues(path)
    heard = facts.get("recordings", {})
    recordings = " ".join([heard.get("digest", ""), *heard.get("decoders", ())]).strip()
    # Names of emoji change the words of a dataset that has any, and so its tags and features.
    rules = emoji_rules(u.text for dialogues in splits.values() for d in dialogues for u in d.utterances)
    key, licence = content_key({**facts["manifests"], **rules}), facts.get("licence", "")
    return Prepared(name, tuple(facts["labels"]), splits, key, recordings, licence=licence)


def read_facts(folder: Path) -> dict[str, Any]:
    """Return the contents of `dataset.json` in a dataset's folder.

    Raises:
        DataError: it is missing or invalid.
    """
    path = folder / "dataset.json"
    facts = read_json(path)
    if not (isinstance(facts, dict) and _is_whole(facts)):
        raise DataError("does not describe a prepared dataset", where=str(path), hint="prepare it again with --force")
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
    "licence": str,
    "options": dict,
    "sources": dict,
    "dropped": list,
    "muted": list,
    "repaired": dict,
    "recordings": dict,
}
"""Types of optional fields; earlier versions did not write all of them."""


def manifest_path(folder: Path, split: str, digest: str = "") -> Path:
    """Return the path of a split's manifest in a dataset's folder.

    Args:
        folder: the dataset's folder.
        split: its split.
        digest: the checksum from `dataset.json`. If a command was killed before it renamed that manifest, the path is
            the temporary one.
    """
    waiting = _waiting_path(folder, split, digest)
    return waiting if digest and waiting.is_file() else folder / "manifest" / f"{split}.jsonl"


def _waiting_path(folder: Path, split: str, digest: str) -> Path:
    return folder / "manifest" / f".{split}-{digest[:16]}.jsonl"


def manifest_texts(corpus: Corpus, folder: Path | None = None) -> dict[str, str]:
    """Return the manifest text of each split with dialogues, as `save_prepared` writes it.

    Args:
        corpus: the dialogues.
        folder: the dataset's folder; if None, every recording keeps its path.
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
    """Return the path that a manifest uses for a recording.

    A recording in the dataset's folder has a path relative to the manifests, so a workspace can be moved and
    copied; others keep their path.

    Args:
        path: the recording.
        folder: the dataset's folder; None if no recording is in it.
    """
    if folder is None:
        return str(path)
    # Do not resolve links: a folder of recordings may be a link to another disk.
    there, within = (Path(os.path.normpath(given.absolute())) for given in (path, folder))
    return f"../{there.relative_to(within).as_posix()}" if there.is_relative_to(within) else str(path)


def text_checksum(text: str) -> str:
    """Return the SHA-256, in hexadecimal, of a file with this text."""
    return hashlib.sha256(text.encode()).hexdigest()


def save_prepared(workspace: Workspace, name: str, corpus: Corpus, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write manifests and `dataset.json`.

    A killed process leaves either the old dataset or the new one: it writes the manifests under temporary names,
    commits them by renaming `dataset.json`, and then renames the manifests (`manifest_path`).

    Args:
        workspace: where to write.
        name: the dataset's name.
        corpus: the corpus from a reader.
        facts: further fields of `dataset.json`.

    Returns:
        The contents of `dataset.json`.

    Raises:
        EcefError: the disk is full or not writable.
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
    hint = "the dataset is unchanged; fix this, or free some space, and run the command again"
    with refusals(EcefError, "cannot be written", folder, hint=hint):
        for split, text in texts.items():
            write_text(_waiting_path(folder, split, stated["manifests"][split]), text)
        write_json(folder / "dataset.json", stated)
    place_manifests(folder, stated["manifests"])
    return stated


def place_manifests(folder: Path, manifests: Mapping[str, str]) -> None:
    """Rename the manifests of a dataset to their final names, and remove files of killed commands.

    Args:
        folder: the dataset's folder; no other process may be working on it.
        manifests: by split, the checksum from `dataset.json`.
    """
    targets = {split: manifest_path(folder, split) for split in manifests}
    for split, digest in manifests.items():
        waiting = _waiting_path(folder, split, digest)
        if waiting.is_file():
            waiting.replace(targets[split])
    left = (*folder.glob("manifest/*.jsonl"), *folder.glob("manifest/.*.part"), *folder.glob(".dataset.json.*.part"))
    for path in left:
        if path not in targets.values():
            path.unlink()


def counts(corpus: Corpus) -> dict[str, dict[str, Any]]:
    """Return, by split, the numbers of dialogues, utterances, utterances of each emotion, and without one.

    If any utterance has a recording, also the number of utterances with one.
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
