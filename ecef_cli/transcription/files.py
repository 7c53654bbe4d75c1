"""Transcribe one or many recordings into dialogue files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ecef_cli import console
from ecef_cli.api.dialogue import to_json
from ecef_cli.api.errors import DataError, EcefError, UsageProblem
from ecef_cli.audio.signatures import is_recording
from ecef_cli.transcription.transcribe import rows, tell_unknown, transcribe
from ecef_cli.workspace import locked, refusals, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ecef_cli.api.components import Transcriber
    from ecef_cli.transcription.transcribe import Speakers

ENDING = ".jsonl"


@dataclass(frozen=True, slots=True)
class Job:
    """A recording and the dialogue file to write."""

    recording: Path
    output: Path

    @property
    def parts(self) -> Path:
        """Folder of recognised parts, which exists only until the dialogue file does."""
        return self.output.parent / f".{self.output.name}.parts"


def recordings(paths: Iterable[Path]) -> list[Path]:
    """Return files as they are, and of each folder the recordings in it, sorted by name.

    Raises:
        DataError: a folder has no recordings.
    """
    found = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(file for file in path.iterdir() if file.is_file() and is_recording(file))
        if not inside:
            raise DataError("the folder has no recordings", where=str(path), hint="name a folder of audio files")
        found += inside
    return found


def plan(found: Sequence[Path], *, output: Path | None, folder: Path | None) -> list[Job]:
    """Return the recordings with the dialogue files to write.

    Args:
        found: the recordings.
        output: the dialogue file of a single recording.
        folder: instead, the folder of the dialogue files, each named like its recording.

    Raises:
        UsageProblem: two recordings would be written to one file, or the output is not a name of a dialogue file.
    """
    if output is not None:
        if len(found) != 1:
            raise UsageProblem(f"-o is for one recording, not {len(found)}", hint="use --to DIR")
        if output.suffix != ENDING:
            raise UsageProblem(f"-o {output}: the output is JSON Lines", hint=f"name it {output.stem}{ENDING}")
        return [Job(found[0], output)]
    jobs: dict[Path, Path] = {}
    for recording in found:
        target = (folder or Path()) / f"{recording.stem}{ENDING}"
        other = jobs.setdefault(target, recording)
        if other != recording:
            problem = f"{other} and {recording} would both be written to {target}"
            raise UsageProblem(problem, hint="transcribe them into two folders")
    return [Job(recording, target) for target, recording in jobs.items()]


def transcribe_files(
    jobs: Sequence[Job], transcriber: Transcriber, speakers: Speakers, *, words: bool, force: bool
) -> None:
    """Write the dialogue file of each recording; report recordings that cannot be transcribed, and go on.

    Args:
        jobs: the recordings.
        transcriber: the recogniser.
        speakers: how speakers are told apart.
        words: whether rows hold the words with their times.
        force: whether to replace dialogue files that exist.

    Raises:
        DataError: recordings could not be transcribed.
        EcefError: the transcriber fails, or a file cannot be written.
    """
    failed: list[DataError] = []
    written = 0
    for job in jobs:
        with locked(job.output, str(job.output)):
            if job.output.exists() and not force:
                console.note(f"{job.output}: exists already, and was left as it is (--force transcribes again)")
                continue
            try:
                written += _transcribe(job, transcriber, speakers, words=words)
            except DataError as error:
                failed.append(error)
                if len(jobs) > 1:
                    console.warn(str(error))
            except KeyboardInterrupt:
                if job.parts.is_dir():
                    console.note(f"{job.recording}: finished parts are kept; run the same command to resume")
                raise
    if written:
        tell_unknown(speakers)
    if failed and len(jobs) == 1:
        raise failed[0]
    if failed:
        raise DataError(f"{len(failed)} of {len(jobs)} recordings could not be transcribed", hint="see above")


def _transcribe(job: Job, transcriber: Transcriber, speakers: Speakers, *, words: bool) -> bool:
    with refusals(EcefError, "cannot be written", job.output):
        utterances, kept = transcribe(job.recording, transcriber, speakers, keep=job.parts)
        found = rows(utterances, audio=_relative(job), dialogue=job.recording.stem, speakers=speakers, words=words)
        write_text(job.output, "".join(f"{to_json(row)}\n" for row in found))
        kept.clear()
    console.note(f"{job.output}: {len(found)} utterances")
    return True


def _relative(job: Job) -> str:
    """Return the path of a recording, relative to the dialogue file if that is on the same drive."""
    try:
        return Path(os.path.relpath(job.recording.resolve(), job.output.parent.resolve())).as_posix()
    except ValueError:  # Windows: another drive
        return str(job.recording.resolve())


def show(recording: Path, transcriber: Transcriber, speakers: Speakers, *, words: bool, form: str | None) -> None:
    """Print the rows of a recording, as a table or as JSON Lines.

    Raises:
        DataError: the recording cannot be transcribed.
        PluginError: the transcriber fails.
    """
    utterances, _ = transcribe(recording, transcriber, speakers)
    found = rows(utterances, audio=str(recording), dialogue=recording.stem, speakers=speakers, words=words)
    if console.choose_format(form) == "jsonl":
        for row in found:
            console.data(to_json(row))
    else:
        lines = [[f"{row['start']:.1f}", f"{row['end']:.1f}", row["speaker"], row["text"]] for row in found]
        console.data(console.table(lines, ["start", "end", "speaker", "text"], widths=[None, None, 16, 80]))
    tell_unknown(speakers)
