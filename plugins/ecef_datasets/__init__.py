"""Readers of corpora and of anyone's own dialogue files."""

from typing import TYPE_CHECKING

from ecef_cli import hookimpl

if TYPE_CHECKING:
    from ecef_cli.components import Register


@hookimpl
def ecef_register_datasets(register: "Register") -> None:
    """Register the built-in readers."""
    register("meld", "ecef_datasets.meld:Meld", summary="the MELD corpus, from its official CSV files")
    register("jsonl", "ecef_datasets.jsonl:JsonLines", summary="your own dialogue files, JSON Lines")
