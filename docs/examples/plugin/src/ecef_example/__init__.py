"""The hooks of the plugin. They name components by import string, so that listing them imports nothing."""

from typing import TYPE_CHECKING

from ecef_cli.api import hookimpl

if TYPE_CHECKING:
    from ecef_cli.api.components import Register


@hookimpl
def ecef_register_taggers(register: "Register") -> None:
    """Register the tagger."""
    register("table", "ecef_example.table:TableTagger", summary="word relations from a table of your own, TSV")


@hookimpl
def ecef_register_text_encoders(register: "Register") -> None:
    """Register the text encoder."""
    register("hashed", "ecef_example.hashed:HashedEncoder", summary="hashed character n-grams, no weights")


@hookimpl
def ecef_register_audio_encoders(register: "Register") -> None:
    """Register the audio encoder."""
    register("bands", "ecef_example.bands:BandsEncoder", summary="energy in bands of frequency, no weights")


@hookimpl
def ecef_register_fusions(register: "Register") -> None:
    """Register the fusion."""
    register("gated", "ecef_example.gated:Gated", summary="audio, and as much of the text as a gate lets through")
