"""Find the content words of an utterance, with their keys and lemmas."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import simplemma

from ecef_cli.api.dialogue import words
from ecef_cli.tagging.function_words import CLITICS, FUNCTION_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecef_cli.api.dialogue import Word

RULES = f"1 simplemma-{simplemma.__version__}"
"""Version of the rules of this module; a new version makes all tags again."""

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u02bc": "'"})
_DRAWN_OUT = re.compile(r"(.)\1{2,}")


@dataclass(frozen=True, slots=True)
class ContentWord:
    """A content word.

    Attributes:
        key: the word in lower case, without possessive or clitic; words with one key are "identical".
        lemma: its base form, for looking up relations.
    """

    key: str
    lemma: str


def analyse(found: Sequence[Word]) -> list[ContentWord | None]:
    """Return the content word for each word, or None for function words, punctuation and numbers."""
    return [content_word(word.text) for word in found]


@lru_cache(maxsize=1 << 16)
def content_word(text: str) -> ContentWord | None:
    """Return the content word for a word, or None.

    Not content words: function words, also contracted (don't, they're) or drawn out (sooo); tokens without a letter
    or with a leading digit (42, 3rd, ...); single letters.
    """
    key = word_key(text)
    if not any(c.isalpha() for c in key) or key[0].isdigit() or (len(key) == 1 and key.isascii()):
        return None
    if _is_function_word(key):
        return None
    return ContentWord(key, simplemma.lemmatize(key, lang="en").lower())


def word_key(text: str) -> str:
    """Return a word in lower case, with straight apostrophes, without possessive and clitics.

    A contraction in the list of function words (y'all, c'mon) stays unchanged.
    """
    key = straight(text).casefold()
    while key not in FUNCTION_WORDS:
        clitic = next((c for c in CLITICS if key.endswith(c) and len(key) > len(c)), None)
        if clitic is None:
            break
        key = key.removesuffix(clitic)
    return key


def straight(text: str) -> str:
    """Return a word with straight apostrophes."""
    return text.translate(_APOSTROPHES)


def name_keys(speaker: str) -> frozenset[str]:
    """Return the keys of the content words of a speaker's name."""
    return frozenset(content.key for content in analyse(words(speaker)) if content is not None)


def _is_function_word(key: str) -> bool:
    # Only auxiliaries take n't, so its stems (ca, wo, sha) need no list.
    if key in FUNCTION_WORDS or key.endswith("n't"):
        return True
    if not _DRAWN_OUT.search(key):
        return False
    return any(_DRAWN_OUT.sub(to, key) in FUNCTION_WORDS for to in (r"\1", r"\1\1"))
