"""Targets of a task in a split, with the information available at prediction time."""

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

FIRST = NOT_GIVEN = 0
SAME, OTHER = 1, 2
"""Speaker of n-1: none, the same, another. Speaker of the target: not given, the same, another."""


_FOLLOWING = {windows.UNKNOWN: NOT_GIVEN, windows.SAME: SAME}


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Targets of a task in a split, each with the utterance n that its window ends at.

    Attributes:
        task: `erc` or `epc`.
        labels: the emotions by number.
        gold: (N,) numbers of the gold labels.
        dialogue: (N,) number of each target's dialogue among the dialogues that have targets, from 0 without gaps.
        dialogues: number of dialogues with targets.
        current: (N,) number of the gold label of utterance n, or `NO_TARGET` if it has none.
        before: (N,) `FIRST`, `SAME` or `OTHER`: whether the speaker of n spoke n-1 too.
        following: (N,) `SAME` or `OTHER`: whether the speaker of n also speaks the target, if the protocol gives
            the next speaker; else `NOT_GIVEN`, because it is in the future.
        identities: (N,) dialogue, utterance and text of n, which identify the target.
        key: hash of the manifests.
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
        """Whether the target differs from the label of utterance n, (N,); undefined if that is unknown."""
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
        dialogues: their dialogues.
        labels: the emotions by number.
        key: hash of the manifests.
        dataset: the dataset's name.
    """
    numbers = {label: number for number, label in enumerate(labels)}
    targeted = [sample for sample in samples if sample.targets[task] != NO_TARGET]
    turns = [dialogues[sample.dialogue].utterances for sample in targeted]
    present = [utterances[sample.last] for sample, utterances in zip(targeted, turns, strict=True)]
    _, dense = np.unique(np.asarray([sample.dialogue for sample in targeted], dtype=np.int64), return_inverse=True)
    return Targets(
        task=task,
        labels=tuple(labels),
        gold=_array([sample.targets[task] for sample in targeted]),
        dialogue=dense.astype(np.int64),
        dialogues=int(dense.max()) + 1 if targeted else 0,
        current=_array([NO_TARGET if u.emotion is None else numbers.get(u.emotion, NO_TARGET) for u in present]),
        before=_array([_before(u, s.last) for s, u in zip(targeted, turns, strict=True)]),
        following=_array([_FOLLOWING.get(sample.next_speaker, OTHER) for sample in targeted]),
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


def require_same_targets(one: Targets, other: Targets, names: tuple[str, str]) -> None:
    """Check that two runs have the same targets, so that they can be compared.

    Args:
        one: the targets of the first run.
        other: the targets of the second.
        names: the names of the runs.

    Raises:
        DataError: the targets differ; the error describes the difference.
    """
    differing = []
    if one.key != other.key:
        manifests = [f"{t.dataset} ({t.key})" for t in (one, other)]
        differing.append(f"the manifests are {' and '.join(manifests)}")
    if one.labels != other.labels:
        differing.append(f"the emotions are {', '.join(one.labels)} and {', '.join(other.labels)}")
    if len(one.gold) != len(other.gold):
        differing.append(f"there are {len(one.gold):,} and {len(other.gold):,} targets")
    pairs = zip(_described(one), _described(other), strict=False)
    first = next((number for number, pair in enumerate(pairs) if pair[0] != pair[1]), None)
    if first is not None:
        found = [_described(targets)[first] for targets in (one, other)]
        shown = [f"{dialogue}/{utterance} -> {gold}" for dialogue, utterance, _, gold in found]
        differing.append(
            f"the first different target is number {first + 1}, {' and '.join(shown)}"
            + ("" if shown[0] != shown[1] else ", whose texts differ")
        )
    if differing:
        raise DataError(
            f"{names[0]} and {names[1]} cannot be compared, because their {one.task.upper()} targets differ: "
            + "; ".join(differing),
            hint="use --label-map SET to measure both by the same labels"
            if one.key == other.key and one.labels != other.labels
            else "evaluate both on one dataset with --dataset, under the same protocol",
        )


def _described(targets: Targets) -> list[tuple[str, str | int, str, str]]:
    return [
        (*identity, targets.labels[gold])
        for identity, gold in zip(targets.identities, targets.gold.tolist(), strict=True)
    ]
