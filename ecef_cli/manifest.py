"""Prepared datasets: manifests of dialogues and `dataset.json`, written by `prepare` and read by all the rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecef_cli.dialogue import Dialogue, read_dialogues, to_json, to_row
from ecef_cli.errors import DataError
from ecef_cli.workspace import SPLITS, Workspace, checksum, content_key, read_json, write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecef_cli.components import Corpus


@dataclass(frozen=True, slots=True)
class Prepared:
    """A dataset as it lies in the workspace.

    Attributes:
        name: the folder's name.
        labels: the emotions in order.
        splits: dialogues by split.
        key: hash of the manifests' bytes.
    """

    name: str
    labels: tuple[str, ...]
    splits: Mapping[str, tuple[Dialogue, ...]]
    key: str


def load_prepared(workspace: Workspace, name: str) -> Prepared:
    """Return a prepared dataset.

    Raises:
        DataError: it is not prepared, or a manifest is broken or does not match `dataset.json`.
    """
    folder = workspace.prepared(name)
    facts = read_json(folder / "dataset.json")
    splits = {}
    for split, stated in facts["manifests"].items():
        path = folder / "manifest" / f"{split}.jsonl"
        if not path.is_file() or checksum(path) != stated:
            raise DataError("the manifest is not the one that was prepared", where=str(path), hint="prepare it again with --force")
        splits[split] = read_dialogues(path)
    return Prepared(name, tuple(facts["labels"]), splits, content_key(facts["manifests"]))


def save_prepared(workspace: Workspace, name: str, corpus: Corpus, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write manifests and `dataset.json`; the latter last, so that it vouches for the rest.

    Args:
        workspace: where to write.
        name: the dataset's name.
        corpus: what a reader found.
        facts: what else `dataset.json` is to say.

    Returns:
        What `dataset.json` says.
    """
    folder = workspace.dataset(name)
    manifests = {}
    for split in SPLITS:
        dialogues = corpus.splits.get(split, ())
        if not dialogues:
            continue
        path = folder / "manifest" / f"{split}.jsonl"
        lines = [to_json(to_row(u)) for d in dialogues for u in d.utterances]
        write_text(path, "\n".join(lines) + "\n")
        manifests[split] = checksum(path)
    for path in (folder / "manifest").glob("*.jsonl"):
        if path.stem not in manifests:
            path.unlink()
    stated = {
        "name": name,
        "labels": list(corpus.labels),
        "counts": counts(corpus),
        "manifests": manifests,
        **facts,
    }
    write_json(folder / "dataset.json", stated)
    return stated


def counts(corpus: Corpus) -> dict[str, dict[str, Any]]:
    """Return, by split, how many dialogues, utterances and utterances of each emotion there are."""
    found = {}
    for split, dialogues in corpus.splits.items():
        emotions = Counter(u.emotion for d in dialogues for u in d.utterances)
        found[split] = {
            "dialogues": len(dialogues),
            "utterances": emotions.total(),
            "emotions": {label: emotions[label] for label in corpus.labels},
        }
    return found
