"""Word relations in ConceptNet's terms."""

from typing import TYPE_CHECKING

from ecef_cli.api import hookimpl

if TYPE_CHECKING:
    from ecef_cli.api.components import Register


@hookimpl
def ecef_register_taggers(register: "Register") -> None:
    """Register the built-in tagger."""
    register(
        "conceptnet",
        "ecef_conceptnet.tagger:ConceptNetTagger",
        summary="ConceptNet relations from an embedded lexicon made of WordNet",
    )
