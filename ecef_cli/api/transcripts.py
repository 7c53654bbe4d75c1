"""Transcripts: a file and its rows, as readers of transcripts see them."""

from __future__ import annotations

import codecs
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from ecef_cli.api.text_files import decode_text, open_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.api.errors import DataError

HEAD = 2**16
"""Bytes at the start of a file that a reader recognises its format by."""


@dataclass(frozen=True, slots=True)
class TranscriptRow:
    """One utterance of a transcript.

    Attributes:
        values: the keys of a dialogue file: `text`, `speaker`, `dialogue`, `start`, `end` (seconds), `channel` (from 1)
            and so on. Any other key is kept. A row without `speaker` gets the speaker `?`.
        where: its place in the source, as `file:line`.
    """

    values: Mapping[str, Any]
    where: str


@dataclass(slots=True)
class TranscriptSource:
    """A transcript file, and what its reader says about it.

    Attributes:
        name: its name, for messages.
        raw: its bytes, unpacked if the file was compressed.
        path: its path; None for standard input.
        left_out: what the reader has left out, with numbers; the host reports them.
        remarks: further remarks of the reader, one line each; the host reports them.
    """

    name: str
    raw: bytes
    path: Path | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path) -> TranscriptSource:
        """Return the source of a file.

        Raises:
            DataError: the file cannot be read.
        """
        with open_bytes(path) as stream:
            return cls(str(path), stream.read(), path)

    def text(self, encoding: str | None = None) -> str:
        """Return the text: UTF-8, or the encoding that is named or marked; line ends are single line feeds.

        Raises:
            DataError: the bytes are not in this encoding.
        """
        text = decode_text(self.raw, self.name, encoding).removeprefix("\ufeff")
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def lines(self, encoding: str | None = None) -> Iterator[tuple[str, str]]:
        """Yield the place and the text of each line, without its end.

        Raises:
            DataError: the bytes are not in this encoding.
        """
        for number, line in enumerate(self.text(encoding).split("\n"), start=1):
            yield f"{self.name}:{number}", line

    def leave_out(self, what: str, count: int = 1) -> None:
        """Count something that is not part of the conversation, such as `system messages`."""
        self.left_out[what] += count

    def remark(self, line: str) -> None:
        """Tell the user how the file was read."""
        self.remarks.append(line)


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file, unpacked if it is gzip, for recognising its format.

    Raises:
        DataError: the file cannot be read.
    """
    with open_bytes(path) as stream:
        return stream.read(HEAD)


@lru_cache(maxsize=4)  # every reader asks for the same one
def head_text(head: bytes) -> str:
    """Return the text of a file's first bytes, for recognising its format; empty for a file that is not text.

    Bytes that are not UTF-8 become one letter each, so that names and columns keep their shape in any encoding.
    """
    marked = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not marked and b"\0" in head:
        return ""
    try:
        # A character at the end may be cut off.
        text = codecs.getincrementaldecoder("utf-16" if marked else "utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        text = head.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass(frozen=True, slots=True)
class TranscriptChoice:
    """How to read a transcript.

    Attributes:
        form: name of the reader; None to find it by the file's extension and content.
        options: options of the reader, as `KEY=VALUE` or as values by name.
        audio: the recording of the whole conversation, of which each row hears its part.
        channels: channel of each speaker in that recording, from 1.
        channel_per_speaker: give each speaker a channel, in the order in which they first speak.
    """

    form: str | None = None
    options: Sequence[str] | Mapping[str, Any] = ()
    audio: Path | None = None
    channels: Mapping[str, int] | None = None
    channel_per_speaker: bool = False


class Transcripts(Protocol):
    """Transcripts through all installed readers, as the host offers them to a dataset reader."""

    def extensions(self, form: str | None) -> tuple[str, ...]:
        """Return the extensions that a reader reads, or all readers if `form` is None."""

    def read(self, path: Path, choice: TranscriptChoice) -> list[Utterance | DataError]:
        """Return the utterances of a file, or the errors of its rows.

        Raises:
            DataError: the file cannot be read, or its format is unknown.
        """
