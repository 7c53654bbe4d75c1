"""`ecef predict`: recognise each utterance's emotion, and predict the next one's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecef_cli.api.errors import UsageProblem
from ecef_cli.cli.options import device_option, tolerate_option, transcriber_option
from ecef_cli.cli.transcript_options import (
    audio_option,
    channel_per_speaker_option,
    channels_option,
    from_option,
    reader_option,
    transcript_choice,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.api.errors import DataError
    from ecef_cli.api.transcripts import TranscriptChoice
    from ecef_cli.corpus.tolerance import Tolerance
    from ecef_cli.prediction.outcomes import Predicted
    from ecef_cli.prediction.predictor import Predictor
    from ecef_cli.reports.recorder import Recorded
    from ecef_cli.runs.run import Run
    from ecef_cli.workspace import Workspace


@click.command("predict")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--model",
    metavar="RUN",
    help="Run to use, by name or folder. [default: bundled; from the first recording on, bundled-speech]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "jsonl"]),
    help="Default: table on a terminal, JSON Lines in a pipe.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the rows to FILE instead, by its extension: .jsonl, .csv, .tsv, .parquet, .srt, .vtt, .TextGrid, .eaf.",
)
@click.option(
    "--summary",
    is_flag=True,
    help="Print how each speaker and dialogue felt, with the turning points, instead of the rows.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="PAGE.html",
    help="Also write an HTML page: timeline, cue words, audio, forecasts.",
)
@click.option(
    "--report-audio",
    type=click.FloatRange(min=0),
    metavar="MIB",
    default=20,
    show_default=True,
    help="Limit of the audio in that page, in MiB; 0 leaves it out.",
)
@from_option
@reader_option
@audio_option
@channel_per_speaker_option
@channels_option
@transcriber_option
@tolerate_option
@device_option
@click.pass_obj
def command(
    workspace: Workspace,
    file: str,
    model: str | None,
    form: str | None,
    output: Path | None,
    summary: bool,
    report: Path | None,
    report_audio: float,
    source_format: str | None,
    reader_options: tuple[str, ...],
    audio: Path | None,
    channel_per_speaker: bool,
    channels: str | None,
    transcriber: str | None,
    tolerate: str,
    device: str,
) -> None:
    """Predict on FILE: a dialogue file, subtitles, a chat, the output of a recogniser, and more.

    `-` reads JSON Lines from standard input and answers each line as it arrives; with --from it reads another format
    to the end first.

    A recording is transcribed first, as by `ecef transcribe`, and then heard utterance by utterance.

    Prints each row with "prediction" (the emotion of this utterance) and "forecast" (the emotion of the next one)
    added, as far as the model was trained for them. No prediction depends on a later row.
    """
    from ecef_cli import console
    from ecef_cli.api.dialogue import to_json
    from ecef_cli.audio.signatures import is_recording
    from ecef_cli.corpus.tolerance import RowCount, Tolerance
    from ecef_cli.prediction.outcomes import Predicted
    from ecef_cli.prediction.stream import predictions
    from ecef_cli.reports.recorder import Recorded
    from ecef_cli.transcripts.opening import open_transcript

    choice = transcript_choice(source_format, reader_options, audio, channels, channel_per_speaker=channel_per_speaker)
    accepted = Tolerance.parse(tolerate)
    if output is not None:
        _check_output(output, file)
    if report is not None:
        _check_report(report, file)
    recorded = Recorded()
    count = RowCount(accepted, "stdin" if file == "-" else file)
    if is_recording(Path(file)):
        source = _transcribed(Path(file), choice, transcriber, device)
    elif transcriber:
        raise UsageProblem(f"{file} is no recording, so there is nothing to transcribe", hint="leave out --transcriber")
    else:
        source = open_transcript(file, choice, allow_empty=True)
    with source as rows_read:
        utterances = rows_read if file == "-" else _begun(rows_read, accepted)
        predictor = _load(workspace, model, device)
        items = predictions(predictor, utterances, count)
        if report is not None:
            items = recorded.recording(items)
        answered = (item for item in items if isinstance(item, Predicted))
        rows = (item.row for item in answered)
        if output is not None or summary:
            _keep(list(answered), output, form, summary=summary)
        elif (file == "-" and form is None) or console.choose_format(form) == "jsonl":
            for row in rows:
                console.data(to_json(row), flush=True)
        else:
            console.data(_table(rows))
    if report is not None:
        _write_report(report, recorded, predictor.run, file, report_audio)


def _transcribed(
    file: Path, choice: TranscriptChoice, transcriber: str | None, device: str
) -> AbstractContextManager[Iterator[Utterance | DataError]]:
    """Return the utterances of a recording, transcribed."""
    from contextlib import nullcontext

    from ecef_cli.network.devices import resolve_device
    from ecef_cli.transcription.transcribe import Speakers, choose_transcriber, recording_utterances

    if choice.form or choice.audio:
        hint = "leave out --from and --audio, or give the transcript instead of its recording"
        raise UsageProblem(f"{file} is a recording, not a transcript", hint=hint)
    speakers = Speakers.of(choice.channels, by_channel=choice.channel_per_speaker)
    chosen = choose_transcriber(transcriber, tuple(choice.options), device=resolve_device(device))
    return nullcontext(iter(recording_utterances(file, chosen, speakers)))


def _begun(utterances: Iterator[Utterance | DataError], accepted: Tolerance) -> Iterator[Utterance | DataError]:
    """Read the first row, whose error is often that of the whole format, before the model is loaded.

    Raises:
        DataError: the first row is invalid, and no invalid row is tolerated.
    """
    from itertools import chain, islice

    first = list(islice(utterances, 1))
    if isinstance(error := first[0] if first else None, Exception) and not accepted.limit:
        raise error
    return chain(first, utterances)


def _load(workspace: Workspace, model: str | None, device: str) -> Predictor:
    """Return the model, ready to predict; a terminal shows that it is being loaded."""
    from ecef_cli.console import waiting
    from ecef_cli.prediction.memory import loading

    with waiting("loading the model …"), loading():
        from ecef_cli.network.devices import resolve_device
        from ecef_cli.prediction.bundled import BundledPredictor, state_terms
        from ecef_cli.prediction.predictor import Predictor
        from ecef_cli.runs.run import find_run

        if model is None:
            return BundledPredictor(device=resolve_device(device))
        run = find_run(workspace, model)
        predictor = Predictor(run, device=resolve_device(device))
        state_terms(run)
        return predictor


def _keep(answered: Sequence[Predicted], output: Path | None, form: str | None, *, summary: bool) -> None:
    """Write the rows to the output file, and print the summary, as far as they are asked for."""
    from ecef_cli import console
    from ecef_cli.api.dialogue import to_json

    if output is not None:
        from ecef_cli.reports.answers import write_answers

        write_answers(output, [item.row for item in answered])
        console.note(f"output: {output}")
    if not summary:
        return
    from ecef_cli.reports.mood import moods

    rows = [mood.as_dict() for mood in moods(answered)]
    if console.choose_format(form) == "jsonl":
        for row in rows:
            console.data(to_json(row))
        return
    cells = []
    for row in rows:
        shares = ", ".join(f"{emotion} {share:.0%}" for emotion, share in row["shares"].items())
        turns = "; ".join(f"{turn['utterance']}: {turn['from']} to {turn['to']}" for turn in row["turning_points"])
        cells.append([row["dialogue"], row["speaker"] or "all", row["utterances"], shares, turns])
    heads = ["dialogue", "speaker", "utterances", "felt", "turning points"]
    console.data(console.table(cells, heads, widths=[24, 16, None, 40, 40]))


def _check_output(output: Path, file: str) -> None:
    from ecef_cli.reports.answers import check_output

    check_output(output)
    if file != "-" and output.exists() and output.samefile(file):
        raise UsageProblem(f"--output: {output} is the input file", hint="name another file")


def _check_report(report: Path, file: str) -> None:
    from ecef_cli.reports.page import check_target

    if file == "-":
        hint = "save the rows to a file and predict on it"
        raise UsageProblem("--report needs an input file: standard input is answered line by line", hint=hint)
    if str(report) == "-":
        hint = "use `--report page.html`"
        raise UsageProblem("--report needs an output file: stdout has the rows", hint=hint)
    check_target(report, option="--report", source=Path(file))


def _write_report(report: Path, recorded: Recorded, run: Run, file: str, audio: float) -> None:
    from ecef_cli import console
    from ecef_cli.reports.conversation import conversation_report
    from ecef_cli.workspace import write_text

    page = conversation_report(recorded, run, source=Path(file).name, sound_limit=round(audio * 2**20))
    write_text(report, page)
    console.note(f"report: {report}")


def _table(rows: Iterable[Mapping[str, Any]]) -> str:
    from ecef_cli.console import shortened, table

    def cell(answer: dict[str, Any] | None) -> str:
        return f"{answer['emotion']} {answer['probabilities'][answer['emotion']]:.2f}" if answer else ""

    rows, head, widths = list(rows), ["speaker", "text", "feels", "next will feel"], [16, 60, None, None]
    lines = [
        [row["speaker"], shortened(row.get("text") or ""), cell(row.get("prediction")), cell(row.get("forecast"))]
        for row in rows
    ]
    if any("note" in row for row in rows):
        head, widths = [*head, "note"], [*widths, 40]
        lines = [[*line, str(row.get("note") or "")] for line, row in zip(lines, rows, strict=True)]
    return table(lines, head, widths=widths)
