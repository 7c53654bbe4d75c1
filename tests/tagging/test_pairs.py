"""Tagged pairs: what M is, out of a whole dialogue, window by window, and by hand."""

from __future__ import annotations

import random
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from narrow import instance

from ecef_cli.api.components import Tagger
from ecef_cli.api.dialogue import Utterance, words
from ecef_cli.api.errors import PluginError
from ecef_cli.recipe.model import build_component
from ecef_cli.tagging import pairs
from ecef_cli.tagging.content import content_word
from ecef_cli.tagging.pairs import DialogueTags, tag_utterances
from ecef_conceptnet.tagger import ConceptNetTagger

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

RELATIONS = ["IsA", "HasContext", "Causes", "MannerOf", "Synonym", "RelatedTo", "DerivedFrom"]
WORDS = [
    "the",
    "a",
    "I",
    "don't",
    "kangaroo",
    "kangaroos",
    "kangaroo's",
    "marsupial",
    "wallaby",
    "dog",
    "dogs",
    "animal",
    "canine",
    "surprise",
    "shock",
    "change",
    "kill",
    "die",
    "feed",
    "eat",
    "Ross",
    "Rachel",
    "Bing",
    "music",
    "sing",
    "song",
    "art",
    "asleep",
    "sleep",
    "tired",
    "42",
    "oh",
    "!",
    ",",
    "scene",
    "picture",
    "like",
    "love",
]
SPEAKERS = ["Ross", "Rachel", "Chandler Bing", "Dog", "Kangaroo Man"]


def utterance(text: str, speaker: str = "Ann") -> Utterance:
    return Utterance(text=text, speaker=speaker, dialogue="d", utterance=1)


def tagger(*relations: str) -> Tagger:
    options = {"relations": list(relations)} if relations else {}
    return instance(Tagger, build_component("tagger", "conceptnet", options))


@pytest.fixture(scope="module")
def many() -> Tagger:
    return tagger(*RELATIONS)


def conversation(seed: int, length: int) -> list[Utterance]:
    chance = random.Random(seed)
    return [
        utterance(" ".join(chance.choices(WORDS, k=chance.randrange(12))), chance.choice(SPEAKERS))
        for _ in range(length)
    ]


def by_hand(utterances: list[Utterance], source: Tagger, relations: list[str]) -> npt.NDArray[np.int64]:
    """M of a window, one pair after another, out of the definition."""
    names = {part.text.casefold() for u in utterances for part in words(u.speaker)}
    found = []
    for u in utterances:
        found += [None, *(content_word(w.text) for w in words(u.text))]
    size = len(found)
    matrix = np.zeros((size, size), dtype=int)
    for i, a in enumerate(found):
        for j, b in enumerate(found):
            if i == j or a is None or b is None or a.key in names or b.key in names:
                continue
            if a.key == b.key:
                matrix[i, j] += 1
            if a.lemma != b.lemma:
                held = int(source.relate([a.lemma, b.lemma])[0, 1])
                matrix[i, j] += min(sum(held >> r & 1 for r in range(len(relations))), 3)
    return matrix


@pytest.mark.parametrize("seed", range(12))
def test_a_window_out_of_a_dialogue_is_the_window_tagged_alone_and_by_hand(seed: int, many: Tagger) -> None:
    history = 1 + seed % 5
    dialogue = conversation(seed, 9)
    tags = tag_utterances(dialogue, many, history)
    for last in range(len(dialogue)):
        for first in range(max(0, last - history + 1), last + 1):
            window = dialogue[first : last + 1]
            alone = tag_utterances(window, many, None)
            matrix = tags.matrix(first, last)
            np.testing.assert_array_equal(matrix, alone.matrix(0, last - first))
            np.testing.assert_array_equal(matrix, by_hand(window, many, RELATIONS))
            sums = tags.importance(first, last)
            assert sums.dtype == np.float32
            np.testing.assert_array_equal(sums, matrix.sum(axis=1))


@pytest.mark.parametrize("seed", range(12))
def test_nothing_said_later_changes_a_window(seed: int, many: Tagger) -> None:
    dialogue, other = conversation(seed, 10), conversation(seed + 100, 10)
    for last in range(9):
        first = max(0, last - 3)
        before = tag_utterances(dialogue, many, 4).importance(first, last)
        after = tag_utterances(dialogue[: last + 1] + other[last + 1 :], many, 4).importance(first, last)
        assert before.tobytes() == after.tobytes()


