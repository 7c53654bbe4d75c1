"""Summarize a corpus for `dataset.json` and for the output of `prepare`."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from ecef_cli.workspace import SPLITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ecef_cli.api.components import Corpus, Dropped
    from ecef_cli.api.dialogue import Dialogue

_LACKING = {
    "train": "you cannot train on this dataset, only measure on its other splits",
    "dev": "you cannot train on this dataset, because dev decides when to stop",
    "test": "use `ecef eval --split dev`",
}
"""Consequence of an empty split."""

_RECORDING = re.compile("^recording .+?: ")
_SECONDS = re.compile(r"\d[\d.,]* s\b")
_EXAMPLES = 3
_REASONS = 8


def split_dialogues(corpus: Corpus) -> Iterator[tuple[str, Dialogue]]:
    """Yield every dialogue with its split."""
    for split, dialogues in corpus.splits.items():
        for dialogue in dialogues:
            yield split, dialogue


def summarize(corpus: Corpus, names: Mapping[Path, str], muted: Sequence[Dropped] = ()) -> dict[str, Any]:
    """Return the fields of `dataset.json` about a corpus, except its counts.

    Args:
        corpus: the corpus from a reader.
        names: short names to replace the paths of sources.
        muted: utterances that lost their recordings, with reasons.
    """

    def shortened(text: str) -> str:
        for path, label in names.items():
            text = text.replace(str(path), label)
        return text

    def stated(lost: Iterable[Dropped]) -> list[dict[str, Any]]:
        return [
            {
                "split": d.split,
                "item": d.item,
                "reason": shortened(d.reason),
                "where": shortened(d.where),
                **({"emotions": list(d.emotions)} if d.emotions else {}),
            }
            for d in lost
        ]

    singles = Counter(split for split, dialogue in split_dialogues(corpus) if len(dialogue.utterances) == 1)
    return {
        "dropped": stated(corpus.dropped),
        **({"muted": stated(muted)} if muted else {}),
        "repaired": dict(corpus.repaired),
        **({"remarks": [shortened(line) for line in corpus.remarks]} if corpus.remarks else {}),
        "duplicates": duplicates(corpus),
        "single_utterance": {split: singles[split] for split in SPLITS},
    }


def duplicates(corpus: Corpus) -> list[dict[str, list[str]]]:
    """Return the ids, by split, of dialogues of different splits with the same text.

    Ignores case, spacing, the shape of quotation marks, and speakers.
    """
    found: defaultdict[tuple[str, ...], defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for split, dialogue in split_dialogues(corpus):
        if any(texts := dialogue.wording):
            found[texts][split].append(dialogue.id)
    return [dict(splits) for splits in found.values() if len(splits) > 1]


def count_rows(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row per split with the numbers of dialogues, utterances and utterances of each emotion.

    If any utterance has a recording, a row also has the number of utterances with one.
    """
    rows = []
    for split, numbers in facts["counts"].items():
        row = {"split": split, "dialogues": numbers["dialogues"], "utterances": numbers["utterances"]}
        if any(n["unlabelled"] for n in facts["counts"].values()):
            row["unlabelled"] = numbers["unlabelled"]
        if "recordings" in numbers:
            row["recordings"] = numbers["recordings"]
        for label, number in numbers["emotions"].items():
            row[label if label not in row else f"emotion {label}"] = number
        rows.append(row)
    return rows


def remarks(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines about dropped rows, repairs and other remarks of a dataset."""
    yield from _reason_lines("dropped", facts["dropped"])
    yield from _reason_lines("left with text alone", facts.get("muted", ()))
    known = facts.get("recordings")
    if known:
        files = "1 file" if known["files"] == 1 else f"{known['files']:,} files"
        yield f"recordings: {files}, {known['seconds'] / 3600:,.2f} h in {known['utterances']:,} utterances"
    for kind, number in facts["repaired"].items():
        yield f"repaired: {kind}, in {number:,} utterance{'s' if number != 1 else ''}"
    yield from facts.get("remarks", ())
    for splits in facts["duplicates"][:_EXAMPLES]:
        # One id per split first: a common sentence may have hundreds of duplicates.
        ids = [found[0] for found in splits.values()] + [i for found in splits.values() for i in found[1:]]
        yield "the same dialogue in several splits: " + _shown(ids)
    if len(facts["duplicates"]) > _EXAMPLES:
        yield f"… and {len(facts['duplicates']) - _EXAMPLES:,} more of these; dataset.json lists all"
    singles = {split: number for split, number in facts["single_utterance"].items() if number}
    if singles:
        yield "dialogues with a single utterance: " + _listed(singles)
    unlabelled = {s: n["unlabelled"] for s, n in facts["counts"].items() if n["unlabelled"]}
    if unlabelled:
        yield "utterances without an emotion, used as context: " + _listed(unlabelled)


def warnings(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield problems that a dataset causes in training or evaluation."""
    counts = facts["counts"]
    for split in SPLITS:
        if not counts[split]["utterances"]:
            yield f"the {split} split is empty; {_LACKING[split]}"
        elif not counts[split].get("recordings", 1):
            yield f"no utterance of {split} has a recording, but other splits have recordings"
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for label in facts["labels"]:
        alike[label.strip().casefold()].append(label)
    for labels in alike.values():
        if len(labels) > 1:
            yield f"labels that differ only in case or spacing: {', '.join(map(repr, labels))}"


def _reason_lines(fate: str, lost: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Yield a line per kind of reason, the most frequent first, with the first locations."""
    kinds: defaultdict[str, list[Mapping[str, str]]] = defaultdict(list)
    for item in lost:
        kinds[_kind(item["reason"])].append(item)
    ranked = sorted(kinds.items(), key=lambda pair: -len(pair[1]))
    for kind, items in ranked[:_REASONS]:
        reasons = {item["reason"] for item in items}
        reason = reasons.pop() if len(reasons) == 1 else kind
        yield f"{fate} {len(items):,}: {reason} ({_shown([item['where'] or item['item'] for item in items])})"
    rest = sum(len(items) for _, items in ranked[_REASONS:])
    if rest:
        yield f"{fate} {rest:,} more for other reasons; dataset.json lists all"


def _kind(reason: str) -> str:
    """Return a reason without recording names and times, to group similar ones."""
    return _SECONDS.sub("… s", _RECORDING.sub("recording …: ", reason))


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:_EXAMPLES]) + (", …" if len(names) > _EXAMPLES else "")


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} in {split}" for split, number in numbers.items())
