"""Find multi-word terms, such as `fall_asleep`, and the words that are part of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import simplemma

from ecef_cli.plugin.boundary import calling
from ecef_cli.tagging.content import straight, word_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from ecef_cli.api.components import Tagger
    from ecef_cli.api.dialogue import Word
    from ecef_cli.tagging.content import ContentWord
    from ecef_cli.tagging.sequence import ContentSequence


@dataclass(frozen=True, slots=True)
class Phrase:
    """Consecutive words of an utterance that may be a term.

    Attributes:
        terms: candidate terms: as written, and with each word in its base form.
        first: number of its first content word.
        last: number of its last content word.
    """

    terms: tuple[str, ...]
    first: int
    last: int


def phrases(
    words: Sequence[Word], contents: Sequence[ContentWord | None], start: int, longest: int
) -> Iterator[Phrase]:
    """Yield the phrases of an utterance with at least one content word; punctuation ends a phrase.

    Args:
        words: the words of the utterance.
        contents: the content word for each word, or None.
        start: number of the utterance's first content word.
        longest: words in the longest phrase; the minimum is two.
    """
    forms = [_forms(word.text) for word in words]
    before = [start]  # content words before each word
    for content in contents:
        before.append(before[-1] + (content is not None))
    for first in range(len(words) - 1):
        for end in range(first + 1, min(first + longest, len(words)) + 1):
            if forms[end - 1] is None:
                break
            if end - first > 1 and before[first] < before[end]:
                spoken = "_".join(form[0] for form in forms[first:end] if form)
                lemmas = "_".join(form[1] for form in forms[first:end] if form)
                terms = (spoken,) if spoken == lemmas else (spoken, lemmas)
                yield Phrase(terms, before[first], before[end] - 1)


@lru_cache(maxsize=1 << 16)
def _forms(text: str) -> tuple[str, str] | None:
    """Return a word as written and its base form; None for punctuation."""
    if not any(c.isalnum() for c in text):
        return None
    return straight(text).casefold(), simplemma.lemmatize(word_key(text), lang="en").lower()


@dataclass(frozen=True, slots=True, eq=False)
class WordTerms:
    """Terms of each of C content words: its lemma, and the multi-word terms around it.

    Attributes:
        terms: all terms.
        kinds: distinct groups of terms, as numbers in `terms`; the first of a group is the lemma.
        kind: (C,) int64, the group of each word.
        together: (C,) int64, the first word that shares a multi-word term with this one; the word itself if there
            are none.
    """

    terms: tuple[str, ...]
    kinds: tuple[tuple[int, ...], ...]
    kind: npt.NDArray[np.int64]
    together: npt.NDArray[np.int64]

    @property
    def single(self) -> bool:
        """Whether every word has only its lemma."""
        return all(len(group) == 1 for group in self.kinds)

    def between(self, left: int, right: int) -> Iterator[tuple[str, str]]:
        """Yield the pairs of terms that can relate a word to a later one."""
        one, two = self.kinds[self.kind[left]], self.kinds[self.kind[right]]
        if one[0] == two[0]:
            return
        if left >= self.together[right]:
            one, two = one[:1], two[:1]
        yield from ((self.terms[i], self.terms[j]) for i in one for j in two if i != j)


def known_terms(tagger: Tagger, terms: Sequence[str]) -> set[str]:
    """Return those of some terms that a tagger knows.

    Raises:
        PluginError: the tagger fails.
    """
    with calling(tagger, "known"):
        return {term for term, known in zip(terms, tagger.known(terms), strict=True) if known}


def word_terms(sequence: ContentSequence, tagger: Tagger) -> WordTerms:
    """Return the terms of the words of a sequence, with the multi-word terms that the tagger knows."""
    asked = list(dict.fromkeys(term for phrase in sequence.phrases for term in phrase.terms))
    known = known_terms(tagger, asked) if asked else set()
    numbers = {term: number for number, term in enumerate(sequence.lemmas)}
    around: dict[int, set[int]] = {}
    together = np.arange(len(sequence.lemma), dtype=np.int64)
    for phrase in sequence.phrases:
        for term in phrase.terms:
            if term in known:
                number = numbers.setdefault(term, len(numbers))
                for word in range(phrase.first, phrase.last + 1):
                    around.setdefault(word, set()).add(number)
                    together[word] = min(together[word], phrase.first)
    kinds: dict[tuple[int, ...], int] = {}
    kind = np.empty(len(sequence.lemma), dtype=np.int64)
    for word, lemma in enumerate(sequence.lemma.tolist()):
        group = (lemma, *sorted(around.get(word, set()) - {lemma}))
        kind[word] = kinds.setdefault(group, len(kinds))
    return WordTerms(tuple(numbers), tuple(kinds), kind, together)
