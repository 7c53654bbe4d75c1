"""Pairs tagged a second: the tagger's tables against one dictionary look-up after another, in one run.

    python tests/benchmarks/bench_tagging.py [--utterances N] [--history N] [--meld train_sent_emo.csv]

Without `--meld`, dialogues are made of words of the lexicon, drawn by Zipf's law. Prints the rates and their
ratio, and checks that both ways find the same pairs.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np

from ecef_cli.api.components import Tagger
from ecef_cli.api.dialogue import Utterance
from ecef_cli.recipe.model import build_component
from ecef_cli.tagging.pairs import tag_sequence
from ecef_cli.tagging.sequence import ContentSequence, read_sequence
from ecef_conceptnet.lexicon import load_lexicon


def synthetic(count: int) -> list[Utterance]:
    """Return utterances of ten words of the lexicon each."""
    chance = np.random.default_rng(1)
    words = chance.permutation(load_lexicon().words)
    rank = (chance.zipf(1.3, size=(count, 10)) - 1) % len(words)
    return [
        Utterance(text=" ".join(words[row]), speaker="AB"[i % 2], dialogue="d", utterance=i)
        for i, row in enumerate(rank)
    ]


def meld(path: Path) -> list[list[Utterance]]:
    """Return MELD's dialogues."""
    dialogues: dict[str, list[Utterance]] = {}
    with path.open(encoding="utf-8", errors="replace", newline="") as stream:
        for row in csv.DictReader(stream):
            utterance = Utterance(row["Utterance"], row["Speaker"], row["Dialogue_ID"], row["Utterance_ID"])
            dialogues.setdefault(utterance.dialogue, []).append(utterance)
    return list(dialogues.values())


def edges(tagger: Tagger) -> dict[tuple[str, str], int]:
    """Return the relations of each pair of words, in both orders."""
    lexicon = load_lexicon()
    found = lexicon.neighbours(tagger.relations)
    heads = np.repeat(np.arange(len(lexicon.words)), np.diff(found.start))
    return {
        (lexicon.words[h], lexicon.words[t]): int(m) for h, t, m in zip(heads, found.other, found.mask, strict=True)
    }


def one_by_one(sequence: ContentSequence, known: dict[tuple[str, str], int], history: int) -> tuple[int, int]:
    """Return how many pairs were looked at and how many got a tag."""
    lemmas = [sequence.lemmas[i] for i in sequence.lemma]
    keys, utterances = sequence.key.tolist(), sequence.utterance.tolist()
    looked_at = tagged = start = 0
    for later, lemma in enumerate(lemmas):
        while utterances[later] - utterances[start] >= history:
            start += 1
        for earlier in range(start, later):
            looked_at += 1
            if keys[earlier] == keys[later] or known.get((lemmas[earlier], lemma), 0):
                tagged += 1
    return looked_at, tagged


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--utterances", type=int, default=4000)
    parser.add_argument("--history", type=int, default=8)
    parser.add_argument("--meld", type=Path)
    options = parser.parse_args()
    tagger = build_component("tagger", "conceptnet", {})
    assert isinstance(tagger, Tagger)
    dialogues = meld(options.meld) if options.meld else [synthetic(options.utterances)]
    tagger.relate(["dog", "canine"])  # loads the lexicon
    known = edges(tagger)

    start = time.perf_counter()
    sequences = [read_sequence(d) for d in dialogues]
    reading = time.perf_counter() - start

    start = time.perf_counter()
    tags = [tag_sequence(s, tagger, options.history) for s in sequences]
    tables = time.perf_counter() - start

    start = time.perf_counter()
    counts = np.array([one_by_one(s, known, options.history) for s in sequences]).sum(axis=0)
    loop = time.perf_counter() - start

    looked_at, tagged = map(int, counts)
    if tagged != sum(len(t.left) for t in tags):
        raise SystemExit("the two ways find different pairs")
    words = sum(len(s.position) for s in sequences)
    print(f"{len(dialogues):,} dialogues, {words:,} content words, {looked_at:,} pairs, {tagged:,} tagged")
    print(f"content words found   {words / reading:14,.0f} words/s")
    print(f"tables                {looked_at / tables:14,.0f} pairs/s")
    print(f"one look-up a pair    {looked_at / loop:14,.0f} pairs/s")
    print(f"ratio                 {loop / tables:14.1f}")


if __name__ == "__main__":
    main()
