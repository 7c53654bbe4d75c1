"""Dialogues: utterances in the order of speech, their words, and JSON Lines in and out."""

from __future__ import annotations

import json
import math
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecef_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# A word keeps its inner apostrophes and hyphens stay outside; a run of anything else that is not space is
# one word too, so that every visible character of an utterance belongs to exactly one word.
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]+")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of an utterance and where it stands in the utterance's text (character offsets, end exclusive)."""

    text: str
    start: int
    end: int


def words(text: str) -> tuple[Word, ...]:
    """Return the words of an utterance; runs of punctuation or symbols are words of their own."""
    return tuple(Word(m.group(), m.start(), m.end()) for m in _WORD.finditer(text))


@dataclass(frozen=True, slots=True)
class Utterance:
    """One turn of speech.

    Attributes:
        text: what was said; empty only where there is audio.
        speaker: who said it.
        dialogue: the dialogue it belongs to.
        utterance: its id within the dialogue.
        audio: path of the recording, resolved against the dialogue file.
        start: seconds into `audio` at which the utterance starts.
        end: seconds into `audio` at which the utterance ends.
        emotion: the gold label, where there is one.
        row: the row as it was read, from which it is written again.
        where: `file:line` of the row.
    """

    text: str
    speaker: str
    dialogue: str
    utterance: str | int
    audio: Path | None = None
    start: float | None = None
    end: float | None = None
    emotion: str | None = None
    row: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    where: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The utterances of one conversation, in the order of speech."""

    id: str
    utterances: tuple[Utterance, ...]


def _typed(row: Mapping[str, Any], key: str, kind: type, where: str, *, required: bool = False) -> Any:
    value = row.get(key)
    if value is None:
        if required:
            problem = f"the key {key!r} is missing" if key not in row else f"{key!r} is null"
            raise DataError(problem, where=where, hint='every row needs "text" and "speaker"')
        return None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        name = {str: "a string", float: "a number of seconds"}[kind]
        raise DataError(f"{key!r} must be {name}, not {json.dumps(value)[:40]}", where=where)
    if kind is str:
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise DataError(f"{key!r} holds half a surrogate pair", where=where, hint="repair the escape \\uD8xx") from None
    return value


def _id(row: Mapping[str, Any], key: str, default: str | int, where: str) -> str | int:
    value = row.get(key, default)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(f"{key!r} must be a string or a whole number, not {json.dumps(value)[:40]}", where=where)
    return value


def parse_row(line: str, *, where: str, dialogue: str, number: int, folder: Path | None = None) -> Utterance:
    """Return the utterance that one line of a dialogue file holds.

    Args:
        line: the JSON text.
        where: `file:line`, for errors.
        dialogue: id of the dialogue where the row names none.
        number: id of the utterance where the row names none.
        folder: what a relative `audio` path is relative to.

    Raises:
        DataError: the line is no JSON object, lacks a key, or a value has the wrong type.
    """
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        reason = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else "too deeply nested"
        raise DataError(f"not JSON: {reason}", where=where, hint="one JSON object a line") from None
    if not isinstance(row, dict):
        raise DataError("the line is JSON but no object", where=where, hint='write {"speaker": …, "text": …}')
    text = _typed(row, "text", str, where, required=True)
    speaker = _typed(row, "speaker", str, where, required=True)
    audio = _typed(row, "audio", str, where)
    start, end = _typed(row, "start", float, where), _typed(row, "end", float, where)
    if any(t is not None and not (math.isfinite(t) and t >= 0) for t in (start, end)):
        raise DataError("'start' and 'end' must be finite and not negative", where=where)
    if start is not None and end is not None and end <= start:
        raise DataError(f"'end' ({end:g} s) is not after 'start' ({start:g} s)", where=where)
    if not text.strip() and audio is None:
        raise DataError("'text' is empty and there is no 'audio'", where=where, hint="give one of the two")
    return Utterance(
        text=text,
        speaker=speaker,
        dialogue=str(_id(row, "dialogue", dialogue, where)),
        utterance=_id(row, "utterance", number, where),
        audio=None if audio is None else (folder or Path()) / audio,
        start=start,
        end=end,
        emotion=_typed(row, "emotion", str, where),
        row=row,
        where=where,
    )


def read_utterances(
    lines: Iterable[bytes], *, name: str, dialogue: str, folder: Path | None = None
) -> Iterator[Utterance | DataError]:
    """Yield the utterance of each line, or the error that its line deserves; blank lines count for nothing.

    Errors are yielded and not raised so that the caller decides what it tolerates.

    Args:
        lines: the lines of a dialogue file, as bytes.
        name: the file's name, for errors.
        dialogue: id of the dialogue where rows name none.
        folder: what relative `audio` paths are relative to.
    """
    counts: dict[str, int] = {}
    for number, raw in enumerate(lines, start=1):
        where = f"{name}:{number}"
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            yield DataError(f"not UTF-8: {error.reason} at byte {error.start}", where=where, hint="save the file as UTF-8")
            continue
        if not line:
            continue
        try:
            found = parse_row(line, where=where, dialogue=dialogue, number=-1, folder=folder)
        except DataError as error:
            yield error
            continue
        position = counts[found.dialogue] = counts.get(found.dialogue, 0) + 1
        yield found if "utterance" in found.row else _numbered(found, position)


def _numbered(utterance: Utterance, number: int) -> Utterance:
    from dataclasses import replace

    return replace(utterance, utterance=number)


def group(utterances: Iterable[Utterance]) -> tuple[Dialogue, ...]:
    """Return the dialogues that the utterances form, in the order in which the dialogues begin."""
    found: OrderedDict[str, list[Utterance]] = OrderedDict()
    for utterance in utterances:
        found.setdefault(utterance.dialogue, []).append(utterance)
    return tuple(Dialogue(name, tuple(members)) for name, members in found.items())


def read_dialogues(path: Path) -> tuple[Dialogue, ...]:
    """Return the dialogues of a file.

    Raises:
        DataError: the file is missing, empty, or a row of it is broken.
    """
    try:
        with path.open("rb") as stream:
            rows = []
            for found in read_utterances(stream, name=str(path), dialogue=path.stem, folder=path.parent):
                if isinstance(found, DataError):
                    raise found
                rows.append(found)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from None
    if not rows:
        raise DataError("the file holds no utterance", where=str(path), hint="one JSON object a line")
    return group(rows)


def to_json(row: Mapping[str, Any]) -> str:
    """Return a row as one line of JSON, without a line break."""
    return json.dumps(row, ensure_ascii=False)


def to_row(utterance: Utterance) -> dict[str, Any]:
    """Return an utterance as a row of a manifest: the keys it was read with, and those that ecef adds."""
    known = {
        "dialogue": utterance.dialogue,
        "utterance": utterance.utterance,
        "speaker": utterance.speaker,
        "text": utterance.text,
        "emotion": utterance.emotion,
        "audio": None if utterance.audio is None else str(utterance.audio),
        "start": utterance.start,
        "end": utterance.end,
    }
    return {k: v for k, v in known.items() if v is not None} | {
        k: v for k, v in utterance.row.items() if k not in known
    }
