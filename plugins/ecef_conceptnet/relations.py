"""The relations of ConceptNet 5.7 that join two terms."""

from __future__ import annotations

RELATIONS = (
    *("Antonym", "AtLocation", "CapableOf", "Causes", "CausesDesire", "CreatedBy", "DefinedAs", "DerivedFrom"),
    *("Desires", "DistinctFrom", "Entails", "EtymologicallyDerivedFrom", "EtymologicallyRelatedTo", "FormOf"),
    *("HasA", "HasContext", "HasFirstSubevent", "HasLastSubevent", "HasPrerequisite", "HasProperty", "HasSubevent"),
    *("InstanceOf", "IsA", "LocatedNear", "MadeOf", "MannerOf", "MotivatedByGoal", "NotCapableOf", "NotDesires"),
    *("NotHasProperty", "ObstructedBy", "PartOf", "ReceivesAction", "RelatedTo", "SimilarTo", "SymbolOf"),
    *("Synonym", "UsedFor", "dbpedia/capital", "dbpedia/field", "dbpedia/genre", "dbpedia/genus"),
    *("dbpedia/influencedBy", "dbpedia/knownFor", "dbpedia/language", "dbpedia/leader", "dbpedia/occupation"),
    "dbpedia/product",
)
"""`ExternalURL` is none of them: it leads out of ConceptNet."""
