"""Scores of predictions from scikit-learn, in per cent."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

METRICS = {"accuracy": "Acc", "weighted_f1": "W-F1", "uar": "UAR", "macro_f1": "M-F1"}
"""Metrics of decisions, with their headings in tables."""

PROBABILISTIC = {"ece": "ECE", "shift_deployable": "shift AUC", "shift_oracle": "oracle AUC"}
"""Metrics of probabilities, with their headings in tables; the last two are for prediction (EPC) only."""

MAIN = {"erc": "weighted_f1", "epc": "uar"}
"""Main metric of each task: the one that the field and the paper compare systems by."""

BINS = 15


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Scores of one emotion, in per cent; `support` counts its gold labels."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores over targets, in per cent.

    Attributes:
        accuracy: share of correct predictions.
        weighted_f1: F1 averaged by support (W-F1).
        uar: unweighted average recall over the emotions that occur as gold labels (UAR).
        macro_f1: unweighted average F1 over the same emotions (M-F1).
        targets: number of scored predictions.
        classes: scores of each emotion.
        confusion: counts, gold by row, predicted by column.
    """

    accuracy: float
    weighted_f1: float
    uar: float
    macro_f1: float
    targets: int
    classes: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the scores as plain values."""
        return asdict(self)


def score(gold: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], labels: Sequence[str]) -> Scores:
    """Return the scores of predictions.

    Args:
        gold: (N,) numbers of the gold labels, N > 0.
        predicted: (N,) numbers of the predicted labels.
        labels: the labels by number.
    """
    from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support, recall_score

    numbers = list(range(len(labels)))
    present = sorted(set(gold.tolist()))
    precision, recall, f1, support = precision_recall_fscore_support(gold, predicted, labels=numbers, zero_division=0)
    return Scores(
        accuracy=100 * float(np.mean(gold == predicted)),
        weighted_f1=100 * float(f1_score(gold, predicted, labels=numbers, average="weighted", zero_division=0)),
        uar=100 * float(recall_score(gold, predicted, labels=present, average="macro", zero_division=0)),
        macro_f1=100 * float(f1_score(gold, predicted, labels=present, average="macro", zero_division=0)),
        targets=len(gold),
        classes=tuple(
            ClassScores(label, 100 * float(precision[n]), 100 * float(recall[n]), 100 * float(f1[n]), int(support[n]))
            for n, label in enumerate(labels)
        ),
        confusion=tuple(map(tuple, confusion_matrix(gold, predicted, labels=numbers).tolist())),
    )


# --------------------------------------------------------------------------------------------- calibration


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions whose highest probability lies in (low, high]; `confidence` and `accuracy` are their means.

    Shares, not per cent; both means are 0 where `count` is.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration of probabilities.

    Attributes:
        ece: expected calibration error, in per cent.
        bins: the bins of a reliability diagram.
    """

    ece: float
    bins: tuple[Bin, ...]


def bin_numbers(confidence: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return (N,) the bin of each highest probability: `BINS` of equal width over (0, 1], each closed above."""
    inner = np.linspace(0, 1, BINS + 1)[1:-1]
    return np.searchsorted(inner, confidence, side="left").astype(np.int64)


def calibration(gold: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]) -> Calibration:
    """Return the expected calibration error of Guo et al. (2017) and its bins.

    ECE = sum over bins b of n_b / N * |accuracy_b - confidence_b|, over `BINS` bins of equal width of the highest
    probability.

    Args:
        gold: (N,) numbers of the gold labels, N > 0.
        probabilities: (N, labels).
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == gold
    numbers = bin_numbers(confidence)
    counts = np.bincount(numbers, minlength=BINS)
    sure, hits = (np.bincount(numbers, weights=w, minlength=BINS) for w in (confidence, right))
    filled = np.maximum(counts, 1)
    edges = np.linspace(0, 1, BINS + 1)
    return Calibration(
        100 * float(np.abs(hits - sure).sum() / len(gold)),
        tuple(
            Bin(float(edges[b]), float(edges[b + 1]), int(counts[b]), float(sure[b] / n), float(hits[b] / n))
            for b, n in enumerate(filled)
        ),
    )


# --------------------------------------------------------------------------------------------------- shift


@dataclass(frozen=True, slots=True)
class Shift:
    """Detection of emotion shifts: whether the target's emotion differs from the present one.

    Attributes:
        deployable: ROC-AUC, in per cent, of a score that needs no gold label; None if not measured.
        oracle: ROC-AUC, in per cent, of a score that uses the present gold label; None if not measured.
        targets: number of targets.
        shifts: number of targets that differ from the present.
        left_out: number of targets left out because the present has no gold label.
        missing: why `deployable` or `oracle` is None, else empty.
    """

    deployable: float | None
    oracle: float | None
    targets: int
    shifts: int
    left_out: int
    missing: str = ""


def roc_auc(shifted: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]) -> float | None:
    """Return the area under the ROC curve, in per cent, or None if all targets or none are shifts.

    Args:
        shifted: (N,) whether the emotion changes.
        scores: (N,) higher if a change is more probable.
    """
    from sklearn.metrics import roc_auc_score

    if shifted.all() or not shifted.any():
        return None
    return 100 * float(roc_auc_score(shifted, scores))
