"""Terms of several words: which words they relate, and that windows agree with whole dialogues."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from narrow import instance

from ecef_cli.api.components import Edge, Options, Tagger
from ecef_cli.api.dialogue import Utterance
from ecef_cli.recipe.model import build_component
from ecef_cli.tagging import pairs
from ecef_cli.tagging.pairs import tag_utterances
from ecef_cli.tagging.phrases import word_terms
from ecef_cli.tagging.sequence import read_sequence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from ecef_cli.tagging.pairs import DialogueTags

EDGES = [
    ("fall_asleep", "dream"),
    ("ice_cream", "summer"),
    ("ice_cream", "cream"),
    ("ice_cream", "cream_cake"),
    ("dog", "animal"),
    ("hot_dog", "food"),
    ("hot_dog", "dog"),
    ("hot_dog_stand", "summer"),
    ("by_the_way", "dream"),
    ("new_york", "city"),
    ("kick_the_bucket", "die"),
    ("ice", "cold"),
    ("stand", "dog"),
]


class Few(Tagger):
    """Knows a handful of terms."""

    def __init__(self, longest: int) -> None:
        super().__init__(Options())
        self._longest = longest

    @property
    def relations(self) -> tuple[str, ...]:
        return ("IsA",)

    @property
    def longest_term(self) -> int:
        return self._longest

    def available(self) -> Mapping[str, int]:
        return {"IsA": len(EDGES)}

    def known(self, terms: Sequence[str]) -> npt.NDArray[np.bool_]:
        every = {term for edge in EDGES for term in edge}
        return np.array([term in every for term in terms], dtype=np.bool_)

    def relate(self, lemmas: Sequence[str]) -> npt.NDArray[np.uint64]:
        assert len(set(lemmas)) == len(lemmas)
        every = {*EDGES, *((b, a) for a, b in EDGES)}
        return np.array([[(a, b) in every for b in lemmas] for a in lemmas], dtype=np.uint64).reshape(
            len(lemmas), len(lemmas)
        )

    def edges(self, first: str, second: str) -> tuple[Edge, ...]:
        return tuple(Edge("IsA", a, b, 1.0, "by hand") for a, b in EDGES if {a, b} == {first, second})


def said(*texts: str) -> list[Utterance]:
    return [Utterance(text, "AB"[n % 2], "d", n) for n, text in enumerate(texts)]


def related(longest: int, *texts: str, history: int | None = None) -> set[tuple[str, str]]:
    utterances = said(*texts)
    tags = tag_utterances(utterances, Few(longest), history)
    sequence = read_sequence(utterances)
    text = dict(zip(sequence.position.tolist(), sequence.texts, strict=True))
    found = zip(tags.left.tolist(), tags.right.tolist(), tags.relations, strict=True)
    return {(text[left], text[right]) for left, right, mask in found if mask}


def test_a_term_of_several_words_relates_each_of_its_content_words() -> None:
    texts = ("I fell asleep.", "What a dream!")
    assert related(1, *texts) == set()
    assert related(2, *texts) == {("fell", "dream"), ("asleep", "dream")}


def test_function_words_are_part_of_a_term_and_get_no_tag() -> None:
    assert related(3, "By the way.", "A dream") == {("way", "dream")}
    assert related(2, "By the way.", "A dream") == set()


def test_a_term_is_found_as_it_was_said_and_in_base_forms() -> None:
    assert related(2, "New York", "city") == {("New", "city"), ("York", "city")}
    assert related(3, "He kicked the bucket", "died") == {("kicked", "died"), ("bucket", "died")}


@pytest.mark.parametrize("text", ["I fell. Asleep", "fell, asleep", "fell very asleep", "asleep fell"])
def test_a_term_goes_past_no_punctuation_and_no_other_word(text: str) -> None:
    assert related(3, text, "A dream") == set()


def test_a_term_does_not_go_past_an_utterance() -> None:
    assert related(2, "I fell", "asleep", "dream") == set()


def test_words_of_one_term_are_not_related_by_it() -> None:
    assert related(2, "ice cream") == set()
    assert related(2, "hot dog") == set(), "hot_dog and dog stand in one term"
    assert related(3, "hot dog stand") == {("dog", "stand")}, "what single words say of each other stays"


def test_forms_of_one_word_are_never_related() -> None:
    assert related(2, "ice cream", "cream") == {("ice", "cream")}


def test_terms_that_overlap_relate_words_that_share_none() -> None:
    assert related(2, "ice cream cake") == {("ice", "cake")}


def test_single_words_stay_related_inside_and_outside_of_terms() -> None:
    assert related(2, "ice cream", "cold", "dog", "animal") == {("ice", "cold"), ("dog", "animal")}
    assert related(2, "hot dog", "animal") == {("dog", "animal")}


def test_two_occurrences_of_a_term_are_not_related() -> None:
    assert related(2, "fell asleep", "fall asleep") == set()


def test_a_history_parts_terms_too() -> None:
    assert related(2, "fell asleep", "oh", "dream", history=2) == set()
    assert related(2, "fell asleep", "dream", history=2) == {("fell", "dream"), ("asleep", "dream")}


VOCABULARY = [
    *("ice", "cream", "cake", "hot", "dog", "stand", "fell", "asleep", "by", "the", "way", "dream"),
    *("summer", "New", "York", "city", "food", ",", "cold", "animal"),
]


def random_dialogue(seed: int) -> list[Utterance]:
    chance = random.Random(seed)
    texts = [" ".join(chance.choices(VOCABULARY, k=chance.randrange(8))) for _ in range(12)]
    return [Utterance(t or "!", chance.choice(["Ann", "Dog", "York Hot"]), "d", n) for n, t in enumerate(texts)]


def by_hand(utterances: list[Utterance], longest: int) -> dict[tuple[int, int], int]:
    """Return the relations of each pair of words, one pair after the other."""
    sequence = read_sequence(utterances, longest)
    tagger, terms = Few(longest), word_terms(sequence, Few(longest))
    return {
        (int(sequence.position[i]), int(sequence.position[j])): 1
        for j in range(len(sequence.position))
        for i in range(j)
        if any(tagger.edges(*names) for names in terms.between(i, j))
    }


def relations_of(tags: DialogueTags) -> dict[tuple[int, int], int]:
    found = zip(tags.left.tolist(), tags.right.tolist(), tags.relations.tolist(), strict=True)
    return {(left, right): mask for left, right, mask in found if mask}


@pytest.mark.parametrize("seed", range(10))
def test_tables_agree_with_pairs_one_by_one(seed: int) -> None:
    utterances = random_dialogue(seed)
    assert relations_of(tag_utterances(utterances, Few(3), None)) == by_hand(utterances, 3)


@pytest.mark.parametrize("seed", range(5))
def test_blocks_of_any_size_give_the_same_tags(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    utterances = random_dialogue(seed)
    whole = relations_of(tag_utterances(utterances, Few(3), 4))
    monkeypatch.setattr(pairs, "_BLOCK_WORDS", 3)
    monkeypatch.setattr(pairs, "_VOCABULARY", 0)
    assert relations_of(tag_utterances(utterances, Few(3), 4)) == whole


@pytest.mark.parametrize("seed", range(5))
def test_a_window_out_of_a_dialogue_equals_the_window_by_itself(seed: int) -> None:
    utterances = random_dialogue(seed)
    tags = tag_utterances(utterances, Few(3), 4)
    for last in range(len(utterances)):
        first = max(0, last - 3)
        alone = tag_utterances(utterances[first : last + 1], Few(3), None)
        np.testing.assert_array_equal(tags.matrix(first, last), alone.matrix(0, last - first))


def test_with_single_words_nothing_changes() -> None:
    lexicon = instance(Tagger, build_component("tagger", "conceptnet", {}))
    longer = instance(Tagger, build_component("tagger", "conceptnet", {"longest_term": 3}))
    for seed in range(5):
        one, other = (tag_utterances(random_dialogue(seed), t, 4) for t in (lexicon, longer))
        assert relations_of(one) == relations_of(other), "the lexicon holds single words alone"
        assert read_sequence(random_dialogue(seed)).phrases == ()
