"""Read the user's own dialogues from JSON Lines."""

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
    """Labels, and the distribution of dialogues over the splits."""


class JsonLines(OwnDialogues):
    """Reader of dialogue files; the file's name, the row's `split` or else a hash decides the split."""

    Options = JsonLinesOptions
    options: JsonLinesOptions
    suffixes = (".jsonl", ".ndjson")
    form = "dialogue file"

    def utterances(self, path: Path, repaired: Counter[str]) -> Iterator[Utterance | DataError]:
        """Yield the utterance of each line of a dialogue file, or an error for an invalid line."""
        del repaired  # an invalid byte makes the line invalid; nothing is repaired
        try:
            with path.open("rb") as stream:
                # The manifest is in another folder, so its paths must not depend on the current one.
                folder = path.resolve().parent
                yield from read_utterances(stream, name=str(path), dialogue=path.stem, folder=folder)
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from None
