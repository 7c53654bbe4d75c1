"""Contract of corpus readers, for `prepare` and `ecef_cli.testing`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ecef_cli.api.components import Corpus, Dropped
from ecef_cli.api.dialogue import Dialogue, Utterance, parse_row, to_json, to_row
from ecef_cli.api.errors import DataError, did_you_mean
from ecef_cli.api.values import clean_name
from ecef_cli.corpus.summary import split_dialogues
from ecef_cli.workspace import SPLITS

if TYPE_CHECKING:
    from collections.abc import Iterator


def contract_violation(corpus: object) -> str | None:
    """Return the first violation of the contract in the result of a reader, or None.

    Args:
        corpus: the return value of the reader.
    """
    if not isinstance(corpus, Corpus):
        return f"it must return a Corpus, not {type(corpus).__name__}"
    return next(_violations(corpus), None)


def _wrong_types(corpus: Corpus) -> Iterator[str]:
    """Yield members of the wrong type, down to the dialogues."""
    members = {"labels": str, "sources": Path, "dropped": Dropped, "remarks": str, "muted": Dropped}
    for name, kind in members.items():
        yield from _other_members(name, getattr(corpus, name), kind)
    for lost in (*corpus.dropped, *corpus.muted):
        if not isinstance(lost.error, DataError | None):
            yield f"the error of a dropped row must be a DataError, not {type(lost.error).__name__}"
    folders = [path for path in corpus.sources if path.is_dir()]
    if folders:
        yield f"sources must list files, not the folder {folders[0]}"
    for name in ("splits", "repaired"):
        if not isinstance(getattr(corpus, name), Mapping):
            yield f"{name} must be a mapping, not {type(getattr(corpus, name)).__name__}"
    for split, dialogues in corpus.splits.items():
        if not isinstance(dialogues, tuple | list):
            yield f"the dialogues of {split} must be a tuple, not {type(dialogues).__name__}"


def _other_members(name: str, found: object, kind: type) -> Iterator[str]:
    if not isinstance(found, tuple | list):
        yield f"{name} must be a tuple, not {type(found).__name__}"
        return
    odd = [member for member in found if not isinstance(member, kind)]
    if odd:
        yield f"{name} contains {odd[0]!r}, which is not a {kind.__name__}"


def _violations(corpus: Corpus) -> Iterator[str]:
    yield from _wrong_types(corpus)
    odd = [split for split in corpus.splits if split not in SPLITS]
    if odd:
        near = did_you_mean(str(odd[0]), SPLITS)
        yield f"splits must be {', '.join(SPLITS)}, not {', '.join(map(str, odd))} ({near})"
    twice = [str(label) for label, count in Counter(corpus.labels).items() if count > 1]
    if twice:
        yield f"duplicate labels: {', '.join(twice)}"
    homes: dict[str, str] = {}
    for split, dialogue in split_dialogues(corpus):
        if not isinstance(dialogue, Dialogue):
            yield f"{split} must contain dialogues, not {type(dialogue).__name__}"
        if dialogue.id in homes:
            yield f"duplicate dialogue id {dialogue.id!r}, in {homes[dialogue.id]} and in {split}"
        homes[dialogue.id] = split
        yield from _in_dialogue(dialogue, corpus.labels)


def _in_dialogue(dialogue: Dialogue, labels: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(dialogue.utterances, tuple | list):
        yield f"the utterances of dialogue {dialogue.id} must be a tuple, not {type(dialogue.utterances).__name__}"
    if not dialogue.utterances:
        yield f"dialogue {dialogue.id} is empty"
    ids: set[str] = set()
    for utterance in dialogue.utterances:
        label = f"dialogue {dialogue.id}, utterance {getattr(utterance, 'utterance', '?')}"
        if not isinstance(utterance, Utterance):
            yield f"{label}: must be an Utterance, not {type(utterance).__name__}"
        if not isinstance(utterance.row, Mapping):
            yield f"{label}: row must be a mapping, not {type(utterance.row).__name__}"
        if str(utterance.utterance) in ids:
            yield f"{label}: duplicate utterance id"
        ids.add(str(utterance.utterance))
        if utterance.dialogue != dialogue.id:
            yield f"{label}: its dialogue is {utterance.dialogue!r}"
        if utterance.emotion is not None and utterance.emotion not in labels:
            near = did_you_mean(str(utterance.emotion), labels)
            yield f"{label}: the emotion {utterance.emotion!r} is not among the labels ({near})"
        # Plain values survive a round trip; writing and reading every utterance would dominate the run time.
        if not _is_plain(utterance):
            yield from _lost_in_manifest(utterance, label)


def _is_plain(utterance: Utterance) -> bool:
    """Return True if an utterance certainly survives a round trip through a manifest; False if unsure."""
    text, speaker, audio = utterance.text, utterance.speaker, utterance.audio
    return (
        type(text) is type(speaker) is type(utterance.dialogue) is str
        and bool(speaker.strip())
        and (bool(text.strip()) if audio is None else isinstance(audio, Path))
        and _is_value(utterance.utterance)
        and type(utterance.utterance) in {str, int}
        and utterance.start is utterance.end is None
        and all(type(key) is str and _is_value(value) for key, value in utterance.row.items())
        and _is_text(text)
        and _is_text(speaker)
        and _is_text(utterance.dialogue)
    )


def _is_value(value: object) -> bool:
    kind = type(value)
    if kind is float:
        return math.isfinite(value)  # type: ignore[arg-type]
    return kind in {int, bool, type(None)} or (kind is str and _is_text(value))  # type: ignore[arg-type]


def _is_text(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return True


def _lost_in_manifest(utterance: Utterance, label: str) -> Iterator[str]:
    """Yield differences of an utterance after a round trip through a manifest, or why it cannot be written."""
    try:
        again = parse_row(to_json(to_row(utterance)), where=label, dialogue="", number=-1)
    except DataError as error:
        yield f"{label}: {error.problem}"
    except (TypeError, ValueError, RecursionError) as error:
        yield f"{label}: cannot be written as JSON: {error}"
    else:
        for key in ("dialogue", "utterance", "speaker", "text", "emotion", "audio", "start", "end"):
            before, now = getattr(utterance, key), getattr(again, key)
            if key == "speaker" and isinstance(before, str):  # reading normalizes names
                before = clean_name(before)
            if before != now:
                yield f"{label}: {key!r} is {before!r}, but {now!r} after writing and reading a manifest"
