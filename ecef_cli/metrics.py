"""Scores of predictions, by scikit-learn, in per cent as the field prints them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

METRICS = {"accuracy": "Acc", "weighted_f1": "W-F1", "uar": "UAR", "macro_f1": "M-F1"}
"""Metrics by their key, with the heading that tables give them."""


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Scores of one emotion, in per cent, and how often it is the gold label."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores over targets, in per cent.

    Attributes:
        accuracy: share of right predictions.
        weighted_f1: F1 averaged by support (W-F1).
        uar: unweighted average recall over the emotions that occur as gold labels (UAR).
        macro_f1: unweighted average F1 over the same emotions (M-F1).
        targets: how many predictions were scored.
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
