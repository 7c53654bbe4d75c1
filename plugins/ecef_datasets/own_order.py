"""Ids and order of the user's own dialogues."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from ecef_cli.api.errors import DataError
from ecef_cli.api.text_files import plain_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ecef_cli.api.dialogue import Dialogue, Utterance

Order = Literal["utterance", "start"]
_DIGITS = re.compile(r"(\d+)")


def restart(found: Iterable[tuple[Utterance, Path]]) -> bool:
    """Return whether ids of dialogues start again in another file: the same dialogue with the same utterances."""
    homes: dict[tuple[str, str], Path] = {}
    return any(homes.setdefault((u.dialogue, str(u.utterance)), path) != path for u, path in found)


def file_labels(files: Sequence[Path]) -> dict[Path, str]:
    """Return a distinct label for each file: its stem, with its folder if two are the same."""
    labels: dict[Path, str] = {}
    for path in files:
        label = stem = plain_name(path).stem
        if label in labels.values():
            label = f"{path.resolve().parent.name}_{stem}"
        number = 1
        while label in labels.values():
            number += 1
            label = f"{stem}{number}"
        labels[path] = label
    return labels


def scoped(utterance: Utterance, label: str | None) -> Utterance:
    """Return an utterance whose dialogue's id starts with a label."""
    if label is None or utterance.dialogue == label:
        return utterance
    return replace(utterance, dialogue=f"{label}_{utterance.dialogue}")


def ordered(dialogue: Dialogue, order: Order | None) -> Dialogue:
    """Return a dialogue whose utterances are sorted by id or start.

    Raises:
        DataError: an utterance has no start.
    """
    if order is None:
        return dialogue
    if order == "start":
        for utterance in dialogue.utterances:
            if utterance.start is None:
                raise DataError("order=start needs a start", where=utterance.where, hint="fill in 'start' in every row")
        return replace(dialogue, utterances=tuple(sorted(dialogue.utterances, key=lambda u: u.start or 0.0)))
    return replace(dialogue, utterances=tuple(sorted(dialogue.utterances, key=lambda u: _natural(u.utterance))))


def order_remarks(dialogues: Iterable[Dialogue]) -> Iterator[str]:
    """Yield a line if numbers of utterances go back within a dialogue."""
    back = [(first, second) for d in dialogues for first, second in pairwise(d.utterances) if _goes_back(first, second)]
    if back:
        first, second = back[0]
        count = f"{len(back):,} utterance{' has' if len(back) == 1 else 's have'} a lower number than the one before"
        example = f"{second.where}: {second.utterance!r} after {first.utterance!r}"
        yield f"{count} ({example}): rows count as the order of speech; pass --option order=utterance to sort by number"


def _goes_back(first: Utterance, second: Utterance) -> bool:
    one, two = _natural(first.utterance), _natural(second.utterance)
    return [part for part, _ in one] == [part for part, _ in two] and two < one


def _natural(number: str | int) -> list[tuple[str, int]]:
    """Return a sort key in which numbers within ids count as numbers."""
    parts = _DIGITS.split(str(number))
    return [(text, int(digits)) for text, digits in zip(parts[::2], [*parts[1::2], -1], strict=True)]
