"""Dialogues: utterances in the order of speech, their words, and JSON Lines in and out."""

from __future__ import annotations

import json
import math
import re
import sys
import unicodedata
from collections import OrderedDict
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ecef_cli.api.audio_paths import recording_path
from ecef_cli.api.emojis import name_emoji
from ecef_cli.api.errors import DataError
from ecef_cli.api.text_files import encoding_error, open_bytes, plain_name
from ecef_cli.api.values import clean_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# A word keeps its inner apostrophes and hyphens stay outside; a run of anything else that is not space is
# one word too, so that every visible character of an utterance belongs to exactly one word.
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]+")
_DEEP = 100  # levels of nesting in a row
_LARGE = 10**300  # below the largest float
_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
_CHANNELS = {"left": 1, "right": 2}
_SHOWN = 40  # characters of a wrong value in an error


@dataclass(frozen=True, slots=True)
class Word:
    """A word of an utterance, with its character offsets in the text, end exclusive."""

    text: str
    start: int
    end: int


@lru_cache(maxsize=1024)  # the windows of a dialogue hold the same utterances again and again
def words(text: str) -> tuple[Word, ...]:
    """Return the words of an utterance; a run of punctuation or symbols is a word of its own."""
    return tuple(Word(m.group(), m.start(), m.end()) for m in _WORD.finditer(text))


@dataclass(frozen=True, slots=True)
class Utterance:
    """One turn of speech.

    Attributes:
        text: the words; may be empty, in general only if there is audio.
        speaker: the speaker's name, as `clean_name` returns it if it was read from a file.
        dialogue: the dialogue it belongs to.
        utterance: its id within the dialogue.
        audio: path of the recording, resolved against the dialogue file.
        start: seconds into `audio` at which the utterance starts.
        end: seconds into `audio` at which the utterance ends.
        emotion: the gold label, if there is one.
        channel: number of the speaker's channel of `audio`, from 1; None for the mean of all.
        row: the row as it was read, for writing it out again.
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
    channel: int | None = None
    row: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    where: str | None = field(default=None, compare=False, repr=False)

    @property
    def spoken(self) -> str:
        """The text with names in place of emoji, as taggers and text encoders read it."""
        return name_emoji(self.text)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The utterances of one conversation, in the order of speech."""

    id: str
    utterances: tuple[Utterance, ...]

    @property
    def wording(self) -> tuple[str, ...]:
        """The texts, normalised so that case, spacing and the shape of quotation marks make no difference."""
        texts = (unicodedata.normalize("NFKC", utterance.text) for utterance in self.utterances)
        return tuple(" ".join(text.translate(_QUOTES).casefold().split()) for text in texts)


def _typed(row: Mapping[str, Any], key: str, kind: type, where: str, *, required: bool = False) -> Any:
    value = row.get(key)
    if value is None:
        if required:
            problem = f"the key {key!r} is missing" if key not in row else f"{key!r} is null"
            raise DataError(problem, where=where, hint='every row needs "text" and "speaker"')
        return None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        # A whole number too large for a float becomes infinity, which `parse_row` refuses.
        value = float(value) if abs(value) < _LARGE else math.inf
    if not isinstance(value, kind) or isinstance(value, bool):
        name = {str: "a string", float: "a number of seconds"}[kind]
        raise DataError(f"{key!r} must be {name}, not {_shown(value)}", where=where)
    return value


def _id(row: Mapping[str, Any], key: str, default: str | int, where: str) -> str | int:
    value = row.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(f"{key!r} must be a string or a whole number, not {_shown(value)}", where=where)
    return value


def _speaker(row: Mapping[str, Any], where: str) -> str:
    value = row.get("speaker")
    if isinstance(value, int) and not isinstance(value, bool):  # some corpora number their speakers
        return str(value)
    speaker: str = _typed(row, "speaker", str, where, required=True)
    return speaker


