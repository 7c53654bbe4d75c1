"""Samples: windows that end at an utterance, with nothing of what comes later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.components import TextWindow, Turn
from ecef_cli.dialogue import words
from ecef_cli.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from ecef_cli.dialogue import Dialogue, Utterance

NO_TARGET = -100
"""The label number of a target that is not there; PyTorch's losses leave it out."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A window and what is asked of it.

    Attributes:
        split: the split it belongs to.
        number: position of its last utterance in the split's manifest, from 0.
        dialogue: number of its dialogue in the split.
        first: number of its first utterance in the dialogue.
        last: number of its last utterance in the dialogue.
        sizes: positions of each of its utterances, oldest first: one for the speaker and one for each word.
        targets: by task, the number of the label asked for, or `NO_TARGET`.
    """

    split: str
    number: int
    dialogue: int
    first: int
    last: int
    sizes: tuple[int, ...]
    targets: Mapping[str, int]

    @property
    def positions(self) -> int:
        """The window's length K."""
        return sum(self.sizes)

    @property
    def numbers(self) -> range:
        """Positions of the window's utterances in the split's manifest, oldest first."""
        return range(self.number - (self.last - self.first), self.number + 1)


def text_window(utterances: Sequence[Utterance]) -> TextWindow:
    """Return utterances as an encoder sees them; speakers are numbered in the order of first appearance."""
    speakers: dict[str, int] = {}
    return TextWindow(
        tuple(Turn(speakers.setdefault(u.speaker, len(speakers)), u.text, words(u.text)) for u in utterances)
    )


def turns_ago(sizes: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return (K,) how many utterances before the window's last one each position is spoken; 0 in the last.

    Args:
        sizes: positions of each utterance of the window, oldest first.
    """
    return np.repeat(np.arange(len(sizes) - 1, -1, -1), sizes)


def windows(dialogues: Sequence[Dialogue], history: int) -> Iterator[TextWindow]:
    """Yield the window that ends at each utterance: utterances max(1, n-history+1) … n."""
    for dialogue in dialogues:
        for last in range(len(dialogue.utterances)):
            yield text_window(dialogue.utterances[max(0, last - history + 1) : last + 1])


def samples(
    split: str, dialogues: Sequence[Dialogue], *, history: int, tasks: Sequence[str], labels: Sequence[str]
) -> list[Sample]:
    """Return one sample an utterance, with the targets of the tasks.

    ERC asks for the emotion of the window's last utterance, EPC for the emotion of the utterance that follows it
    in the dialogue. A sample without any target is still returned, so that numbers stay those of the manifest.

    Raises:
        DataError: an utterance has an emotion that is not among `labels`.
    """
    numbers = {label: number for number, label in enumerate(labels)}
    found: list[Sample] = []
    for d, dialogue in enumerate(dialogues):
        emotions = [_number(u, numbers) for u in dialogue.utterances] + [NO_TARGET]
        sizes = tuple(1 + len(words(u.text)) for u in dialogue.utterances)
        for last in range(len(dialogue.utterances)):
            first = max(0, last - history + 1)
            known = {"erc": emotions[last], "epc": emotions[last + 1]}
            found.append(
                Sample(
                    split=split,
                    number=len(found),
                    dialogue=d,
                    first=first,
                    last=last,
                    sizes=sizes[first : last + 1],
                    targets={task: known[task] for task in tasks},
                )
            )
    return found


def _number(utterance: Utterance, numbers: Mapping[str, int]) -> int:
    if utterance.emotion is None:
        return NO_TARGET
    try:
        return numbers[utterance.emotion]
    except KeyError:
        raise DataError(
            f"unknown emotion {utterance.emotion!r}",
            where=utterance.where,
            hint=did_you_mean(utterance.emotion, numbers),
        ) from None
