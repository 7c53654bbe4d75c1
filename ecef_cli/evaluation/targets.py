"""What is asked of a model in a split, and what is known when it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.api.errors import DataError
from ecef_cli.samples import windows
from ecef_cli.samples.windows import NO_TARGET

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from ecef_cli.api.dialogue import Dialogue, Utterance
    from ecef_cli.samples.windows import Sample

FIRST = UNTOLD = 0
SAME, OTHER = 1, 2
"""Who spoke before: nobody, the same speaker, another one. Whose the target is: not told, the same one's, another's."""


_TOLD = {windows.UNKNOWN: UNTOLD, windows.SAME: SAME}


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """The targets of a task in a split, each at the utterance n at which it is asked for.

    Attributes:
        task: `erc` or `epc`.
        labels: the emotions by number.
        gold: (N,) numbers of the gold labels.
        dialogue: (N,) number of each target's dialogue among the dialogues that have targets, from 0 without gaps.
        dialogues: how many dialogues have targets.
        current: (N,) number of the gold label of utterance n, or `NO_TARGET` where it has none.
        before: (N,) `FIRST`, `SAME` or `OTHER`: whether the speaker of n spoke n-1 too.
        following: (N,) `SAME` or `OTHER`: whether the target is of the speaker of n too, which is of the future and
            there only where the protocol tells it; `UNTOLD` where it does not.
        identities: (N,) dialogue, utterance and text of n, which make out the target.
        key: hash of the manifests that they are from.
        dataset: the dataset's name.
    """

    task: str
    labels: tuple[str, ...]
    gold: npt.NDArray[np.int64]
    dialogue: npt.NDArray[np.int64]
    dialogues: int
    current: npt.NDArray[np.int64]
    before: npt.NDArray[np.int64]
    following: npt.NDArray[np.int64]
    identities: tuple[tuple[str, str | int, str], ...]
    key: str
    dataset: str

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether utterance n has a gold label, (N,)."""
        return np.not_equal(self.current, NO_TARGET)

    @property
    def shifted(self) -> npt.NDArray[np.bool_]:
        """Whether the target differs from the label of utterance n, (N,); means nothing where that is not known."""
        return np.not_equal(self.current, self.gold)


def find_targets(
    task: str,
    samples: Sequence[Sample],
    dialogues: Sequence[Dialogue],
    labels: Sequence[str],
    *,
    key: str = "",
    dataset: str = "",
) -> Targets:
    """Return the targets of a task among samples.

    Args:
        task: the task.
        samples: all samples of a split.
        dialogues: the dialogues that they are of.
        labels: the emotions by number.
        key: hash of the manifests.
        dataset: the dataset's name.
    """
    numbers = {label: number for number, label in enumerate(labels)}
    asked = [sample for sample in samples if sample.targets[task] != NO_TARGET]
    turns = [dialogues[sample.dialogue].utterances for sample in asked]
    present = [utterances[sample.last] for sample, utterances in zip(asked, turns, strict=True)]
    _, dense = np.unique(np.asarray([sample.dialogue for sample in asked], dtype=np.int64), return_inverse=True)
    return Targets(
        task=task,
        labels=tuple(labels),
        gold=_array([sample.targets[task] for sample in asked]),
        dialogue=dense.astype(np.int64),
        dialogues=int(dense.max()) + 1 if asked else 0,
        current=_array([NO_TARGET if u.emotion is None else numbers.get(u.emotion, NO_TARGET) for u in present]),
        before=_array([_before(u, s.last) for s, u in zip(asked, turns, strict=True)]),
        following=_array([_TOLD.get(sample.next_speaker, OTHER) for sample in asked]),
        identities=tuple((u.dialogue, u.utterance, u.text) for u in present),
        key=key,
        dataset=dataset,
    )


def _array(values: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.asarray(values, dtype=np.int64)


def _before(utterances: Sequence[Utterance], last: int) -> int:
    if last == 0:
        return FIRST
    return SAME if utterances[last - 1].speaker == utterances[last].speaker else OTHER


def require_same(one: Targets, other: Targets, names: tuple[str, str]) -> None:
    """Check that two runs were asked the same, so that they can be compared target by target.

    Args:
        one: the targets of the first run.
        other: the targets of the second.
        names: what the runs are called.

    Raises:
        DataError: they were not; the error says what differs.
    """
    differing = []
    if one.key != other.key:
        manifests = [f"{t.dataset} ({t.key})" for t in (one, other)]
        differing.append(f"the manifests are {' and '.join(manifests)}")
    if one.labels != other.labels:
        differing.append(f"the emotions are {', '.join(one.labels)} and {', '.join(other.labels)}")
    if len(one.gold) != len(other.gold):
        differing.append(f"there are {len(one.gold):,} and {len(other.gold):,} targets")
    place = next((n for n, pair in enumerate(zip(_told(one), _told(other), strict=False)) if pair[0] != pair[1]), None)
    if place is not None:
        found = [_told(targets)[place] for targets in (one, other)]
        shown = [f"{dialogue}/{utterance} -> {gold}" for dialogue, utterance, _, gold in found]
        differing.append(
            f"the first that differs is number {place + 1}, {' and '.join(shown)}"
            + ("" if shown[0] != shown[1] else ", whose texts differ")
        )
    if differing:
        raise DataError(
            f"{names[0]} and {names[1]} cannot be compared, as their {one.task.upper()} targets differ: "
            + "; ".join(differing),
            hint="--label-map SET measures both by the labels of a set"
            if one.key == other.key and one.labels != other.labels
            else "evaluate both on the same dataset with --dataset, by the same protocol",
        )


def _told(targets: Targets) -> list[tuple[str, str | int, str, str]]:
    return [(*who, targets.labels[gold]) for who, gold in zip(targets.identities, targets.gold.tolist(), strict=True)]
