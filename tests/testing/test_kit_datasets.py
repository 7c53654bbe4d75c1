"""The kit for readers of corpora: right ones pass, and each way to be wrong is found and named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ecef_cli.api.components import Corpus, Dataset, Dropped, Options
from ecef_cli.api.dialogue import Dialogue, Utterance
from ecef_cli.api.errors import DataError
from ecef_cli.testing import check_dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def utterance(number: int = 1, **changes: Any) -> Utterance:
    return replace(Utterance("hello", "Ann", "d", number, emotion="joy"), **changes)


def corpus(*utterances: Utterance, **changes: Any) -> Corpus:
    said = utterances or (utterance(1), utterance(2, text="hi", speaker="Bo", emotion=None))
    return replace(Corpus(("joy", "anger"), {"train": (Dialogue("d", said),)}, (Path(__file__),)), **changes)


def reader(*found: Any) -> Dataset:
    results = list(found)

    class Reader(Dataset):
        def read(self, sources: Sequence[Path]) -> Corpus:
            result: Corpus = results.pop(0) if len(results) > 1 else results[0]
            return result

    return Reader(Options())


def test_a_right_reader_passes_and_gives_the_corpus_back(tmp_path: Path) -> None:
    whole = corpus(utterance(audio=tmp_path / "a.wav", start=0.5, end=2.0))
    assert check_dataset(reader(whole), []) is whole


def test_the_built_in_reader_passes_on_a_dialogue_file(tmp_path: Path) -> None:
    from ecef_cli.recipe.model import build_component

    (tmp_path / "train.jsonl").write_text(
        '{"dialogue": "a", "speaker": "Ann", "text": "hello", "emotion": "joy", "mine": 1}\n'
        '{"dialogue": "a", "speaker": "Bo", "text": "go away", "emotion": "anger"}\n',
        encoding="utf-8",
    )
    found = build_component("dataset", "jsonl", {})
    assert isinstance(found, Dataset)
    assert set(check_dataset(found, [tmp_path]).labels) == {"joy", "anger"}


class Compared(Dataset):
    """Reads what it is made with, and compares it in a way of its own."""

    def __init__(self, whole: Corpus, tell: Callable[[Corpus], Any]) -> None:
        super().__init__(Options())
        self._whole, self._tell = whole, tell

    def read(self, sources: Sequence[Path]) -> Corpus:
        return self._whole

    def published(self, whole: Corpus) -> Any:
        return self._tell(whole)


@pytest.mark.parametrize(
    ("tell", "sentence"),
    [
        (lambda _: "a line", "must return a tuple of lines"),
        (lambda _: (1,), "must return a tuple of lines"),
        (
            lambda whole: tuple(path.name for path in whole.sources),
            "returns different lines for the corpus",
        ),
        (lambda whole: tuple(str(lost.error) for lost in whole.dropped), "returns different lines for the corpus"),
    ],
)
def test_a_comparison_that_does_not_work_on_a_prepared_dataset_is_found(
    tell: Callable[[Corpus], Any], sentence: str
) -> None:
    lost = Dropped("train", "d/3", "no text", "x:3", DataError("no text"))
    with pytest.raises(AssertionError, match=sentence):
        check_dataset(Compared(corpus(dropped=(lost,)), tell), [])


def test_a_comparison_of_counts_passes_and_sees_the_same_of_a_prepared_dataset() -> None:
    seen: list[tuple[object, ...]] = []

    def tell(whole: Corpus) -> tuple[str, ...]:
        said = [(u.emotion, u.row.get("raw")) for ds in whole.splits.values() for d in ds for u in d.utterances]
        seen.append((whole.labels, said, [(d.reason, d.emotions) for d in whole.dropped]))
        return ("1 for 2",)

    left = Dropped("test", "e", "the same as another", "x:9", emotions=("joy", None))
    check_dataset(Compared(corpus(utterance(row={"raw": 7}), dropped=(left,)), tell), [])
    assert len(seen) == 2
    assert seen[0] == seen[1] == (("joy", "anger"), [("joy", 7)], [("the same as another", ("joy", None))])


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ([None], "must return a Corpus"),
        ([corpus(), corpus(utterance())], "different corpus the second time"),
        ([corpus(labels=())], "is not among the labels"),
        ([corpus(labels=("joy", "joy"))], "duplicate labels"),
        ([corpus(sources=())], "sources must list the files read"),
        ([corpus(sources=(Path("missing"),))], "sources must list the files read"),
        ([corpus(splits={"validation": ()})], "splits must be train, dev, test, not validation"),
        ([corpus(splits={"train": ()})], "finds no dialogue"),
        ([corpus(splits={"train": (Dialogue("d", (utterance(),)),) * 2})], "duplicate dialogue id"),
        ([corpus(splits={"train": (Dialogue("d", ()),)})], "dialogue d is empty"),
        ([corpus(utterance(1), utterance(1))], "duplicate utterance id"),
        ([corpus(utterance(dialogue="e"))], "its dialogue is 'e'"),
        ([corpus(utterance(emotion="bliss"))], "the emotion 'bliss' is not among the labels"),
        ([corpus(utterance(text=" "))], "d, utterance 1: 'text' is empty and 'audio' is missing"),
        (
            [corpus(utterance(speaker=3))],
            "d, utterance 1: 'speaker' is 3, but '3' after writing and reading a manifest",
        ),
        ([corpus(utterance(start=3.0, end=2.0))], "'end' .2 s. is not after 'start' .3 s."),
        ([corpus(repaired={"dash": 0})], "map repairs to their number"),
    ],
)
def test_a_wrong_reader_is_found(found: list[Any], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_dataset(reader(*found), [])
