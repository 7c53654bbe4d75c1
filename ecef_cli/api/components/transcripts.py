"""Readers of transcripts: conversations as other programs write them."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, field_validator

from ecef_cli.api.components.base import Component, Options
from ecef_cli.api.text_files import known_encoding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecef_cli.api.errors import DataError
    from ecef_cli.api.transcripts import TranscriptRow, TranscriptSource


class TranscriptOptions(Options):
    """Options of any reader of text files."""

    encoding: str | None = Field(None, description="the file's encoding; null: UTF-8, or UTF-16 by its mark")

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str | None) -> str | None:
        return None if encoding is None else known_encoding(encoding)


class TranscriptReader(Component):
    """Read one format of transcripts. `ecef` finds the reader by the file's extension and content."""

    Options = TranscriptOptions
    extensions: ClassVar[tuple[str, ...]] = ()
    """Extensions of such files in lower case, as in `.srt`."""

    @classmethod
    @abstractmethod
    def recognises(cls, head: bytes, name: str) -> bool:
        """Return whether a file looks like this format.

        Look at the content, and return False for any other format with the same extension.

        Args:
            head: the file's first bytes, at most `ecef_cli.api.transcripts.HEAD`; `head_text` decodes them.
            name: the file's name.
        """

    @abstractmethod
    def read(self, source: TranscriptSource) -> Iterator[TranscriptRow | DataError]:
        """Yield the rows in the order of speech, or the error of an invalid row, which counts against the tolerance.

        Report what is not a row with `source.leave_out`.

        Raises:
            DataError: the file as a whole is invalid.
        """
