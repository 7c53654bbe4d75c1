"""Turn the rows of a reader into utterances, and report on stderr what was left out or unknown."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecef_cli import console
from ecef_cli.api.dialogue import check_writable, to_utterance
from ecef_cli.api.errors import DataError, PluginError
from ecef_cli.api.text_files import plain_name
from ecef_cli.api.transcripts import TranscriptRow
from ecef_cli.api.values import clean_name
from ecef_cli.transcripts.sound import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.api.transcripts import TranscriptSource
    from ecef_cli.transcripts.sound import Sound

_EMPTY = "rows without words"
_NO_LENGTH = "times of rows that do not end after they start"


def utterances_of(
    rows: Sequence[TranscriptRow | DataError], source: TranscriptSource, sound: Sound
) -> list[Utterance | DataError]:
    """Return the utterance of each row, or its error.

    Args:
        rows: what a reader yielded.
        source: the file; it counts what is left out.
        sound: the recording of the conversation.

    Raises:
        DataError: no row has words or a recording; or no row names a speaker, and speakers have channels.
        UsageProblem: speakers have channels, and no row has a recording.
        PluginError: the reader yielded something else than a row.
    """
    tidy = (_tidy(row, source) for row in rows)
    kept = [row for row in tidy if row is not None]
    if sound.active:
        _close(kept)
    speakerless = sum("speaker" not in row.values for row in kept if isinstance(row, TranscriptRow))
    found = list(_convert(kept, source, sound))
    if not found:
        raise DataError("no utterance was found", where=source.name, hint=_left_out(source) or "is the file empty?")
    sound.check(source.name)
    _report(source, sound, speakerless, len(kept))
    return found


def _tidy(found: TranscriptRow | DataError, source: TranscriptSource) -> TranscriptRow | DataError | None:
    """Return a row in the types of a dialogue file, or None if it has no words."""
    if isinstance(found, DataError):
        return found
    if not isinstance(found, TranscriptRow):
        raise PluginError(f"a reader of transcripts must yield TranscriptRow or DataError, not {type(found)}")
    row = {key: value for key, value in found.values.items() if value is not None}
    if "speaker" in row:
        row["speaker"] = clean_name(str(row["speaker"]))
        if not row["speaker"]:
            del row["speaker"]
    if isinstance(row.get("text"), str):
        row["text"] = row["text"].strip()
        if not row["text"] and not row.get("audio"):
            source.leave_out(_EMPTY)
            return None
    start, end = row.get("start"), row.get("end")
    if isinstance(start, int | float) and isinstance(end, int | float) and end <= start:
        del row["start"], row["end"]
        source.leave_out(_NO_LENGTH)
    return TranscriptRow(row, found.where)


def _close(rows: list[TranscriptRow | DataError]) -> None:
    """Let a row that has a start and no end last until a later row starts."""
    upcoming = math.inf
    for number in range(len(rows) - 1, -1, -1):
        row = rows[number]
        if not isinstance(row, TranscriptRow) or not isinstance(row.values.get("start"), int | float):
            continue
        start = row.values["start"]
        if row.values.get("end") is None and start < upcoming < math.inf:
            rows[number] = TranscriptRow({**row.values, "end": upcoming}, row.where)
        upcoming = min(upcoming, start)


def _convert(
    rows: Sequence[TranscriptRow | DataError], source: TranscriptSource, sound: Sound
) -> Iterator[Utterance | DataError]:
    counts: Counter[str] = Counter()
    for row in rows:
        try:
            found = row if isinstance(row, DataError) else _utterance(row, source, sound, counts)
        except DataError as error:
            found = error
        yield found


def _utterance(found: TranscriptRow, source: TranscriptSource, sound: Sound, counts: Counter[str]) -> Utterance:
    where, dialogue = found.where, plain_name(Path(source.name)).stem
    row: dict[str, Any] = {"speaker": UNKNOWN, **sound.on(found.values, where)}
    check_writable(row, where)
    if "text" not in row and not row.get("audio"):
        hint = f"give the recording of the conversation with {sound.options.audio}"
        raise DataError("the row has neither words nor a recording", where=where, hint=hint)
    named = str(row.get("dialogue", dialogue))
    folder = Path() if source.path is None else source.path.parent
    heard = to_utterance(row, where=where, dialogue=dialogue, number=counts[named] + 1, folder=folder)
    counts[named] += 1
    return heard


def _left_out(source: TranscriptSource) -> str:
    said = ", ".join(f"{what} ({count:,})" for what, count in source.left_out.items())
    return f"left out: {said}" if said else ""


def _report(source: TranscriptSource, sound: Sound, speakerless: int, total: int) -> None:
    lines = [*source.remarks, _left_out(source)]
    if speakerless == total:
        lines.append(f"no speakers are named; the speaker of every row is {UNKNOWN!r}")
    elif speakerless:
        rows = "1 row names" if speakerless == 1 else f"{speakerless:,} rows name"
        lines.append(f"{rows} no speaker; it is {UNKNOWN!r}")
    for line in (*lines, *sound.remarks()):
        if line:
            console.note(f"{source.name}: {line}")
