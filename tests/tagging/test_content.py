"""Content words, and the letters of relations."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from narrow import present

from ecef_cli.api.dialogue import words
from ecef_cli.recipe.model import build_component
from ecef_cli.tagging.content import analyse, content_word, name_keys
from ecef_cli.tagging.function_words import FUNCTION_WORDS
from ecef_cli.tagging.letters import relation_letters, tag

if TYPE_CHECKING:
    from ecef_cli.api.components import Tagger


def kept(text: str) -> list[str]:
    return [c.key for c in analyse(words(text)) if c is not None]


@pytest.mark.parametrize(
    "text",
    [
        "I you myself whoever nobody",
        "the of and with because until",
        "what where who why",
        "don't don\u2019t I'm it\u2019s they're who'd've shouldn't can't won't ain't y'all'd",
        "gonna wanna gotta let's c'mon",
        "oh uh um hmm yeah okay well",
        "ohhhhh sooooo nooo hmmmmm",
        "three hundred million",
    ],
)
def test_function_words_and_fillers_do_not_count(text: str) -> None:
    assert kept(text) == []


@pytest.mark.parametrize("text", ["42", "3rd 1990s 7am", "... !? --", "B x", "___"])
def test_numbers_punctuation_and_single_letters_do_not_count(text: str) -> None:
    assert kept(text) == []


def test_content_words_keep_the_order_of_speech() -> None:
    assert kept("Wow, the kangaroo was asleep in my apartment!") == ["wow", "kangaroo", "asleep", "apartment"]


@pytest.mark.parametrize("other", ["KANGAROO", "kangaroo's", "Kangaroo\u2019s", "kangaroo'll"])
def test_words_are_identical_whatever_their_case_possessive_or_clitic(other: str) -> None:
    assert present(content_word(other)).key == present(content_word("kangaroo")).key


def test_words_of_one_lemma_need_not_be_identical() -> None:
    one, many = present(content_word("kangaroo")), present(content_word("kangaroos"))
    assert one.key != many.key
    assert one.lemma == many.lemma == "kangaroo"


@pytest.mark.parametrize(
    ("word", "lemma"), [("saw", "see"), ("went", "go"), ("surprised", "surprise"), ("left", "left")]
)
def test_lemmas_are_simplemmas(word: str, lemma: str) -> None:
    assert present(content_word(word)).lemma == lemma


def test_words_of_other_scripts_count() -> None:
    assert kept("кенгуру 袋鼠") == ["кенгуру", "袋鼠"]


def test_every_word_of_a_speakers_name_is_a_name() -> None:
    assert name_keys("Dr. Ross O'Neil") == {"dr", "ross", "o'neil"}


def test_function_words_are_spelt_as_they_are_compared() -> None:
    assert all(w == w.casefold() and "\u2019" not in w for w in FUNCTION_WORDS)


@pytest.fixture
def tagger() -> Tagger:
    return cast("Tagger", build_component("tagger", "conceptnet", {}))


def test_the_papers_relations_have_the_papers_letters(tagger: Tagger) -> None:
    assert relation_letters(tagger, ["IsA", "HasContext", "Causes"]) == {"IsA": "I", "HasContext": "H", "Causes": "C"}


def test_no_two_relations_share_letters_and_none_is_called_n(tagger: Tagger) -> None:
    letters = relation_letters(tagger, [*tagger.letters, "Nears", "Nearly", "Isometric", "I", "Ünknown"])
    assert len(set(letters.values())) == len(letters)
    assert "N" not in letters.values()


def test_a_relation_without_letters_is_written_out(tagger: Tagger) -> None:
    assert relation_letters(tagger, ["dbpedia/genre", "IsA"]) == {"dbpedia/genre": "<dbpedia/genre>", "IsA": "I"}


def test_every_relations_letters_begin_with_its_initial(tagger: Tagger) -> None:
    assert all(name.startswith(letters[0]) for name, letters in tagger.letters.items())


def test_a_tag_reads_as_in_the_figure(tagger: Tagger) -> None:
    letters = relation_letters(tagger, ["IsA", "HasContext"])
    assert tag(0, [], letters) == "0/N"
    assert tag(1, [], letters) == "1/N"
    assert tag(0, ["IsA", "HasContext"], letters) == "0/IH"
