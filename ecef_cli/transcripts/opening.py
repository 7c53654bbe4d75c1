"""Open a transcript of any format as utterances."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ecef_cli import console
from ecef_cli.api.dialogue import open_utterances, whole_dialogues
from ecef_cli.api.errors import DataError, RecipeError, UsageProblem
from ecef_cli.api.transcripts import TranscriptChoice, TranscriptSource, read_head
from ecef_cli.plugin.boundary import calling
from ecef_cli.plugin.manager import get_registry
from ecef_cli.recipe.options import check_options, create, parse_options
from ecef_cli.transcripts.choice import NATIVE_EXTENSIONS, check_not_empty, find, named, reader_class
from ecef_cli.transcripts.rows import utterances_of
from ecef_cli.transcripts.sound import COMMAND, READER, Sound, heard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecef_cli.api.components import TranscriptReader
    from ecef_cli.api.dialogue import Dialogue, Utterance
    from ecef_cli.plugin.manager import Entry
    from ecef_cli.transcripts.sound import SoundOptions

_DEFAULT = TranscriptChoice()


@contextmanager
def open_transcript(
    file: str | Path,
    choice: TranscriptChoice = _DEFAULT,
    *,
    allow_empty: bool = False,
    options: SoundOptions = COMMAND,
) -> Iterator[Iterator[Utterance | DataError]]:
    """Yield the utterances of a transcript, or the errors of its rows; `-` is stdin.

    A dialogue file is read as it arrives, any other format as a whole. Prints on stderr what a reader left out.

    Args:
        file: the transcript.
        choice: how to read it.
        allow_empty: whether a row of a dialogue file may have neither words nor a recording.
        options: names of the options for sound, for errors.

    Raises:
        DataError: the file cannot be read, or its format is unknown; or the options for sound do not fit it.
        RecipeError: an option of the reader is invalid.
        UsageProblem: the format has no reader, or no options; or no row has a recording for its channel.
    """
    entry = _entry(file, choice)
    if entry is not None:
        yield iter(_read(entry, _source(file), choice, Sound(choice, options)))
        return
    if choice.options:
        raise UsageProblem("a dialogue file, JSON Lines, takes no --option", hint="name another format with --from")
    sound, stdin = Sound(choice, options), str(file) == "-"
    with open_utterances(file, allow_empty=allow_empty) as lines:
        utterances = _hinting(lines) if stdin and choice.form is None else lines
        name = "stdin" if stdin else str(file)
        yield heard(utterances, sound, name, hold=not stdin) if sound.active else utterances
    for line in sound.remarks():
        console.note(f"{file}: {line}")


def read_transcript(file: str | Path, choice: TranscriptChoice = _DEFAULT) -> tuple[Dialogue, ...]:
    """Return the dialogues of a transcript; `-` is stdin.

    Raises:
        DataError: as in `open_transcript`; or a row is invalid, or there is none.
    """
    with open_transcript(file, choice) as utterances:
        return whole_dialogues(utterances, str(file))


class AllTranscripts:
    """Transcripts through all installed readers, for a dataset reader."""

    def extensions(self, form: str | None) -> tuple[str, ...]:
        """Return the extensions that a reader reads, or all readers if `form` is None."""
        if form is None:
            entries = get_registry().entries("transcript")
            return (*NATIVE_EXTENSIONS, *(e for entry in entries for e in reader_class(entry).extensions))
        entry = named(form)
        return NATIVE_EXTENSIONS if entry is None else reader_class(entry).extensions

    def read(self, path: Path, choice: TranscriptChoice) -> list[Utterance | DataError]:
        """Return the utterances of a file, or the errors of its rows.

        Raises:
            DataError: the file cannot be read, or its format is unknown.
        """
        with open_transcript(path, choice, options=READER) as utterances:
            return list(utterances)


def _entry(file: str | Path, choice: TranscriptChoice) -> Entry | None:
    if choice.form is not None:
        return named(choice.form)
    return None if str(file) == "-" else find(read_head(Path(file)), str(file))


def _hinting(utterances: Iterator[Utterance | DataError]) -> Iterator[Utterance | DataError]:
    """Yield the utterances of stdin; an error of the first, which may be of another format, names `--from`."""
    first = next(utterances, None)
    if isinstance(first, DataError) and "JSON" in first.problem:
        hint = "stdin is read as JSON Lines, one object per line; for another format pass --from, such as --from srt"
        first = DataError(first.problem, where=first.where, hint=hint)
    if first is not None:
        yield first
    yield from utterances


def _source(file: str | Path) -> TranscriptSource:
    if str(file) == "-":
        return TranscriptSource("stdin", sys.stdin.buffer.read())
    return TranscriptSource.open(Path(file))


def _reader(entry: Entry, choice: TranscriptChoice) -> TranscriptReader:
    given = choice.options
    values = given if not isinstance(given, list | tuple) else parse_options(given, entry.load().Options)
    options, problems = check_options(entry, cast("dict[str, Any]", values))
    if options is None:
        lines = tuple(f"{path}: {problem}" if path else problem for path, problem in problems)
        raise RecipeError(f"invalid option of the {entry.name} reader", problems=lines)
    return cast("TranscriptReader", create(entry, options))


def _read(
    entry: Entry, source: TranscriptSource, choice: TranscriptChoice, sound: Sound
) -> list[Utterance | DataError]:
    """Return the utterances of a whole transcript, or the errors of its rows, and report what was left out.

    Raises:
        DataError: the file is empty, or its reader cannot read it.
    """
    check_not_empty(source.raw, source.name)
    reader = _reader(entry, choice)
    with calling(reader, "read", source.name):
        rows = list(reader.read(source))
    return utterances_of(rows, source, sound)
