"""Samples: windows that end at an utterance, with nothing of what comes later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.api.components import TextWindow, Turn
from ecef_cli.api.dialogue import words
from ecef_cli.recipe.sections import SENTIMENT, Epc

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from ecef_cli.api.dialogue import Dialogue, Utterance
    from ecef_cli.recipe.labels import LabelSet

NO_TARGET = -100
"""The label number of a target that is not there; PyTorch's losses leave it out."""

UNKNOWN, SOMEBODY_NEW, SAME = range(3)
"""Who speaks next, as a number. From `SAME` on, the speakers of the window, the one who spoke last first."""

_RANKS = 8  # speakers of a window that are told apart; those who have been silent for longer share the last number
NEXT_SPEAKERS = SAME + _RANKS
"""How many such numbers there are."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A window and what is asked of it.

    Attributes:
        split: the split it belongs to.
        number: its place among the windows of the split, from 0.
        dialogue: number of its dialogue in the split.
        first: number of its first utterance in the dialogue.
        last: number of its last utterance in the dialogue.
        sizes: positions of each of its utterances, oldest first: one for the speaker and one for each word.
        targets: by task, and for `SENTIMENT`, the number of the label asked for, or `NO_TARGET`.
        next_speaker: whose utterance EPC asks about, as `next_speaker` numbers it; `UNKNOWN` where it is not told.
        rows: what `numbers` returns, where utterances of the manifest are left out; None where all are there.
    """

    split: str
    number: int
    dialogue: int
    first: int
    last: int
    sizes: tuple[int, ...]
    targets: Mapping[str, int]
    next_speaker: int = UNKNOWN
    rows: Sequence[int] | None = None

    @property
    def positions(self) -> int:
        """The window's length K."""
        return sum(self.sizes)

    @property
    def numbers(self) -> Sequence[int]:
        """Positions of the window's utterances in the split's manifest, oldest first."""
        if self.rows is not None:
            return self.rows
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


def windows(dialogues: Sequence[Dialogue], history: int | None) -> Iterator[TextWindow]:
    """Yield the window that ends at each utterance: utterances max(1, n-history+1) … n, or 1 … n without a history."""
    for dialogue in dialogues:
        for last in range(len(dialogue.utterances)):
            yield text_window(dialogue.utterances[_first(last, history) : last + 1])


def _first(last: int, history: int | None) -> int:
    return 0 if history is None else max(0, last - history + 1)


def next_speaker(heard: Sequence[str], speaker: str | None) -> int:
    """Return who speaks next, as a number: what a window can know of a speaker without the name.

    Args:
        heard: who speaks in the window, oldest first.
        speaker: who speaks next; None where that is not known.
    """
    if speaker is None:
        return UNKNOWN
    recent = list(dict.fromkeys(reversed(heard)))
    return SAME + min(recent.index(speaker), _RANKS - 1) if speaker in recent else SOMEBODY_NEW


def asked(speakers: Sequence[str], epc: Epc) -> list[int | None]:
    """Return of each utterance n of a dialogue which one EPC asks about where n is the last one heard; None for none.

    It is the first after n that the protocol's `target` allows, however far away. Where only the last utterance of
    the dialogue is asked about, that is done once, from as late as it can be.

    Args:
        speakers: who speaks, by utterance.
        epc: the protocol.
    """
    count = len(speakers)
    found: list[int | None] = [None] * count
    later: dict[str, int] = {}
    for n in range(count - 1, -1, -1):
        if epc.target == "own":
            found[n] = later.get(speakers[n])
        elif n + 1 < count:
            stays = epc.target == "other" and speakers[n + 1] == speakers[n]
            found[n] = found[n + 1] if stays else n + 1
        later[speakers[n]] = n
    latest = max((n for n in range(count) if found[n] == count - 1), default=None)
    return [m if n + 1 >= epc.min_history and (not epc.last_only or n == latest) else None for n, m in enumerate(found)]


def samples(
    split: str,
    dialogues: Sequence[Dialogue],
    *,
    history: int | None,
    tasks: Sequence[str],
    labels: Sequence[str],
    epc: Epc | None = None,
    rows: Sequence[int] | None = None,
    sentiments: LabelSet | None = None,
) -> list[Sample]:
    """Return one sample an utterance, with the targets of the tasks.

    ERC asks for the emotion of the window's last utterance, EPC for the emotion of one that comes after it. An emotion
    that is none of the labels is no target, and neither is one that is not known. A sample without any target is still
    returned, so that every utterance has one.

    Args:
        split: the split.
        dialogues: its dialogues.
        history: utterances in a window; None for all from the start of the dialogue.
        tasks: the tasks.
        labels: the emotions by number.
        epc: which utterance EPC asks about; the next one where None.
        rows: where each utterance stands in the split's manifest, where some of it are left out.
        sentiments: if given, that of the window's last utterance is a target of its own, `SENTIMENT`.
    """
    protocol = epc or Epc()
    numbers = {label: number for number, label in enumerate(labels)}
    found: list[Sample] = []
    for d, dialogue in enumerate(dialogues):
        emotions = [NO_TARGET if u.emotion is None else numbers.get(u.emotion, NO_TARGET) for u in dialogue.utterances]
        speakers = [u.speaker for u in dialogue.utterances]
        targets = asked(speakers, protocol)
        sizes = tuple(1 + len(words(u.text)) for u in dialogue.utterances)
        for last in range(len(dialogue.utterances)):
            first, place, target = _first(last, history), len(found), targets[last]
            known = {"erc": emotions[last], "epc": NO_TARGET if target is None else emotions[target]}
            wanted = {task: known[task] for task in tasks}
            if sentiments is not None:
                stated = sentiments.label_of(dialogue.utterances[last])
                wanted[SENTIMENT] = NO_TARGET if stated is None else sentiments.labels.index(stated)
            follows = speakers[target] if protocol.next_speaker and target is not None else None
            found.append(
                Sample(
                    split=split,
                    number=place,
                    dialogue=d,
                    first=first,
                    last=last,
                    sizes=sizes[first : last + 1],
                    targets=wanted,
                    next_speaker=next_speaker(speakers[first : last + 1], follows),
                    rows=None if rows is None else tuple(rows[place - last + first : place + 1]),
                )
            )
    return found
