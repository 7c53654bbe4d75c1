"""What is to be known about a corpus before anyone trains on it: what `prepare` writes down and says."""

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
    "train": "no run can be trained on the dataset, only measured on its other splits",
    "dev": "no run can be trained on the dataset, whose dev split says when to stop",
    "test": "`ecef eval` measures on it only with `--split dev`",
}
"""What cannot be done without a split."""

_RECORDING = re.compile("^recording .+?: ")
_SECONDS = re.compile(r"\d[\d.,]* s\b")
_EXAMPLES = 3
_REASONS = 8


def split_dialogues(corpus: Corpus) -> Iterator[tuple[str, Dialogue]]:
    """Yield every dialogue with the split it is in."""
    for split, dialogues in corpus.splits.items():
        for dialogue in dialogues:
            yield split, dialogue


def findings(corpus: Corpus, names: Mapping[Path, str], muted: Sequence[Dropped] = ()) -> dict[str, Any]:
    """Return what `dataset.json` says about a corpus besides its counts.

    Args:
        corpus: what a reader found.
        names: what each source is called, in place of its path.
        muted: the utterances that are left without their recordings, and why.
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
    """Return the ids, by split, of dialogues of different splits whose utterances read the same.

    Case, spacing and the shape of quotation marks make no difference; speakers make none either.
    """
    found: defaultdict[tuple[str, ...], defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for split, dialogue in split_dialogues(corpus):
        if any(texts := dialogue.wording):
            found[texts][split].append(dialogue.id)
    return [dict(splits) for splits in found.values() if len(splits) > 1]


def count_rows(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each split: the numbers of dialogues, of utterances, and of those of each emotion.

    Where any utterance has a recording, the number of those that have one is there too.
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
    """Yield, line by line, what was dropped and repaired and what is odd about a dataset."""
    yield from _reason_lines("dropped", facts["dropped"])
    yield from _reason_lines("left with text alone", facts.get("muted", ()))
    known = facts.get("recordings")
    if known:
        files = "1 file" if known["files"] == 1 else f"{known['files']:,} files"
        yield f"recordings: {files}, {known['seconds'] / 3600:,.2f} h in {known['utterances']:,} utterances"
    for what, number in facts["repaired"].items():
        yield f"repaired: {what}, in {number:,} utterance{'s' if number != 1 else ''}"
    yield from facts.get("remarks", ())
    for splits in facts["duplicates"][:_EXAMPLES]:
        # One of each split comes first; a sentence that is said in every dialogue may stand for hundreds.
        ids = [found[0] for found in splits.values()] + [i for found in splits.values() for i in found[1:]]
        yield "the same dialogue in several splits: " + _shown(ids)
    if len(facts["duplicates"]) > _EXAMPLES:
        yield f"… and {len(facts['duplicates']) - _EXAMPLES:,} more of these; dataset.json lists all"
    singles = {split: number for split, number in facts["single_utterance"].items() if number}
    if singles:
        yield "dialogues of a single utterance: " + _listed(singles)
    unlabelled = {s: n["unlabelled"] for s, n in facts["counts"].items() if n["unlabelled"]}
    if unlabelled:
        yield "utterances without an emotion, which are context alone: " + _listed(unlabelled)


def warnings(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what will trouble training or evaluation on a dataset."""
    counts = facts["counts"]
    for split in SPLITS:
        if not counts[split]["utterances"]:
            yield f"nothing is in {split}: {_LACKING[split]}"
        elif not counts[split].get("recordings", 1):
            yield f"no utterance of {split} has a recording, and those of other splits have"
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for label in facts["labels"]:
        alike[label.strip().casefold()].append(label)
    for labels in alike.values():
        if len(labels) > 1:
            yield f"labels that look like one: {', '.join(map(repr, labels))}"


def _reason_lines(fate: str, lost: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Yield a line for each kind of reason, the most frequent first, with the first places."""
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
    """Return a reason without what is its own alone: the name of its recording, and times."""
    return _SECONDS.sub("… s", _RECORDING.sub("recording …: ", reason))


def _shown(places: Sequence[str]) -> str:
    return ", ".join(places[:_EXAMPLES]) + (", …" if len(places) > _EXAMPLES else "")


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} in {split}" for split, number in numbers.items())
