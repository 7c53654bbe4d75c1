"""Pretrained text encoders, and cues in the words alone."""

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


@hookimpl
def ecef_register_cues(register: "Register") -> None:
    """Register the built-in classifier."""
    register(
        "ngrams",
        "ecef_text.ngrams:NgramClassifier",
        summary="logistic regression on n-grams of words and punctuation, or of characters",
    )
