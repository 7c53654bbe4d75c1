"""Samples: windows that end at an utterance and exclude later ones."""

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
"""Label number of a missing target; PyTorch's losses ignore it."""

UNKNOWN, SOMEBODY_NEW, SAME = range(3)
"""Numbers of the next speaker. From `SAME` on, the speakers of the window, the most recent first."""

_RANKS = 8  # distinct speakers of a window; less recent speakers share the last number
NEXT_SPEAKERS = SAME + _RANKS
"""Count of these numbers."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A window and its targets.

    Attributes:
        split: the split it belongs to.
        number: its index among the windows of the split, from 0.
        dialogue: number of its dialogue in the split.
        first: number of its first utterance in the dialogue.
        last: number of its last utterance in the dialogue.
        sizes: positions of each of its utterances, oldest first: one for the speaker and one per word.
        targets: number of the target's label or `NO_TARGET`, by task and for `SENTIMENT`.
        next_speaker: speaker of EPC's target, as numbered by `next_speaker`; `UNKNOWN` if the network must not know.
        rows: the value of `numbers` if utterances of the manifest are left out, else None.
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
    """Return utterances as an encoder's input, with speakers numbered in the order of first appearance."""
    speakers: dict[str, int] = {}
    return TextWindow(
        tuple(Turn(speakers.setdefault(u.speaker, len(speakers)), u.spoken, words(u.spoken)) for u in utterances)
    )


def turns_ago(sizes: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return (K,) number of utterances between each position and the window's last utterance; 0 in the last.

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
    """Return the number of the next speaker, which identifies a speaker within a window without the name.

    Args:
        heard: speakers of the window's utterances, oldest first.
        speaker: the next speaker; None if unknown.
    """
    if speaker is None:
        return UNKNOWN
    recent = list(dict.fromkeys(reversed(heard)))
    return SAME + min(recent.index(speaker), _RANKS - 1) if speaker in recent else SOMEBODY_NEW


def asked(speakers: Sequence[str], epc: Epc) -> list[int | None]:
    """Return EPC's target for the window that ends at each utterance n of a dialogue; None for no target.

    The target is the first utterance after n that the protocol's `target` allows, however far away. If only the last
    utterance of the dialogue is a target, it is the target of the latest possible window alone.

    Args:
        speakers: the speaker of each utterance.
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
    """Return one sample per utterance, with the targets of the tasks.

    The target of ERC is the emotion of the window's last utterance, that of EPC the emotion of a later one. An unknown
    emotion, or one that is not a label, is not a target. Samples without a target are included, so that every utterance
    has a sample.

    Args:
        split: the split.
        dialogues: its dialogues.
        history: utterances in a window; None for all from the start of the dialogue.
        tasks: the tasks.
        labels: the emotions by number.
        epc: the protocol of EPC; None for the default, the next utterance.
        rows: index of each utterance in the split's manifest, if utterances are left out.
        sentiments: labels of the auxiliary target `SENTIMENT`, the sentiment of the window's last utterance.
    """
    protocol = epc or Epc()
    numbers = {label: number for number, label in enumerate(labels)}
    found: list[Sample] = []
    for d, dialogue in enumerate(dialogues):
        emotions = [NO_TARGET if u.emotion is None else numbers.get(u.emotion, NO_TARGET) for u in dialogue.utterances]
        speakers = [u.speaker for u in dialogue.utterances]
        targets = asked(speakers, protocol)
        sizes = tuple(1 + len(words(u.spoken)) for u in dialogue.utterances)
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
