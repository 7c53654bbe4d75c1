"""Options of the subcommands that read a transcript."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ecef_cli.api.transcripts import TranscriptChoice

from_option = click.option(
    "--from",
    "source_format",
    metavar="FORMAT",
    help="Format of FILE; `ecef plugins --kind transcript` lists them. [default: by extension and content]",
)
reader_option = click.option(
    "--option",
    "reader_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Option of the reader of FILE, or of the transcriber: text=COLUMN, encoding=cp1251, …; may be repeated.",
)
audio_option = click.option(
    "--audio",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Recording of the whole conversation; each row hears its part, from start to end.",
)
channel_per_speaker_option = click.option(
    "--channel-per-speaker",
    is_flag=True,
    help="Each speaker has a channel of the recording; in a transcript, left is the one who speaks first.",
)
channels_option = click.option(
    "--channels",
    metavar="NAME=left,NAME=right",
    help="Channel of each speaker in the recording: left, right, or a number from 1.",
)


def transcript_choice(
    source_format: str | None,
    reader_options: tuple[str, ...],
    audio: Path | None = None,
    channels: str | None = None,
    *,
    channel_per_speaker: bool = False,
) -> TranscriptChoice:
    """Return how to read a transcript, from the options of a command.

    Raises:
        UsageProblem: `--channels` is invalid, or given with `--channel-per-speaker`.
    """
    from ecef_cli.api.errors import UsageProblem
    from ecef_cli.api.transcripts import TranscriptChoice
    from ecef_cli.transcripts.sound import parse_channels

    if channels is not None and channel_per_speaker:
        hint = "--channels alone says who is on which channel"
        raise UsageProblem("--channel-per-speaker and --channels exclude each other", hint=hint)
    sides = None if channels is None else parse_channels(channels)
    return TranscriptChoice(source_format, reader_options, audio, sides, channel_per_speaker)
