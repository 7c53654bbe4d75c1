"""Forecasts that need no model of the dialogue; a model that does not beat them has not shown that it has one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.evaluation.targets import FIRST, OTHER, SAME
from ecef_cli.samples.windows import NO_TARGET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    import numpy.typing as npt

    from ecef_cli.evaluation.targets import Targets

BACKOFF = 10.0
"""How many observations a distribution that is backed off to weighs as much as."""

_CONDITIONS = 1 + max(FIRST, SAME, OTHER)


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """What a model or a baseline says of targets.

    Attributes:
        probabilities: (N, labels) float64.
        deployable: (N,) scores of a change of emotion that need no gold label, or None.
        oracle: (N,) such scores that know the gold label of the present, or None where the task has no change.
        missing: why a score is None.
    """

    probabilities: npt.NDArray[np.float64]
    deployable: npt.NDArray[np.float64] | None = None
    oracle: npt.NDArray[np.float64] | None = None
    missing: str = ""

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """The most probable label of each target, (N,); the first of several that are."""
        best: npt.NDArray[np.int64] = np.argmax(self.probabilities, axis=1)
        return best


def forecast(
    targets: Targets,
    probabilities: npt.NDArray[np.floating],
    recognised: npt.NDArray[np.floating] | None,
    *,
    gold: bool = False,
) -> Forecast:
    """Return probabilities with the scores of a change that follow from them.

    Deployable: 1 - sum over c of p_erc(c) p(c), which is the probability that the two differ where they are
    independent. Oracle: 1 - p(y_n).

    Args:
        targets: what they are of.
        probabilities: (N, labels) of the targets.
        recognised: (N, labels) of the present, from a model that recognises it; None where there is none.
        gold: whether `probabilities` know the gold label of the present, so that nothing of them is deployable.
    """
    found = np.asarray(probabilities, dtype=np.float64)
    if targets.task == "erc":
        return Forecast(found)
    oracle = 1 - np.take_along_axis(found, np.maximum(targets.current, 0)[:, None], axis=1)[:, 0]
    if gold:
        return Forecast(found, None, oracle, "it knows the gold label of the present")
    if recognised is None:
        return Forecast(found, None, oracle, "the run has no recognition (ERC)")
    return Forecast(found, 1 - (np.asarray(recognised, dtype=np.float64) * found).sum(axis=1), oracle)


@dataclass(frozen=True, slots=True, eq=False)
class Transitions:
    """How often one emotion follows another in training, with backoff to what is less particular.

    P(y' | y, k) = (n(k, y, y') + a P(y' | y)) / (n(k, y) + a), where P(y' | y) is backed off to P(y') in the same way
    and P(y') is smoothed by one observation of each label; k is what is known of the speakers and a is `BACKOFF`.

    Attributes:
        base: (labels,) P(y').
        plain: (labels, labels) P(y' | y), y by row.
        rows: (conditions, labels, labels) P(y' | y, k).
        following: whether k is about whose the target is rather than about who spoke before.
    """

    base: npt.NDArray[np.float64]
    plain: npt.NDArray[np.float64]
    rows: npt.NDArray[np.float64]
    following: bool

    @classmethod
    def fit(cls, train: Targets, *, following: bool = False) -> Self:
        """Return the transitions of the training targets whose present has a gold label.

        Args:
            train: the targets of the train split.
            following: whether to condition on whose the target is, which only a task that is told may do, rather than
                on whether the present speaker also spoke before.
        """
        count = len(train.labels)
        frequencies = np.bincount(train.gold, minlength=count) + 1.0
        base = frequencies / frequencies.sum()
        seen = np.zeros((_CONDITIONS, count, count))
        known = train.known
        condition = train.following if following else train.before
        np.add.at(seen, (condition[known], train.current[known], train.gold[known]), 1)
        plain = _backed_off(seen.sum(axis=0), base)
        return cls(base, plain, _backed_off(seen, plain), following)

    def forecast(self, targets: Targets, current: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return (N, labels) probabilities of the targets.

        Args:
            targets: the targets; of them, only what `following` allows to know is read.
            current: (N,) the label of the present, gold or predicted; where it is `NO_TARGET`, P(y') answers.
        """
        known = current != NO_TARGET
        found = self._of(targets)[np.arange(len(current)), np.maximum(current, 0)]
        return np.asarray(np.where(known[:, None], found, self.base))

    def marginal(
        self, targets: Targets, recognised: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return what follows where the present is only known as a distribution.

        Args:
            targets: as of `forecast`.
            recognised: (N, labels) of the present.

        Returns:
            (N, labels) probabilities, sum over c of p_erc(c) P(y' | c, k), and the (N,) probability of a change,
            sum over c of p_erc(c) (1 - P(c | c, k)).
        """
        rows = self._of(targets)
        stays = np.einsum("nc,ncc->n", recognised, rows)
        return np.einsum("nc,ncd->nd", recognised, rows), recognised.sum(axis=1) - stays

    def _of(self, targets: Targets) -> npt.NDArray[np.float64]:
        """Return (N, labels, labels), the matrix of each target's speakers."""
        found: npt.NDArray[np.float64] = self.rows[targets.following if self.following else targets.before]
        return found


def _backed_off(seen: npt.NDArray[np.float64], to: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = (seen + BACKOFF * to) / (seen.sum(axis=-1, keepdims=True) + BACKOFF)
    return found


def certain(labels: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.float64]:
    """Return (N, count) probabilities that say each label for sure."""
    found: npt.NDArray[np.float64] = np.eye(count)[labels]
    return found


def baselines(
    train: Targets | None,
    targets: Targets,
    recognised: npt.NDArray[np.floating] | None,
    *,
    next_speaker: bool = False,
) -> Iterator[tuple[str, Forecast]]:
    """Yield the baselines of a task by name; nothing but the train split is fitted to.

    Args:
        train: the targets of the train split, or None where there are none: what is fitted is then left out.
        targets: the targets that are forecast.
        recognised: (N, labels) what a model recognises at each target's utterance n; None where it does not.
        next_speaker: whether the model is told whose the targets are.
    """
    count = len(targets.labels)
    base = np.full((len(targets.gold), count), 1 / count)
    if train is not None:
        base[:] = np.bincount(train.gold, minlength=count) / len(train.gold)
        yield "majority", forecast(targets, base, recognised)
    if targets.task == "erc":
        return
    last = np.where(targets.known[:, None], certain(np.maximum(targets.current, 0), count), base)
    yield "repeat-last (gold)", forecast(targets, last, None, gold=True)
    present = None if recognised is None else np.asarray(recognised, dtype=np.float64)
    if present is not None:
        yield "repeat-last (predicted)", forecast(targets, certain(present.argmax(axis=1), count), present)
    if train is None:
        return
    for following in (False, True)[: 1 + next_speaker]:
        yield from _transitions(Transitions.fit(train, following=following), targets, present)


def _transitions(
    fitted: Transitions, targets: Targets, recognised: npt.NDArray[np.float64] | None
) -> Iterator[tuple[str, Forecast]]:
    addition = ", next speaker known" if fitted.following else ""
    yield f"transition (gold{addition})", forecast(targets, fitted.forecast(targets, targets.current), None, gold=True)
    if recognised is None:
        return
    hard = fitted.forecast(targets, recognised.argmax(axis=1))
    yield f"transition (predicted{addition})", forecast(targets, hard, recognised)
    soft, change = fitted.marginal(targets, recognised)
    oracle = forecast(targets, soft, recognised).oracle
    yield f"transition (predicted, soft{addition})", Forecast(soft, change, oracle)