def channel_of(row: Mapping[str, Any], where: str) -> int | None:
    """Return the number of a row's channel, from 1; None if it has none.

    Raises:
        DataError: `channel` is not a number from 1, `left` or `right`.
    """
    value = row.get("channel")
    if value is None:
        return None
    number = _CHANNELS.get(value, int(value) if value.isdecimal() else value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        hint = "number the channels of the recording from 1"
        raise DataError(f"'channel' must be 1, 2, … or left or right, not {_shown(value)}", where=where, hint=hint)
    return number


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _object(line: str, where: str) -> dict[str, Any]:
    """Return the JSON object of a line, one that can be written again."""
    too_deep = DataError(f"the row is nested more than {_DEEP} levels deep", where=where)
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(
            f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}",
            where=where,
            hint="write one JSON object per line",
        ) from None
    except RecursionError:
        raise too_deep from None
    except ValueError as error:  # Python refuses to read a number of thousands of digits
        raise DataError(f"unsupported JSON: {error}", where=where) from None
    if not isinstance(row, dict):
        raise DataError("the line is JSON but not an object", where=where, hint='write {"speaker": …, "text": …}')
    # Writing nests calls more deeply than reading does, so a row must stay well below Python's limit.
    if line.count("[") + line.count("{") > _DEEP and _depth(row) > _DEEP:
        raise too_deep
    check_writable(row, where)
    return row


def check_writable(row: Mapping[str, Any], where: str) -> None:
    """Check that a row can be written as a line of JSON in UTF-8.

    Raises:
        DataError: a value holds half a surrogate pair, or a number that is not finite.
    """
    for key, value in row.items():
        _check_value(key, value, where)


