"""Anyone's own dialogues, with their own labels, from JSON Lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli.api.dialogue import read_utterances
from ecef_cli.api.errors import DataError
from ecef_datasets.own import OwnDialogues, OwnOptions

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

    from ecef_cli.api.dialogue import Utterance


class JsonLinesOptions(OwnOptions):
    """Which labels there are, and how dialogues are distributed over the splits."""


class JsonLines(OwnDialogues):
    """Reads dialogue files; a file's name, a row's `split` or else chance decides a dialogue's split."""

    Options = JsonLinesOptions
    options: JsonLinesOptions
    suffixes = (".jsonl", ".ndjson")
    form = "dialogue file"

    def utterances(self, path: Path, repaired: Counter[str]) -> Iterator[Utterance | DataError]:
        """Yield the utterance of each line of a dialogue file, or the error that the line deserves."""
        del repaired  # a dialogue file is UTF-8 or it is broken
        try:
            with path.open("rb") as stream:
                # The manifest lies elsewhere, so that a path in it must not depend on where the reader stood.
                folder = path.resolve().parent
                yield from read_utterances(stream, name=str(path), dialogue=path.stem, folder=folder)
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from None
