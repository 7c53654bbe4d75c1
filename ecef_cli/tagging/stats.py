"""Coverage of a dataset by a source of relations."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ecef_cli.tagging.pairs import RELATIONS_CAP
from ecef_cli.tagging.phrases import known_terms, word_terms
from ecef_cli.tagging.sequence import read_for

if TYPE_CHECKING:
    from ecef_cli.api.components import Tagger
    from ecef_cli.corpus.manifest import Prepared
    from ecef_cli.tagging.store import TagStore


def coverage(prepared: Prepared, store: TagStore, tagger: Tagger) -> dict[str, Any]:
    """Return the coverage of a tagged dataset.

    Returns:
        content_words: their number; speakers' names do not count.
        known_percent: share of these that the source knows, by lemma or as part of a multi-word term.
        distinct, distinct_known_percent: the same for distinct lemmas.
        pairs, recurrences, and each relation: as counted by `ecef tag`.
        M=1 … M=4: pairs by their entry in M, each pair once.
    """
    words: Counter[str] = Counter()
    in_phrase: Counter[str] = Counter()
    entries = np.zeros(RELATIONS_CAP + 2, dtype=np.int64)
    for split, dialogues in prepared.splits.items():
        for number, dialogue in enumerate(dialogues):
            sequence = read_for(tagger, dialogue.utterances)
            found = word_terms(sequence, tagger)
            for word in np.flatnonzero(sequence.counted(store.history)):
                group = found.kinds[found.kind[word]]
                words[found.terms[group[0]]] += 1
                in_phrase[found.terms[group[0]]] += len(group) > 1
            tags = store.dialogue(split, number)
            entries += np.bincount(tags.weights()[tags.seen()], minlength=len(entries))
    known = known_terms(tagger, list(words))
    covered = {word: count if word in known else in_phrase[word] for word, count in words.items()}
    total = store.total()
    return {
        "content_words": total.content_words,
        "known_percent": _percent(sum(covered.values()), total.content_words),
        "distinct": len(words),
        "distinct_known_percent": _percent(sum(count > 0 for count in covered.values()), len(words)),
        "pairs": total.pairs,
        "recurrences": total.recurrences,
        **total.relations,
        **{f"M={entry}": int(count) for entry, count in enumerate(entries) if entry},
    }


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0
