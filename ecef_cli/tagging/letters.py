"""The letters of relations in a printed tag, as in the paper's Figure 2: `0/I`, `0/IH`, `1/N`, `0/N`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NO_RELATION = "N"
"""Stands for no relation; no relation has this letter."""

LETTERS: Mapping[str, str] = {
    "Antonym": "A",
    "AtLocation": "At",
    "CapableOf": "Cp",
    "Causes": "C",
    "CausesDesire": "Cd",
    "CreatedBy": "Cb",
    "DefinedAs": "Da",
    "DerivedFrom": "D",
    "Desires": "Ds",
    "DistinctFrom": "Df",
    "Entails": "E",
    "EtymologicallyDerivedFrom": "Ed",
    "EtymologicallyRelatedTo": "Er",
    "FormOf": "F",
    "HasA": "Ha",
    "HasContext": "H",
    "HasFirstSubevent": "Hf",
    "HasLastSubevent": "Hl",
    "HasPrerequisite": "Hp",
    "HasProperty": "Hy",
    "HasSubevent": "Hs",
    "InstanceOf": "In",
    "IsA": "I",
    "LocatedNear": "L",
    "MadeOf": "Md",
    "MannerOf": "M",
    "MotivatedByGoal": "Mg",
    "NotCapableOf": "Nc",
    "NotDesires": "Nd",
    "NotHasProperty": "Np",
    "ObstructedBy": "O",
    "PartOf": "P",
    "ReceivesAction": "Rv",
    "RelatedTo": "R",
    "SimilarTo": "Sm",
    "SymbolOf": "Sb",
    "Synonym": "S",
    "UsedFor": "U",
}
"""ConceptNet's relations. A second letter is small, so that a pair's relations read without a gap."""


def relation_letters(relations: Iterable[str]) -> dict[str, str]:
    """Return the letters of each relation, no two alike.

    A relation outside `LETTERS` gets its initial with the first of its small letters that sets it apart from
    all others, or else its name in angle brackets.
    """
    found: dict[str, str] = {}
    taken = {NO_RELATION, *LETTERS.values()}
    for name in relations:
        letters = LETTERS.get(name)
        if letters is None:
            initial = name[:1].upper()
            free = (f"{initial}{c}" for c in name[1:].lower() if c.isalpha() and f"{initial}{c}" not in taken)
            letters = next(free, f"<{name}>") if initial.isalpha() else f"<{name}>"
        taken.add(letters)
        found[name] = letters
    return found


def tag(recurrence: int, relations: Sequence[str], letters: Mapping[str, str]) -> str:
    """Return a pair's tag: recurrence, then the letters of its relations in the given order."""
    return f"{recurrence}/{''.join(letters[name] for name in relations) or NO_RELATION}"
