"""What a reader of a corpus has to keep to, whoever wrote it: `prepare` and `ecef_cli.testing` ask the same."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ecef_cli.api.components import Corpus, Dropped
from ecef_cli.api.dialogue import Dialogue, Utterance, parse_row, to_json, to_row
from ecef_cli.api.errors import DataError, did_you_mean
from ecef_cli.corpus.summary import split_dialogues
from ecef_cli.workspace import SPLITS

if TYPE_CHECKING:
    from collections.abc import Iterator


def breach(corpus: object) -> str | None:
    """Return the first thing in which what a reader found breaks the contract of readers, or None.

    Args:
        corpus: what the reader returned.
    """
    if not isinstance(corpus, Corpus):
        return f"it must return a Corpus, not {type(corpus).__name__}"
    return next(_breaches(corpus), None)


def _misshapen(corpus: Corpus) -> Iterator[str]:
    """Yield what is of another type than it must be, down to the dialogues."""
    members = {"labels": str, "sources": Path, "dropped": Dropped, "remarks": str, "muted": Dropped}
    for name, kind in members.items():
        yield from _other_members(name, getattr(corpus, name), kind)
    for lost in (*corpus.dropped, *corpus.muted):
        if not isinstance(lost.error, DataError | None):
            yield f"the error of what was dropped must be a DataError, not {type(lost.error).__name__}"
    folders = [path for path in corpus.sources if path.is_dir()]
    if folders:
        yield f"sources must list the files that were read, not the folder {folders[0]}"
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
        yield f"{name} holds {odd[0]!r}, which is no {kind.__name__}"


def _breaches(corpus: Corpus) -> Iterator[str]:
    yield from _misshapen(corpus)
    odd = [split for split in corpus.splits if split not in SPLITS]
    if odd:
        near = did_you_mean(str(odd[0]), SPLITS)
        yield f"splits must be {', '.join(SPLITS)}, not {', '.join(map(str, odd))} ({near})"
    twice = [str(label) for label, count in Counter(corpus.labels).items() if count > 1]
    if twice:
        yield f"a label stands twice in labels: {', '.join(twice)}"
    if not corpus.labels and any(corpus.splits.values()):
        yield "labels is empty"
    homes: dict[str, str] = {}
    for split, dialogue in split_dialogues(corpus):
        if not isinstance(dialogue, Dialogue):
            yield f"{split} must hold dialogues, not {type(dialogue).__name__}"
        if dialogue.id in homes:
            yield f"two dialogues have the same id, {dialogue.id!r}, in {homes[dialogue.id]} and in {split}"
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
            yield f"{label}: two utterances have the same id"
        ids.add(str(utterance.utterance))
        if utterance.dialogue != dialogue.id:
            yield f"{label}: says that it belongs to {utterance.dialogue!r}"
        if utterance.emotion is not None and utterance.emotion not in labels:
            near = did_you_mean(str(utterance.emotion), labels)
            yield f"{label}: the emotion {utterance.emotion!r} is not among the labels ({near})"
        # What is plain comes back as it was written. To write and read it to find that out takes longer than all else.
        if not _is_plain(utterance):
            yield from _lost_in_manifest(utterance, label)


def _is_plain(utterance: Utterance) -> bool:
    """Tell at a glance whether an utterance certainly comes back from a manifest; False is no more than a doubt."""
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
    """Yield how an utterance differs once it was written to a manifest and read again, or why it cannot be."""
    try:
        again = parse_row(to_json(to_row(utterance)), where=label, dialogue="", number=-1)
    except DataError as error:
        yield f"{label}: {error.problem}"
    except (TypeError, ValueError, RecursionError) as error:
        yield f"{label}: cannot be written as JSON: {error}"
    else:
        for key in ("dialogue", "utterance", "speaker", "text", "emotion", "audio", "start", "end"):
            before, now = getattr(utterance, key), getattr(again, key)
            if before != now:
                yield f"{label}: {key!r} is {before!r}, and {now!r} once it was written to a manifest and read again"
