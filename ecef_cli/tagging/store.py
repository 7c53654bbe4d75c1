"""Store tags of a prepared dataset: one safetensors file per split, and an index with checksums."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ecef_cli import console
from ecef_cli.api.errors import DataError
from ecef_cli.plugin.boundary import calling, identity
from ecef_cli.tagging.content import RULES
from ecef_cli.tagging.pairs import DialogueTags, tag_sequence
from ecef_cli.tagging.sequence import SpeakerNames, read_for
from ecef_cli.workspace import checksum, content_key, read_json, replacing, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from ecef_cli.api.components import Tagger
    from ecef_cli.api.dialogue import Dialogue
    from ecef_cli.corpus.manifest import Prepared
    from ecef_cli.workspace import Workspace

_LAYOUT = 1  # raise when the file layout changes
_INDEX = "index.json"
_PAIR_ARRAYS = ("left", "right", "recurrence", "relations", "left_name", "right_name")


@dataclass(frozen=True, slots=True)
class TagCounts:
    """Counts of a split or dataset, each pair as in the window that ends at its later word.

    Attributes:
        dialogues: number of dialogues.
        content_words: content words; names of speakers do not count.
        pairs: pairs with a recurrence or a relation.
        recurrences: pairs of identical words.
        relations: pairs by relation.
    """

    dialogues: int
    content_words: int
    pairs: int
    recurrences: int
    relations: Mapping[str, int]

    def __add__(self, other: TagCounts) -> TagCounts:
        return TagCounts(
            self.dialogues + other.dialogues,
            self.content_words + other.content_words,
            self.pairs + other.pairs,
            self.recurrences + other.recurrences,
            {
                name: self.relations.get(name, 0) + other.relations.get(name, 0)
                for name in {**self.relations, **other.relations}
            },
        )


@dataclass(frozen=True)
class TagStore:
    """Stored tags; each split is read at its first use.

    Attributes:
        folder: the folder of the files.
        history: utterances in the longest supported window.
        counts: the counts of each split.
    """

    folder: Path
    history: int
    counts: Mapping[str, TagCounts]

    def dialogue(self, split: str, number: int) -> DialogueTags:
        """Return the tags of a dialogue, by its number in the split's manifest, from 0.

        Raises:
            DataError: the split's file is missing or corrupt.
            IndexError: the split has no such dialogue.
        """
        if split not in self._loaded:
            self._loaded[split] = _load(self.folder / f"{split}.safetensors")
        if not 0 <= number < self.counts[split].dialogues:
            raise IndexError(f"no dialogue {number} in {split}")
        return _slice(self._loaded[split], number, self.history)

    def total(self) -> TagCounts:
        """Return the counts of all splits together."""
        return sum(self.counts.values(), TagCounts(0, 0, 0, 0, {}))

    @cached_property
    def _loaded(self) -> dict[str, Mapping[str, npt.NDArray[Any]]]:
        return {}


def ensure_tags(
    workspace: Workspace,
    prepared: Prepared,
    *,
    name: str,
    tagger: Tagger,
    history: int,
    force: bool = False,
) -> TagStore:
    """Return the tags of a prepared dataset; make missing ones first. Reports to stderr.

    Args:
        workspace: where the dataset is.
        prepared: the dataset.
        name: the tagger's name.
        tagger: the tagger.
        history: utterances in the longest window to support.
        force: make all tags again.

    Raises:
        PluginError: the tagger violates its contract.
    """
    with calling(tagger, "decisive"):
        options = tagger.options.decisive()
    facts = {
        "tagger": name,
        "version": tagger.version,
        "options": options,
        "identity": identity(tagger),
        "history": history,
        "manifest": prepared.key,
        "rules": RULES,
        "layout": _LAYOUT,
    }
    every = workspace.dataset(prepared.name) / "tags"
    if not force:
        history = facts["history"] = _stored_history(every, facts)
    key = content_key(facts)
    folder = every / key
    stated = _stated(folder)
    force = force or stated is None
    counts: dict[str, TagCounts] = {}
    made: list[str] = []
    watch = console.Stopwatch()
    for split, dialogues in prepared.splits.items():
        path = folder / f"{split}.safetensors"
        kept = None if stated is None or force else _kept(path, stated.get(split))
        if kept is None:
            made.append(split)
            kept = _make(path, dialogues, tagger, history, f"tag {prepared.name} {split}")
        counts[split] = kept
    store = TagStore(folder, history, counts)
    if made or set(stated or ()) != set(counts):
        sums = {split: checksum(folder / f"{split}.safetensors") for split in counts}
        write_json(folder / _INDEX, {"facts": facts, "splits": sums})
    if made:
        rest = [split for split in counts if split not in made]
        before = f"; {', '.join(rest)} already tagged" if rest else ""
        console.note(
            f"{prepared.name}: tagged {', '.join(made)} in {watch.seconds:.1f} s, "
            f"{store.total().pairs:,} pairs in total{before}"
        )
    else:
        console.note(f"{prepared.name}: already tagged ({key}), nothing to do")
    return store


def _stored_history(every: Path, wanted: Mapping[str, Any]) -> int:
    """Return the history of stored tags to use: tags of longer windows contain the pairs of shorter ones."""
    found = [int(wanted["history"])]
    for path in every.glob(f"*/{_INDEX}"):
        try:
            facts = read_json(path)["facts"]
            if {**facts, "history": 0} == {**wanted, "history": 0} and facts["history"] > found[0]:
                found.append(int(facts["history"]))
        except (DataError, KeyError, TypeError):
            continue
    # Prefer an exact match, then the shortest that is long enough.
    return found[0] if (every / content_key(wanted)).is_dir() or len(found) == 1 else min(found[1:])


def _stated(folder: Path) -> dict[str, str] | None:
    """Return the checksum of each split's file: empty without an index, None if the index is corrupt."""
    if not (folder / _INDEX).exists():
        return {}
    try:
        sums = read_json(folder / _INDEX)["splits"]
        return {str(split): str(value) for split, value in sums.items()}
    except (DataError, KeyError, TypeError, AttributeError):
        console.warn(f"{folder / _INDEX} is corrupt; making the tags again")
        return None


