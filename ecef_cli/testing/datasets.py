"""Does a reader of a corpus keep its contract?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli.checking.restoring import restored_corpus
from ecef_cli.components import Corpus
from ecef_cli.dialogue import Utterance, parse_row, read_utterances, to_json, to_row
from ecef_cli.findings import findings
from ecef_cli.manifest import manifest_texts
from ecef_cli.testing.requirements import check_identity, require
from ecef_cli.workspace import SPLITS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ecef_cli.components import Dataset
    from ecef_cli.dialogue import Dialogue


def check_dataset(dataset: Dataset, sources: Sequence[Path]) -> Corpus:
    """Check a reader on a corpus.

    Args:
        dataset: the reader.
        sources: files or folders that hold a corpus, or a small part of one.

    Returns:
        What the reader found, for further checks.

    Raises:
        AssertionError: it does not keep its contract.
    """
    check_identity(dataset)
    corpus = dataset.read(sources)
    require(isinstance(corpus, Corpus), "read() must return a Corpus")
    require(corpus == dataset.read(sources), "read() gives something else the second time")
    require(corpus.labels, "labels is empty")
    require(len(set(corpus.labels)) == len(corpus.labels), "a label stands twice in labels")
    require(corpus.sources and all(p.is_file() for p in corpus.sources), "sources must list the files read")
    odd = [split for split in corpus.splits if split not in SPLITS]
    require(not odd, f"splits must be {', '.join(SPLITS)}, not {', '.join(odd)}")
    require(any(corpus.splits.values()), "no dialogue was found")
    for split, dialogues in corpus.splits.items():
        names = [dialogue.id for dialogue in dialogues]
        require(len(set(names)) == len(names), f"{split}: two dialogues have the same id")
        for dialogue in dialogues:
            _check_dialogue(dialogue, corpus.labels)
    for dropped in corpus.dropped:
        require(dropped.reason and dropped.where, f"{dropped.item} was dropped without a reason or a place")
    require(
        all(isinstance(n, int) and n > 0 for n in corpus.repaired.values()),
        "repaired must map what was mended to how often",
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
    facts = {"labels": list(corpus.labels), **findings(corpus, {})}
    require(
        dataset.published(restored_corpus(facts, rows)) == told,
        "published() tells something else of the corpus when it is made of its manifests and dataset.json",
    )


def _check_dialogue(dialogue: Dialogue, labels: tuple[str, ...]) -> None:
    require(dialogue.utterances, f"dialogue {dialogue.id} is empty")
    ids = [utterance.utterance for utterance in dialogue.utterances]
    require(len(set(ids)) == len(ids), f"dialogue {dialogue.id}: two utterances have the same id")
    for utterance in dialogue.utterances:
        _check_utterance(utterance, dialogue.id, labels)


def _check_utterance(utterance: Utterance, dialogue: str, labels: tuple[str, ...]) -> None:
    label = f"dialogue {dialogue}, utterance {utterance.utterance}"
    require(utterance.dialogue == dialogue, f"{label}: says that it belongs to {utterance.dialogue!r}")
    require(
        utterance.emotion is None or utterance.emotion in labels,
        f"{label}: the emotion {utterance.emotion!r} is not among the labels",
    )
    require(utterance.text.strip() or utterance.audio, f"{label}: has neither text nor audio")
    line = to_json(to_row(utterance))
    again = parse_row(line, where=label, dialogue=dialogue, number=-1)
    require(again == utterance, f"{label}: is another when it is written to a manifest and read again")
