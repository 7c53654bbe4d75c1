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
    """Return the letters of each relation, the same whatever others there are.

    A relation outside `LETTERS`, such as `dbpedia/genre`, is written out in angle brackets.
    """
    return {name: LETTERS.get(name, f"<{name}>") for name in relations}


def tag(recurrence: int, relations: Sequence[str], letters: Mapping[str, str]) -> str:
    """Return a pair's tag: recurrence, then the letters of its relations in the given order."""
    return f"{recurrence}/{''.join(letters[name] for name in relations) or NO_RELATION}"
