"""The hooks of the plugin. They name components by import string, so that listing them imports nothing."""

from typing import TYPE_CHECKING

from ecef_cli import hookimpl

if TYPE_CHECKING:
    from ecef_cli.components import Register


@hookimpl
def ecef_register_taggers(register: "Register") -> None:
    """Register the tagger."""
    register("table", "ecef_example.table:TableTagger", summary="word relations from a table of your own, TSV")


@hookimpl
def ecef_register_text_encoders(register: "Register") -> None:
    """Register the text encoder."""
    register("hashed", "ecef_example.hashed:HashedEncoder", summary="hashed character n-grams, no weights")
