"""Names of speakers before a colon."""

from __future__ import annotations

PREFIX = (
    r"([^\W\d_][^:\n\[\]()<>\"\u201c-\u201e\u00ab\u00bb*!?,;]{0,59}?)(?:\s*[\[(]([^\W\d_][^:\n\[\]()]{0,59})[\])])?"
)
"""Pattern of a name and of one note in brackets after it, which says how the words are spoken; two groups."""
_WORDS = 6  # in a name, without particles
_LETTERS = 5  # in an abbreviation
_SMALL_WORDS = (
    "'t af al and av ben bin da das de del della den der des di do dos du e el et i ibn la le los of te ten "
    "ter the und van von y zu zum zur"
)
_TITLES = (
    "adm avv brig capt cdr cmdr col cpl det dipl dn dott dr dra esq fr frl gen gov hon hr hrn ing insp jr lt "
    "mag maj me mgr mlle mme mr mrs ms msgr mx ofc pr pres prof pvt rep rev sen sgt sig sr sra srta st supt"
)
_PARTICLES, _ABBREVIATIONS = frozenset(_SMALL_WORDS.split()), frozenset(_TITLES.split())


def is_name(text: str) -> bool:
    """Return whether a text may be a name: six words at most, without particles, and no end of a sentence."""
    words = text.split()
    if not words or len([word for word in words if word not in _PARTICLES]) > _WORDS:
        return False
    return all(_is_abbreviation(word) for word in words if word.endswith("."))


def is_surely_name(text: str) -> bool:
    """Return whether a text that may be a name is one by its form: one word, or no word in small letters.

    A dot must belong to a known title or to an initial.
    """
    words = text.split()
    if not all(_is_title(word) for word in words if word.endswith(".")):
        return False
    return len(words) == 1 or all(word in _PARTICLES or not word.islower() for word in words)


def has_title(text: str) -> bool:
    """Return whether a name has a known title or an initial before another word, such as `Dr. Lee`."""
    *first, _ = text.split()
    return any(word.endswith(".") for word in first) and is_surely_name(text)


def _is_abbreviation(word: str) -> bool:
    return not word[0].islower() and all(len(part) <= _LETTERS for part in word.split("."))


def _is_title(word: str) -> bool:
    return word[:-1].casefold() in _ABBREVIATIONS or all(len(part) <= 1 for part in word.split("."))
