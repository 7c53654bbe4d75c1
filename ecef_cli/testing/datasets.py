"""Check the contract of a dataset reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli.api.dialogue import Utterance, read_utterances
from ecef_cli.corpus.checks.contract import contract_violation
from ecef_cli.corpus.checks.restoring import restored_corpus
from ecef_cli.corpus.manifest import manifest_texts
from ecef_cli.corpus.summary import summarize
from ecef_cli.testing.requirements import check_identity, require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ecef_cli.api.components import Corpus, Dataset


def check_dataset(dataset: Dataset, sources: Sequence[Path]) -> Corpus:
    """Check a reader on a corpus.

    Args:
        dataset: the reader.
        sources: files or folders of a corpus, or of a small part of one.

    Returns:
        The corpus, for further checks.

    Raises:
        AssertionError: the reader breaks its contract.
    """
    check_identity(dataset)
    corpus = dataset.read(sources)
    broken = contract_violation(corpus)
    require(broken is None, f"read(): {broken}")
    require(corpus == dataset.read(sources), "read() returns a different corpus the second time")
    require(corpus.sources and all(p.is_file() for p in corpus.sources), "sources must list the files read")
    require(any(corpus.splits.values()), "read() finds no dialogue")
    for dropped in corpus.dropped:
        require(dropped.reason and dropped.where, f"{dropped.item} was dropped without a reason or a place")
    require(
        all(isinstance(n, int) and n > 0 for n in corpus.repaired.values()),
        "repaired must map repairs to their number",
    )
    _check_published(dataset, corpus)
    return corpus


def _check_published(dataset: Dataset, corpus: Corpus) -> None:
    told = dataset.published(corpus)
    require(
        told is None or (isinstance(told, tuple) and all(isinstance(line, str) for line in told)),
        "published() must return a tuple of lines, or None",
    )
    manifests = {split: text.encode().split(b"\n") for split, text in manifest_texts(corpus).items()}
    rows = {
        split: [u for u in read_utterances(lines, name=split, dialogue=split) if isinstance(u, Utterance)]
        for split, lines in manifests.items()
    }
    facts = {"labels": list(corpus.labels), **summarize(corpus, {})}
    require(
        dataset.published(restored_corpus(facts, rows)) == told,
        "published() returns different lines for the corpus restored from its manifests and dataset.json",
    )
