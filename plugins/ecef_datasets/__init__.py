"""Corpus readers, and readers of the user's own dialogues."""

from typing import TYPE_CHECKING

from ecef_cli.api import hookimpl

if TYPE_CHECKING:
    from ecef_cli.api.components import Register


@hookimpl
def ecef_register_datasets(register: "Register") -> None:
    """Register the built-in readers."""
    register("meld", "ecef_datasets.meld:Meld", summary="the MELD corpus, from its official files, with recordings")
    register(
        "iemocap", "ecef_datasets.iemocap:Iemocap", summary="the IEMOCAP corpus, from its release; four or six emotions"
    )
    register("emorynlp", "ecef_datasets.emorynlp:EmoryNlp", summary="the EmoryNLP corpus, from its JSON or CSV files")
    register(
        "dailydialog", "ecef_datasets.dailydialog:DailyDialog", summary="the DailyDialog corpus, from its text files"
    )
    register("csv", "ecef_datasets.columns:TableDialogues", summary="your own dialogues in a table, CSV or TSV")
    register(
        "transcripts",
        "ecef_datasets.transcripts:TranscriptDialogues",
        summary="your own transcripts in any format of `ecef plugins --kind transcript`",
    )
    register("jsonl", "ecef_datasets.jsonl:JsonLines", summary="your own dialogue files, JSON Lines")
