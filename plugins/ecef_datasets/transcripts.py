"""Read the user's own dialogues from transcripts of any format that `ecef` reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import ConfigDict, Field, model_validator

from ecef_cli.api.errors import UsageProblem
from ecef_cli.api.transcripts import TranscriptChoice
from ecef_datasets.own import OwnDialogues
from ecef_datasets.own_options import OwnOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecef_cli.api.components import Corpus, PrepareContext
    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.api.errors import DataError
    from ecef_cli.api.transcripts import Transcripts
    from ecef_datasets.findings import Findings


class TranscriptOptions(OwnOptions):
    """Labels, splits and sound; any other option is one of the transcripts' reader."""

    model_config = ConfigDict(extra="allow", frozen=True)

    format: str | None = Field(None, description="format of the transcripts; null: found for each file")
    recording: str | None = Field(None, description="recording of the whole conversation; each row hears its part")
    channels: dict[str, int] | None = Field(None, description="channel of each speaker, as {caller: 1, agent: 2}")
    channel_per_speaker: bool = Field(
        False, description="speakers have channels in the order in which they first speak"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.channels is not None and self.channel_per_speaker:
            raise ValueError("channel_per_speaker and channels exclude each other: leave one of them out")
        return self


class TranscriptDialogues(OwnDialogues):
    """Reader of transcripts; the file's name, the row's `split` or else a hash decides the split."""

    Options = TranscriptOptions
    options: TranscriptOptions
    form = "transcript"
    _transcripts: Transcripts | None = None

    def collect(self, sources: Sequence[Path], context: PrepareContext) -> Corpus:
        """Return the dialogues of the transcripts, as `read` does, through the host's readers."""
        self._transcripts = context.transcripts
        return self.read(sources)

    @property
    def suffixes(self) -> tuple[str, ...]:  # type: ignore[override] # they depend on the installed readers
        """Suffixes of the files to read in a folder: those that the readers know."""
        return self._host.extensions(self.options.format)

    def utterances(self, path: Path, findings: Findings) -> Iterator[Utterance | DataError]:
        """Yield the utterance of each row of a transcript, or an error for an invalid row.

        Raises:
            DataError: the file cannot be read, or its format is unknown.
        """
        del findings
        recording, settings = self.options.recording, dict(self.options.model_extra or {})
        if self.options.encoding is not None:
            settings["encoding"] = self.options.encoding
        choice = TranscriptChoice(
            form=self.options.format,
            options=settings,
            audio=None if recording is None else Path(recording),
            channels=self.options.channels,
            channel_per_speaker=self.options.channel_per_speaker,
        )
        yield from self._host.read(path, choice)

    @property
    def _host(self) -> Transcripts:
        if self._transcripts is None:
            raise UsageProblem("transcripts are read by `ecef prepare` alone", hint="read them through `collect`")
        return self._transcripts
