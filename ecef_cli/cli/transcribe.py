"""`ecef transcribe`: turn recordings into dialogue files."""

from __future__ import annotations

from pathlib import Path

import click

from ecef_cli.api.errors import UsageProblem
from ecef_cli.cli.options import device_option, transcriber_option
from ecef_cli.cli.transcript_options import channel_per_speaker_option, channels_option


@click.command("transcribe")
@click.argument("paths", nargs=-1, required=True, metavar="RECORDING...", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.jsonl", help="Output.")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write one file per recording to this folder, named like the recording.",
)
@channel_per_speaker_option
@channels_option
@click.option("--words", is_flag=True, help="Add each word with its times to the rows.")
@transcriber_option
@click.option(
    "--option", "options", multiple=True, metavar="KEY=VALUE", help="Option of the transcriber; may be repeated."
)
@device_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "jsonl"]),
    help="Format on stdout. Default: table on a terminal, JSON Lines in a pipe.",
)
@click.option("--force", is_flag=True, help="Replace dialogue files that exist.")
def command(
    paths: tuple[Path, ...],
    output: Path | None,
    folder: Path | None,
    channel_per_speaker: bool,
    channels: str | None,
    words: bool,
    transcriber: str | None,
    options: tuple[str, ...],
    device: str,
    form: str | None,
    force: bool,
) -> None:
    """Transcribe each RECORDING (a file, or a folder of them) into a dialogue file for `ecef predict` and `prepare`.

    Writes one row per utterance: text, speaker, and where it is in the recording. Without -o and --to, prints the rows
    of a single recording. An interrupted transcription resumes if its output is a file.

    Speakers are told apart by channel, or not at all: then every row has the speaker `?`.
    """
    from ecef_cli.audio.reading import inspect
    from ecef_cli.network.devices import resolve_device
    from ecef_cli.transcription.files import plan, recordings, transcribe_files
    from ecef_cli.transcription.transcribe import Speakers, choose_transcriber
    from ecef_cli.transcripts.sound import parse_channels

    speakers = Speakers.of(parse_channels(channels) if channels else None, by_channel=channel_per_speaker)
    found = recordings(paths)
    if output is not None and folder is not None:
        raise UsageProblem("-o and --to exclude each other", hint="use -o FILE for one recording, --to DIR for several")
    to_stdout = output is None and folder is None
    if to_stdout and len(found) > 1:
        raise UsageProblem(f"{len(found)} recordings need a folder for their output", hint="use --to DIR")
    jobs = plan(found, output=output, folder=folder)
    if len(found) == 1:
        inspect(found[0])  # its error comes before that of a missing model
    chosen = choose_transcriber(transcriber, options, device=resolve_device(device))
    if to_stdout:
        from ecef_cli.transcription.files import show

        show(found[0], chosen, speakers, words=words, form=form)
    else:
        transcribe_files(jobs, chosen, speakers, words=words, force=force)
