"""Relations of ConceptNet 5.7 between two terms."""

from __future__ import annotations

LETTERS = {
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
"""The letters of each relation in a printed tag. A second letter is small: they read without a gap."""

RELATIONS = (
    *LETTERS,
    *("dbpedia/capital", "dbpedia/field", "dbpedia/genre", "dbpedia/genus"),
    *("dbpedia/influencedBy", "dbpedia/knownFor", "dbpedia/language", "dbpedia/leader", "dbpedia/occupation"),
    "dbpedia/product",
)
"""`ExternalURL` is left out: it leads out of ConceptNet."""
