"""Counts by dialogue, and the bootstrap over dialogues and seeds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from forecasts import made_forecast, made_targets, taken
from narrow import present
from sklearn.metrics import roc_auc_score

from ecef_cli.evaluation.baselines import Forecast
from ecef_cli.evaluation.bootstrap import (
    Draws,
    Estimate,
    differences,
    drawn_metrics,
    estimates,
    interval,
    point_metrics,
)
from ecef_cli.evaluation.counts import Counts
from ecef_cli.evaluation.measure import System, measured
from ecef_cli.evaluation.targets import Targets
from ecef_cli.runs.metrics import METRICS, calibration, score


def width(estimate: Estimate) -> float:
    return present(estimate.high) - present(estimate.low)


def by_scikit_learn(targets: Targets, forecast: Forecast) -> dict[str, float]:
    found = score(targets.gold, forecast.predicted, targets.labels)
    known, shifted = targets.known, targets.shifted
    areas = {
        key: 100 * roc_auc_score(shifted[known], present(scores)[known])
        for key, scores in (("shift_deployable", forecast.deployable), ("shift_oracle", forecast.oracle))
        if len(set(shifted[known])) == 2
    }
    ece = calibration(targets.gold, forecast.probabilities).ece
    return {**{key: getattr(found, key) for key in METRICS}, "ece": ece, **areas}


@pytest.mark.parametrize("seed", range(6))
def test_a_drawn_split_has_the_metrics_that_scikit_learn_finds_on_it(seed: int) -> None:
    targets = made_targets(seed, 12)
    forecast = made_forecast(targets, seed)
    draws = Draws.of(12, draws=25, seed=seed)
    found = Counts.of(targets, forecast).metrics(draws.dialogues)
    for place, weights in enumerate(draws.dialogues.astype(int)):
        chosen = np.repeat(np.arange(12), weights).tolist()
        for key, value in by_scikit_learn(*taken(targets, forecast, chosen)).items():
            assert found[key][place] == pytest.approx(value, abs=1e-9), key


def test_an_emotion_that_no_drawn_dialogue_has_is_not_averaged_over() -> None:
    targets = made_targets(1, 2)
    forecast = made_forecast(targets, 1)
    weights = np.array([[2.0, 0.0]])
    expected = by_scikit_learn(*taken(targets, forecast, [0, 0]))
    assert Counts.of(targets, forecast).metrics(weights)["uar"][0] == pytest.approx(expected["uar"])


def test_whole_dialogues_are_drawn_as_many_as_there_are() -> None:
    drawn = Draws.of(30, draws=500, seed=3).dialogues
    assert drawn.shape == (500, 30)
    assert (drawn.sum(axis=1) == 30).all()
    assert drawn.mean(axis=0) == pytest.approx(np.ones(30), abs=0.2)
    assert np.array_equal(drawn, Draws.of(30, draws=500, seed=3).dialogues)
    assert not np.array_equal(drawn, Draws.of(30, draws=500, seed=4).dialogues)


def test_the_interval_is_that_of_all_draws_there_can_be() -> None:
    """With four dialogues there are 256 equally probable draws, which can be listed."""
    targets = made_targets(5, 4)
    counts = Counts.of(targets, made_forecast(targets, 5))
    every = np.array([np.bincount(drawn, minlength=4) for drawn in product(range(4), repeat=4)], dtype=float)
    drawn = drawn_metrics([counts], Draws.of(4, draws=40_000, seed=0))
    for key, exact in counts.metrics(every).items():
        if key == "ece" or np.isnan(exact).any():
            continue
        low, high = present(interval(exact, 4))
        found = present(interval(drawn[key], 4))
        # The draws are few and far between: the quantile may fall on either side of a step, but on no other value.
        steps = np.unique(np.round(exact, 9))
        assert abs(np.searchsorted(steps, low - 1e-6) - np.searchsorted(steps, found[0] - 1e-6)) <= 1
        assert abs(np.searchsorted(steps, high - 1e-6) - np.searchsorted(steps, found[1] - 1e-6)) <= 1


def test_intervals_hold_the_truth_19_times_of_20() -> None:
    """Dialogues of ten utterances, some hard and some easy, of which 2,000 corpora are drawn."""
    random = np.random.default_rng(0)
    dialogues, size, truth = 100, 10, 0.6
    drawn = Draws.of(dialogues, draws=400, seed=0).dialogues
    held = naive = 0
    for _ in range(2000):
        ease = random.beta(3, 2, size=dialogues)  # whose mean is the truth
        right = random.binomial(size, ease)
        low, high = np.percentile(drawn @ right / (dialogues * size), [2.5, 97.5])
        held += low <= truth <= high
        share = right.sum() / (dialogues * size)
        naive += abs(share - truth) <= 1.96 * np.sqrt(share * (1 - share) / (dialogues * size))
    assert 0.93 <= held / 2000 <= 0.97
    assert naive / 2000 < 0.9  # as if utterances were independent: too narrow


def test_intervals_of_uar_by_the_code_that_reports_use_hold_the_truth() -> None:
    everything = made_targets(9, 20_000, longest=4)
    truth = point_metrics([Counts.of(everything, made_forecast(everything, 9))])["uar"]
    every = Counts.of(everything, made_forecast(everything, 9))
    random, held, size = np.random.default_rng(1), 0, 120
    draws = Draws.of(size, draws=300, seed=1)
    for _ in range(500):
        chosen = random.choice(20_000, size=size, replace=False)
        found = Counts(every.confusion[chosen], every.bins[chosen], {}).metrics(draws.dialogues)["uar"]
        low, high = present(interval(found, size))
        held += low <= truth <= high
    assert 0.92 <= held / 500 <= 0.98  # 0.95 less and more than two standard errors of 500 trials


def test_one_dialogue_gives_no_interval() -> None:
    targets = made_targets(2, 1, unlabelled=0)
    counts = [Counts.of(targets, made_forecast(targets, 2))]
    found = estimates(point_metrics(counts), drawn_metrics(counts, Draws.of(1, draws=50, seed=0)), 1)
    assert (found["accuracy"].low, found["accuracy"].high) == (None, None)


def test_a_difference_is_paired_so_that_it_is_surer_than_its_parts() -> None:
    targets = made_targets(4, 60)
    one, other = made_forecast(targets, 4, skill=1.2), made_forecast(targets, 4, skill=1.0)
    draws = Draws.of(60, draws=1000, seed=0)
    systems = [System.of(targets, [f], draws) for f in (one, other)]
    above = systems[0].above(systems[1], 60)["accuracy"]
    assert above.value == pytest.approx(systems[0].points["accuracy"] - systems[1].points["accuracy"])
    alone = measured(targets, systems[0]).figures["accuracy"]
    assert width(above) < 0.7 * width(alone)
    itself = differences((systems[0].points, systems[0].drawn), (systems[0].points, systems[0].drawn), 60)
    assert all((d.value, d.low, d.high) == (0, 0, 0) for d in itself.values())


def test_seeds_are_resampled_too() -> None:
    targets = made_targets(6, 40)
    forecasts = [made_forecast(targets, seed, skill=skill) for seed, skill in ((1, 0.2), (2, 1.5), (3, 3.0))]
    draws = Draws.of(40, draws=4000, seed=0)
    counts = [Counts.of(targets, forecast) for forecast in forecasts]
    found = drawn_metrics(counts, draws)["accuracy"]
    each = [drawn_metrics([one], draws)["accuracy"] for one in counts]
    assert point_metrics(counts)["accuracy"] == pytest.approx(np.mean([point_metrics([c])["accuracy"] for c in counts]))
    weights = draws.seeds(3, 0)
    assert weights.sum(axis=1) == pytest.approx(1)
    assert weights.max() == 1  # some draw takes one seed three times
    assert found == pytest.approx((weights * np.stack(each, axis=1)).sum(axis=1))
    between = np.var([point_metrics([c])["accuracy"] for c in counts]) / 3
    assert found.var() == pytest.approx(np.mean(each, axis=0).var() + between, rel=0.2)


def test_a_baseline_that_reads_no_model_is_not_resampled_by_seed() -> None:
    targets = made_targets(6, 40)
    fixed = made_forecast(targets, 1)
    draws = Draws.of(40, draws=200, seed=0)
    one, three = (System.of(targets, [fixed] * count, draws) for count in (1, 3))
    assert np.array_equal(one.drawn["uar"], three.drawn["uar"])
