"""Read the user's own dialogues from JSON Lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli.api.dialogue import read_utterances
from ecef_cli.api.errors import DataError
from ecef_cli.api.text_files import OPTION, open_bytes, plain_name, read_text
from ecef_datasets.own import OwnDialogues
from ecef_datasets.own_options import OwnOptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ecef_cli.api.dialogue import Utterance
    from ecef_datasets.findings import Findings

_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
"""Byte order marks of UTF-16 and UTF-32."""


class JsonLinesOptions(OwnOptions):
    """Labels, ids, and the distribution of dialogues over the splits."""


class JsonLines(OwnDialogues):
    """Reader of dialogue files; the file's name, the row's `split` or else a hash decides the split."""

    Options = JsonLinesOptions
    options: JsonLinesOptions
    suffixes = (".jsonl", ".ndjson")
    form = "dialogue file"

    def utterances(self, path: Path, findings: Findings) -> Iterator[Utterance | DataError]:
        """Yield the utterance of each line of a dialogue file, or an error for an invalid line."""
        del findings
        # The manifest is in another folder, so its paths must not depend on the current one.
        folder, name = path.resolve().parent, plain_name(path).stem
        try:
            with open_bytes(path) as stream:
                start = stream.read(4)
            if self.options.encoding or start.startswith(_WIDE):
                lines = [line.encode() for line in read_text(path, self.options.encoding).split("\n")]
                yield from read_utterances(lines, name=str(path), dialogue=name, folder=folder)
                return
            with open_bytes(path) as stream:
                # A line that is not UTF-8 is an invalid row.
                yield from read_utterances(stream, name=str(path), dialogue=name, folder=folder, option=OPTION)
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from None