def test_the_corpus_gives_relations_recurrences_and_names_to_test_with(many: Tagger) -> None:
    tags = [tag_utterances(conversation(seed, 10), many, 4) for seed in range(12)]
    assert sum(int(t.recurrence.sum()) for t in tags) > 100
    assert sum(int((t.relations > 0).sum()) for t in tags) > 100
    assert sum(int((~t.seen()).sum()) for t in tags) > 20


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch, many: Tagger) -> None:
    dialogue = conversation(5, 60)
    whole = tag_utterances(dialogue, many, 6)
    monkeypatch.setattr(pairs, "_BLOCK_PAIRS", 50)
    monkeypatch.setattr(pairs, "_BLOCK_WORDS", 7)
    monkeypatch.setattr(pairs, "_VOCABULARY", 3)
    blocks = tag_utterances(dialogue, many, 6)
    for name in ("left", "right", "recurrence", "relations", "left_name", "right_name"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(blocks, name))
        assert getattr(whole, name).dtype == getattr(blocks, name).dtype


def test_the_matrix_is_symmetric_with_a_zero_diagonal(many: Tagger) -> None:
    matrix = tag_utterances(conversation(3, 8), many, None).matrix(0, 7)
    assert matrix.any()
    np.testing.assert_array_equal(matrix, matrix.T)
    assert not matrix.diagonal().any()


def test_function_words_and_speaker_positions_have_empty_rows() -> None:
    tags = tag_utterances([utterance("the kangaroo and the kangaroo")], tagger(), 1)
    assert tags.importance(0, 0).tolist() == [0, 0, 1, 0, 0, 1]


def test_relations_between_forms_of_one_lemma_do_not_count() -> None:
    tags = tag_utterances([utterance("kangaroo kangaroos")], tagger(*RELATIONS), 1)
    assert not tags.matrix(0, 0).any()


def test_relations_add_up_to_three_at_most() -> None:
    class Everything(Tagger):
        relations = tuple("abcdef")

        def available(self) -> dict[str, int]:
            return {}

        def relate(self, lemmas: Sequence[str]) -> npt.NDArray[np.uint64]:
            masks = np.full((len(lemmas), len(lemmas)), 0b101111, dtype=np.uint64)
            np.fill_diagonal(masks, 0)
            return masks

    tags = tag_utterances([utterance("kangaroo marsupial")], Everything(Everything.Options()), 1)
    assert tags.matrix(0, 0)[1, 2] == 3


def test_a_speakers_name_does_not_count_where_the_speaker_speaks() -> None:
    dialogue = [
        utterance("Ross! Ross!", "Rachel"),
        utterance("kangaroo", "Ross"),
        utterance("Ross, Ross", "Ann"),
    ]
    tags = tag_utterances(dialogue, tagger(), 2)
    assert tags.matrix(0, 0).sum() == 2
    assert tags.matrix(0, 1).sum() == 0
    assert tags.matrix(1, 2).sum() == 0
    assert tags.matrix(2, 2).sum() == 2


def test_a_window_longer_than_the_history_is_refused() -> None:
    tags = tag_utterances([utterance("kangaroo")] * 4, tagger(), 3)
    tags.importance(1, 3)
    with pytest.raises(ValueError, match="history of 3"):
        tags.importance(0, 3)


@pytest.mark.parametrize(("first", "last"), [(-1, 0), (0, 4), (2, 1)])
def test_a_window_outside_the_dialogue_is_refused(first: int, last: int) -> None:
    with pytest.raises(IndexError):
        tag_utterances([utterance("kangaroo")] * 4, tagger(), None).importance(first, last)


@pytest.mark.parametrize("texts", [[""], ["", ""], ["the of !"], ["kangaroo", ""]])
def test_dialogues_without_pairs_have_no_importance(texts: list[str]) -> None:
    dialogue = [utterance(text) for text in texts]
    last = len(dialogue) - 1
    sums = tag_utterances(dialogue, tagger(), 8).importance(0, last)
    assert len(sums) == sum(1 + len(words(text)) for text in texts)
    assert not sums.any()


def test_a_tagger_that_breaks_its_contract_is_named() -> None:
    class Lopsided(ConceptNetTagger):
        def relate(self, lemmas: Sequence[str]) -> npt.NDArray[np.uint64]:
            return np.triu(np.ones((len(lemmas), len(lemmas)), dtype=np.uint64), 1)

    with pytest.raises(PluginError, match="Lopsided"):
        tag_utterances([utterance("kangaroo marsupial")], Lopsided(instance(ConceptNetTagger, tagger()).options), 1)


def test_memory_stays_flat_for_a_dialogue_of_ten_thousand_utterances() -> None:
    short = [replace(u, utterance=i) for i, u in enumerate(conversation(1, 500))]
    long = short * 20
    source = tagger()
    tag_utterances(short, source, 8)

    def peak(dialogue: list[Utterance]) -> tuple[int, DialogueTags]:
        tracemalloc.start()
        tags = tag_utterances(dialogue, source, 8)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest, tags

    highest, tags = peak(long)
    assert highest < 100e6
    assert tags.importance(9_992, 9_999).any()