def _kept(path: Path, stated: str | None) -> TagCounts | None:
    """Return the counts of a split's file, or None if it is missing or corrupt."""
    if not path.is_file():
        return None
    try:
        # A file without an index is complete: its command was stopped later.
        if stated is None or checksum(path) == stated:
            with safe_open(path, framework="numpy") as stored:
                return TagCounts(**json.loads(stored.metadata()["counts"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        pass
    console.warn(f"{path} is corrupt; making it again")
    return None


def _make(path: Path, dialogues: Sequence[Dialogue], tagger: Tagger, history: int, label: str) -> TagCounts:
    counts: Counter[str] = Counter()
    with calling(tagger, "relations"):
        names = tuple(tagger.relations)
    relations: Counter[str] = Counter(dict.fromkeys(names, 0))
    found: list[DialogueTags] = []
    with console.Progress(len(dialogues), label, "dialogues") as progress:
        for dialogue in dialogues:
            sequence = read_for(tagger, dialogue.utterances)
            tags = tag_sequence(sequence, tagger, history)
            seen = tags.seen()
            counts["content_words"] += int(sequence.counted(history).sum())
            counts["pairs"] += int(seen.sum())
            counts["recurrences"] += int(tags.recurrence[seen].sum())
            for bit, name in enumerate(names):
                relations[name] += int((tags.relations[seen] >> np.uint64(bit) & np.uint64(1)).sum())
            found.append(tags)
            progress.advance()
    total = TagCounts(
        dialogues=len(dialogues),
        content_words=counts["content_words"],
        pairs=counts["pairs"],
        recurrences=counts["recurrences"],
        relations=dict(relations),
    )
    with replacing(path) as part:
        save_file(_join(found), part, metadata={"counts": json.dumps(asdict(total))})
    return total


def _join(found: Sequence[DialogueTags]) -> dict[str, npt.NDArray[Any]]:
    """Concatenate the arrays of all dialogues, with offsets."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "pair_offsets": _offsets(len(tags.left) for tags in found),
        "bound_offsets": _offsets(len(tags.bounds) for tags in found),
        "name_offsets": _offsets(len(tags.speakers.names) for tags in found),
        "bounds": np.concatenate([tags.bounds for tags in found]),
        "name_bounds": np.concatenate([tags.speakers.bounds for tags in found]),
        "names": np.concatenate([tags.speakers.names for tags in found]),
    }
    for name in _PAIR_ARRAYS:
        arrays[name] = np.concatenate([getattr(tags, name) for tags in found])
    return arrays


def _offsets(lengths: Iterable[int]) -> npt.NDArray[np.int64]:
    return np.cumsum([0, *lengths], dtype=np.int64)


def _slice(arrays: Mapping[str, npt.NDArray[Any]], number: int, history: int) -> DialogueTags:
    pairs, bounds, names = (
        slice(*arrays[f"{kind}_offsets"][number : number + 2]) for kind in ("pair", "bound", "name")
    )
    return DialogueTags(
        bounds=arrays["bounds"][bounds],
        speakers=SpeakerNames(arrays["name_bounds"][bounds], arrays["names"][names]),
        history=history,
        **{name: arrays[name][pairs] for name in _PAIR_ARRAYS},
    )


def _load(path: Path) -> Mapping[str, npt.NDArray[Any]]:
    try:
        with safe_open(path, framework="numpy") as stored:
            return {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise DataError(f"the tags are corrupt: {error}", where=str(path), hint="run `ecef tag --force`") from None
