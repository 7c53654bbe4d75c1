"""Per-dialogue statistics for the bootstrap: metrics of a resampled split cost one matrix product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.runs.metrics import BINS, bin_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    import numpy.typing as npt

    from ecef_cli.evaluation.baselines import Forecast
    from ecef_cli.evaluation.targets import Targets

    Floats = npt.NDArray[np.float64]
    Numbers = npt.NDArray[np.int64]

_AT_ONCE = 400_000  # products of draws and targets in memory


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Targets in the order of a score, for ROC-AUC with weights.

    Attributes:
        shifted: (P,) the dialogue of each target with a shift.
        stayed: (Q,) the dialogue of each target without one, by ascending score.
        below: (P,) number of `stayed` with a score below that of the shift.
        upto: (P,) number of `stayed` with a score not above it.
    """

    shifted: Numbers
    stayed: Numbers
    below: Numbers
    upto: Numbers

    @classmethod
    def of(cls, shifted: npt.NDArray[np.bool_], scores: Floats, dialogue: Numbers) -> Self:
        """Return targets in order of their scores, all (N,)."""
        low, high = scores[~shifted], scores[shifted]
        order = np.argsort(low, kind="stable")
        low = low[order]
        return cls(
            dialogue[shifted],
            dialogue[~shifted][order],
            np.searchsorted(low, high, side="left"),
            np.searchsorted(low, high, side="right"),
        )

    def auc(self, weights: Floats) -> Floats:
        """Return (R,) weighted shares of pairs of a shift and a stay with scores in order; ties count half.

        Args:
            weights: (R, dialogues); a row without a shift or without a stay gives NaN.
        """
        found = np.full(len(weights), np.nan)
        step = max(1, _AT_ONCE // max(1, len(self.shifted) + len(self.stayed)))
        for start in range(0, len(weights), step):
            # Dialogues by row, because gathering whole rows is fastest.
            part = np.ascontiguousarray(weights[start : start + step].T)
            passed = np.zeros((len(self.stayed) + 1, part.shape[1]))
            np.cumsum(part[self.stayed], axis=0, out=passed[1:])
            ups = part[self.shifted]
            ordered = np.einsum("pr,pr->r", ups, passed[self.below]) + np.einsum("pr,pr->r", ups, passed[self.upto])
            with np.errstate(invalid="ignore", divide="ignore"):
                found[start : start + step] = ordered / (2 * ups.sum(axis=0) * passed[-1])
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Counts of a forecast by dialogue.

    Attributes:
        confusion: (dialogues, labels, labels), gold by row, predicted by column.
        bins: (dialogues, `BINS`), correct predictions minus the sum of highest probabilities.
        ranked: the targets in order of a score, by the metric's key, if measured.
    """

    confusion: Floats
    bins: Floats
    ranked: Mapping[str, Ranked]

    @classmethod
    def of(cls, targets: Targets, forecast: Forecast) -> Self:
        """Return the counts of a forecast."""
        count = len(targets.labels)
        confusion = np.zeros((targets.dialogues, count, count))
        np.add.at(confusion, (targets.dialogue, targets.gold, forecast.predicted), 1)
        confidence = forecast.probabilities.max(axis=1)
        bins = np.zeros((targets.dialogues, BINS))
        surplus = (forecast.predicted == targets.gold) - confidence
        np.add.at(bins, (targets.dialogue, bin_numbers(confidence)), surplus)
        ranked = {
            key: Ranked.of(targets.shifted[targets.known], scores[targets.known], targets.dialogue[targets.known])
            for key, scores in shift_scores(forecast).items()
        }
        return cls(confusion, bins, ranked)

    @classmethod
    def mixed(cls, targets: Targets, one: Forecast, other: Forecast) -> Self:
        """Return the counts of two forecasts of the same targets, each dialogue twice: `one` first, then `other`.

        Weights that choose one of the two for each dialogue give the metrics of a mixed forecast. The two forecasts'
        scores of a change may have different scales, so ranks replace them, which does not change their ROC-AUC.
        """
        parts = [cls.of(targets, forecast) for forecast in (one, other)]
        scores = [shift_scores(forecast) for forecast in (one, other)]
        known = targets.known
        twice = np.concatenate([targets.dialogue[known], targets.dialogue[known] + targets.dialogues])
        ranked = {
            key: Ranked.of(
                np.tile(targets.shifted[known], 2), np.concatenate([_ranks(s[key][known]) for s in scores]), twice
            )
            for key in scores[0].keys() & scores[1].keys()
        }
        confusion, bins = (np.concatenate([getattr(part, name) for part in parts]) for name in ("confusion", "bins"))
        return cls(confusion, bins, ranked)

    def metrics(self, weights: Floats) -> dict[str, Floats]:
        """Return each metric, (R,) in per cent, of splits with each dialogue repeated `weights` times.

        Equal to the metrics of `ecef_cli.runs.metrics` on such a split.

        Args:
            weights: (R, dialogues).
        """
        count = self.confusion.shape[1]
        confusion = (weights @ self.confusion.reshape(len(self.confusion), -1)).reshape(-1, count, count)
        right = np.diagonal(confusion, axis1=1, axis2=2)
        support, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
        occurs = support > 0
        present, total = occurs.sum(axis=1), support.sum(axis=1)
        recall = right / np.where(occurs, support, 1)
        f1 = 2 * right / np.where(support + predicted > 0, support + predicted, 1)
        found = {
            "accuracy": right.sum(axis=1) / total,
            "weighted_f1": (f1 * support).sum(axis=1) / total,
            "uar": recall.sum(axis=1) / present,
            "macro_f1": (f1 * occurs).sum(axis=1) / present,
            "ece": np.abs(weights @ self.bins).sum(axis=1) / total,
            **{key: ranked.auc(weights) for key, ranked in self.ranked.items()},
        }
        return {key: 100 * values for key, values in found.items()}


def shift_scores(forecast: Forecast) -> dict[str, Floats]:
    """Return the scores of a change of a forecast, by the metric's key."""
    scores = {"shift_deployable": forecast.deployable, "shift_oracle": forecast.oracle}
    return {key: values for key, values in scores.items() if values is not None}


def _ranks(scores: Floats) -> Floats:
    """Return (N,) ranks; equal scores share their mean rank."""
    ordered = np.sort(scores)
    return (np.searchsorted(ordered, scores, side="left") + np.searchsorted(ordered, scores, side="right")) / 2
