"""Metrics equal scikit-learn's, and the definitions that are written down."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn

from ecef_cli.runs.metrics import BINS, METRICS, calibration, roc_auc, score

LABELS = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")


def drawn(seed: int, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Return gold labels, of which some classes may have none, and probabilities that know a little of them."""
    random = np.random.default_rng(seed)
    gold = random.choice(len(LABELS), size=count, p=random.dirichlet(np.full(len(LABELS), 0.6)))
    logits = random.normal(size=(count, len(LABELS))) + 1.5 * np.eye(len(LABELS))[gold]
    return gold, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(20))
def test_scores_equal_those_of_scikit_learn_to_the_last_digit(seed: int) -> None:
    gold, probabilities = drawn(seed, 5 + 10 * seed)
    predicted = probabilities.argmax(axis=1)
    found = score(gold, predicted, LABELS)
    present = np.unique(gold)
    weighted = sklearn.f1_score(gold, predicted, labels=range(len(LABELS)), average="weighted", zero_division=0)
    assert found.accuracy == 100 * sklearn.accuracy_score(gold, predicted)
    assert found.weighted_f1 == 100 * weighted
    assert found.macro_f1 == 100 * sklearn.f1_score(gold, predicted, labels=present, average="macro", zero_division=0)
    # Balanced accuracy is scikit-learn's other name for the recall averaged over the classes that occur.
    assert found.uar == 100 * sklearn.recall_score(gold, predicted, labels=present, average="macro", zero_division=0)
    report = sklearn.classification_report(
        gold, predicted, labels=range(len(LABELS)), target_names=LABELS, output_dict=True, zero_division=0
    )
    for scores in found.classes:
        expected = report[scores.label]
        assert (scores.precision, scores.recall, scores.f1) == tuple(
            100 * expected[key] for key in ("precision", "recall", "f1-score")
        )
        assert scores.support == expected["support"]
    assert np.array_equal(found.confusion, sklearn.confusion_matrix(gold, predicted, labels=range(len(LABELS))))
    assert found.targets == len(gold)


def test_uar_is_balanced_accuracy() -> None:
    gold, probabilities = drawn(3)
    gold[: len(LABELS)] = range(len(LABELS))
    predicted = probabilities.argmax(axis=1)
    expected = 100 * sklearn.balanced_accuracy_score(gold, predicted)
    assert score(gold, predicted, LABELS).uar == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_calibration_error_is_the_sum_over_bins_of_their_share_times_their_gap(seed: int) -> None:
    gold, probabilities = drawn(seed)
    found = calibration(gold, probabilities)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == gold
    expected = 0.0
    for number, shown in enumerate(found.bins):
        low, high = number / BINS, (number + 1) / BINS
        inside = (confidence > low) & (confidence <= high)
        assert (shown.low, shown.high) == pytest.approx((low, high))
        assert shown.count == inside.sum()
        if inside.any():
            assert shown.confidence == pytest.approx(confidence[inside].mean())
            assert shown.accuracy == pytest.approx(right[inside].mean())
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert found.ece == pytest.approx(100 * expected, abs=1e-10)
    assert len(found.bins) == BINS == 15


def test_one_who_is_always_sure_and_half_the_time_right_is_off_by_half() -> None:
    gold = np.array([0, 1, 0, 1])
    assert calibration(gold, np.tile([1.0, 0.0], (4, 1))).ece == pytest.approx(50)
    assert calibration(gold, np.tile([0.5, 0.5], (4, 1))).ece == pytest.approx(0)


def test_bins_are_closed_above() -> None:
    edge = 9 / BINS
    counts = [b.count for b in calibration(np.array([0]), np.array([[edge, 1 - edge]])).bins]
    assert counts.index(1) == 8
    counts = [b.count for b in calibration(np.array([0]), np.array([[1.0, 0.0]])).bins]
    assert counts.index(1) == BINS - 1


def test_the_area_under_the_roc_curve_counts_pairs() -> None:
    shifted, scores = np.array([True, True, False, False]), np.array([0.9, 0.4, 0.4, 0.1])
    assert roc_auc(shifted, scores) == pytest.approx(100 * 3.5 / 4)
    assert roc_auc(np.array([True, True]), np.array([0.1, 0.2])) is None


def test_the_metrics_of_a_training_are_the_four_of_the_papers_tables() -> None:
    assert set(METRICS) == {"accuracy", "weighted_f1", "uar", "macro_f1"}