def _check_value(key: str, value: object, where: str) -> None:
    try:
        json.dumps([key, value], ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeEncodeError:
        raise DataError(
            f"{_shown(key)} contains half a surrogate pair", where=where, hint="repair the escape \\uD8xx"
        ) from None
    except ValueError:
        raise DataError(
            f"{key!r} contains a number that is not finite", where=where, hint="write null instead"
        ) from None


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        inner = (item for item in level if isinstance(item, dict | list))
        level = [part for item in inner for part in (item.values() if isinstance(item, dict) else item)]
    return depth


def parse_row(
    line: str, *, where: str, dialogue: str, number: int, folder: Path | None = None, allow_empty: bool = False
) -> Utterance:
    """Return the utterance on one line of a dialogue file.

    A key whose value is null counts as absent.

    Args:
        line: the JSON text.
        where: `file:line`, for errors.
        dialogue: id of the dialogue if the row names none.
        number: id of the utterance if the row names none.
        folder: base folder of a relative `audio` path.
        allow_empty: whether a row may have neither words nor a recording.

    Raises:
        DataError: the line is not a JSON object, lacks a key, or a value has the wrong type.
    """
    return to_utterance(
        _object(line, where), where=where, dialogue=dialogue, number=number, folder=folder, allow_empty=allow_empty
    )


def to_utterance(
    row: Mapping[str, Any],
    *,
    where: str,
    dialogue: str,
    number: int,
    folder: Path | None = None,
    allow_empty: bool = False,
) -> Utterance:
    """Return the utterance of a row; the arguments and errors are those of `parse_row`.

    A row with `audio` needs no `text`.
    """
    audio = _typed(row, "audio", str, where)
    needed = not audio and not (allow_empty and "text" in row)
    text = _typed(row, "text", str, where, required=needed) or ""
    speaker = clean_name(_speaker(row, where))
    if not speaker:
        raise DataError("'speaker' is empty", where=where, hint='name the speaker, or write "?"')
    start, end = _typed(row, "start", float, where), _typed(row, "end", float, where)
    if any(t is not None and not (math.isfinite(t) and t >= 0) for t in (start, end)):
        raise DataError("'start' and 'end' must be finite and not negative", where=where)
    if start is not None and end is not None and end <= start:
        raise DataError(f"'end' ({end:g} s) is not after 'start' ({start:g} s)", where=where)
    if not (text.strip() or audio or allow_empty):
        raise DataError("'text' is empty and 'audio' is missing", where=where, hint="give one of the two")
    return Utterance(
        text=text,
        speaker=speaker,
        dialogue=str(_id(row, "dialogue", dialogue, where)),
        utterance=_id(row, "utterance", number, where),
        audio=recording_path(audio, folder or Path(), where) if audio else None,
        start=start,
        end=end,
        emotion=_typed(row, "emotion", str, where),
        channel=channel_of(row, where) if audio else None,
        row=row,
        where=where,
    )


def read_utterances(
    lines: Iterable[bytes],
    *,
    name: str,
    dialogue: str,
    folder: Path | None = None,
    option: str | None = None,
    allow_empty: bool = False,
) -> Iterator[Utterance | DataError]:
    """Yield the utterance of each line, or the error of an invalid line; skip blank lines.

    Errors are yielded, not raised, so that the caller decides which to tolerate.

    Args:
        lines: the lines of a dialogue file, as bytes.
        name: the file's name, for errors.
        dialogue: id of the dialogue if rows name none.
        folder: base folder of relative `audio` paths.
        option: the option that states an encoding, to name it in the first error of a line that is not UTF-8.
        allow_empty: whether a row may have neither words nor a recording.
    """
    counts: dict[str, int] = {}
    for number, raw in enumerate(lines, start=1):
        where = f"{name}:{number}"
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            if option:
                yield encoding_error(raw, error.start, where, option)
                option = None
                continue
            yield DataError(
                f"not UTF-8: {error.reason} at byte {error.start}", where=where, hint="save the file as UTF-8"
            )
            continue
        if not line:
            continue
        try:
            found = parse_row(line, where=where, dialogue=dialogue, number=0, folder=folder, allow_empty=allow_empty)
        except DataError as error:
            yield error
            continue
        position = counts[found.dialogue] = counts.get(found.dialogue, 0) + 1
        yield found if found.row.get("utterance") is not None else replace(found, utterance=position)


def group(utterances: Iterable[Utterance]) -> tuple[Dialogue, ...]:
    """Return the utterances grouped into dialogues, in the order in which the dialogues begin."""
    found: OrderedDict[str, list[Utterance]] = OrderedDict()
    for utterance in utterances:
        found.setdefault(utterance.dialogue, []).append(utterance)
    return tuple(Dialogue(name, tuple(members)) for name, members in found.items())


@contextmanager
def open_utterances(file: str | Path, *, allow_empty: bool = False) -> Iterator[Iterator[Utterance | DataError]]:
    """Yield the utterances of a file, also a gzip file, or the errors of its rows, as they are read; `-` is stdin.

    Args:
        file: the file.
        allow_empty: whether a row may have neither words nor a recording.

    Raises:
        DataError: the file cannot be opened.
    """
    standard = str(file) == "-"
    name, path = ("stdin" if standard else str(file)), Path(file)
    with nullcontext(_standard_input()) if standard else open_bytes(path) as stream:
        dialogue = plain_name(Path(name)).stem
        yield read_utterances(stream, name=name, dialogue=dialogue, folder=path.parent, allow_empty=allow_empty)


def _standard_input() -> BinaryIO:
    """Return stdin through a separate buffer, which is never closed.

    When the process ends, a thread may still wait for a line and hold the buffer's lock. The interpreter needs that
    lock to close Python's own buffer, and would abort. Closing this buffer would wait for a line, too.
    """
    try:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except (OSError, ValueError, AttributeError):  # stdin was replaced by an object that is not a file
        return sys.stdin.buffer


def read_dialogues(file: str | Path) -> tuple[Dialogue, ...]:
    """Return the dialogues of a file; `-` is stdin.

    Raises:
        DataError: the file is missing or empty, or a row is invalid.
    """
    with open_utterances(file) as utterances:
        return whole_dialogues(utterances, str(file))


def whole_dialogues(utterances: Iterable[Utterance | DataError], where: str) -> tuple[Dialogue, ...]:
    """Return the dialogues of utterances, all of which must be valid.

    Args:
        utterances: utterances in the order of speech, or errors in their place.
        where: the file, for the error if it holds no utterance.

    Raises:
        DataError: a row is invalid, or there is none.
    """
    rows = []
    for found in utterances:
        if isinstance(found, DataError):
            raise found
        rows.append(found)
    if not rows:
        raise DataError("the file contains no utterance", where=where, hint="write one JSON object per line")
    return group(rows)


def to_json(row: Mapping[str, Any]) -> str:
    """Return a row as one line of JSON, without a line break."""
    return json.dumps(row, ensure_ascii=False)


def to_row(utterance: Utterance) -> dict[str, Any]:
    """Return an utterance as a row of a manifest: the keys of its input row, and those that ecef adds."""
    known = {
        "dialogue": utterance.dialogue,
        "utterance": utterance.utterance,
        "speaker": utterance.speaker,
        "text": utterance.text,
        "emotion": utterance.emotion,
        "audio": None if utterance.audio is None else str(utterance.audio),
        "start": utterance.start,
        "end": utterance.end,
        "channel": utterance.channel,
    }
    return {k: v for k, v in known.items() if v is not None} | {
        k: v for k, v in utterance.row.items() if k not in known or (k == "channel" and utterance.audio is None)
    }
