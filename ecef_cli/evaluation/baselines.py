"""Model-free baselines."""

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
"""Weight of the backoff distribution, in observations."""

_CONDITIONS = 1 + max(FIRST, SAME, OTHER)


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Forecast of a model or a baseline for targets.

    Attributes:
        probabilities: (N, labels) float64.
        deployable: (N,) scores of a change of emotion without gold labels, or None.
        oracle: (N,) scores of a change that use the gold label of utterance n, or None for recognition (ERC).
        missing: the reason why a score is None.
    """

    probabilities: npt.NDArray[np.float64]
    deployable: npt.NDArray[np.float64] | None = None
    oracle: npt.NDArray[np.float64] | None = None
    missing: str = ""

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """The most probable label of each target, (N,); the first if several are equal."""
        best: npt.NDArray[np.int64] = np.argmax(self.probabilities, axis=1)
        return best


def forecast(
    targets: Targets,
    probabilities: npt.NDArray[np.floating],
    recognised: npt.NDArray[np.floating] | None,
    *,
    gold: bool = False,
    change: npt.NDArray[np.floating] | None = None,
) -> Forecast:
    """Return probabilities with the scores of a change derived from them.

    Deployable: `change`, or else 1 - sum over c of p_erc(c) p(c), the probability that the two differ if they are
    independent. Oracle: 1 - p(y_n).

    Args:
        targets: the targets.
        probabilities: (N, labels) of the targets.
        recognised: (N, labels) of utterance n, from a model with recognition; None without one.
        gold: whether `probabilities` use the gold label of utterance n, and so are not deployable.
        change: (N,) probability of a change by the model, or None.
    """
    found = np.asarray(probabilities, dtype=np.float64)
    if targets.task == "erc":
        return Forecast(found)
    oracle = 1 - np.take_along_axis(found, np.maximum(targets.current, 0)[:, None], axis=1)[:, 0]
    if gold:
        return Forecast(found, None, oracle, "it uses the gold label of the current utterance")
    if recognised is None:
        return Forecast(found, None, oracle, "the run has no recognition (ERC)")
    if change is None:
        change = 1 - (np.asarray(recognised, dtype=np.float64) * found).sum(axis=1)
    return Forecast(found, np.asarray(change, dtype=np.float64), oracle)


@dataclass(frozen=True, slots=True, eq=False)
class Transitions:
    """Transition probabilities between emotions in training, with backoff.

    P(y' | y, k) = (n(k, y, y') + a P(y' | y)) / (n(k, y) + a). P(y' | y) backs off to P(y') in the same way, and P(y')
    is smoothed by one observation of each label. k describes the speakers, and a is `BACKOFF`.

    Attributes:
        base: (labels,) P(y').
        plain: (labels, labels) P(y' | y), y by row.
        rows: (conditions, labels, labels) P(y' | y, k).
        following: whether k describes the speaker of the target instead of the previous speaker.
    """

    base: npt.NDArray[np.float64]
    plain: npt.NDArray[np.float64]
    rows: npt.NDArray[np.float64]
    following: bool

    @classmethod
    def fit(cls, train: Targets, *, following: bool = False) -> Self:
        """Return the transitions of the training targets whose utterance n has a gold label.

        Args:
            train: the targets of the train split.
            following: whether to condition on the speaker of the target, if the protocol gives it, instead of on
                whether the current speaker also spoke before.
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
            targets: the targets; only their speaker information is used.
            current: (N,) the label of utterance n, gold or predicted; P(y') is used for `NO_TARGET`.
        """
        known = current != NO_TARGET
        found = self._of(targets)[np.arange(len(current)), np.maximum(current, 0)]
        return np.asarray(np.where(known[:, None], found, self.base))

    def marginal(
        self, targets: Targets, recognised: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the forecast from a distribution over the emotion of utterance n.

        Args:
            targets: as in `forecast`.
            recognised: (N, labels) of utterance n.

        Returns:
            (N, labels) probabilities, sum over c of p_erc(c) P(y' | c, k), and the (N,) probability of a change,
            sum over c of p_erc(c) (1 - P(c | c, k)).
        """
        rows = self._of(targets)
        stays = np.einsum("nc,ncc->n", recognised, rows)
        return np.einsum("nc,ncd->nd", recognised, rows), recognised.sum(axis=1) - stays

    def _of(self, targets: Targets) -> npt.NDArray[np.float64]:
        """Return (N, labels, labels), the transition matrix for each target's speakers."""
        found: npt.NDArray[np.float64] = self.rows[targets.following if self.following else targets.before]
        return found


def _backed_off(seen: npt.NDArray[np.float64], to: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = (seen + BACKOFF * to) / (seen.sum(axis=-1, keepdims=True) + BACKOFF)
    return found


def one_hot(labels: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.float64]:
    """Return (N, count) probabilities of 1 for each label."""
    found: npt.NDArray[np.float64] = np.eye(count)[labels]
    return found


def baselines(
    train: Targets | None,
    targets: Targets,
    recognised: npt.NDArray[np.floating] | None,
    *,
    next_speaker: bool = False,
) -> Iterator[tuple[str, Forecast]]:
    """Yield the baselines of a task by name, fitted only to the train split.

    Args:
        train: the targets of the train split; None skips baselines that are fitted.
        targets: the targets to forecast.
        recognised: (N, labels) probabilities recognised at each target's utterance n; None without recognition.
        next_speaker: whether the model knows the speakers of the targets.
    """
    count = len(targets.labels)
    base = np.full((len(targets.gold), count), 1 / count)
    if train is not None:
        base[:] = np.bincount(train.gold, minlength=count) / len(train.gold)
        yield "majority", forecast(targets, base, recognised)
    if targets.task == "erc":
        return
    last = np.where(targets.known[:, None], one_hot(np.maximum(targets.current, 0), count), base)
    yield "repeat-last (gold)", forecast(targets, last, None, gold=True)
    present = None if recognised is None else np.asarray(recognised, dtype=np.float64)
    if present is not None:
        yield "repeat-last (predicted)", forecast(targets, one_hot(present.argmax(axis=1), count), present)
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
