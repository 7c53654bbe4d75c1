"""Pretrained text encoders."""

from typing import TYPE_CHECKING

from ecef_cli.api import hookimpl

if TYPE_CHECKING:
    from ecef_cli.api.components import Register


@hookimpl
def ecef_register_text_encoders(register: "Register") -> None:
    """Register the built-in encoder."""
    register(
        "huggingface",
        "ecef_text.encoder:HuggingFaceEncoder",
        summary="any Hugging Face text encoder: RoBERTa, BERT, MiniLM, …",
    )
