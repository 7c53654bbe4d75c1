"""Permutations against their enumeration, t-tests and Holm's correction against hand-computed values."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from forecasts import made_forecast, made_targets
from narrow import present

from ecef_cli.evaluation.baselines import Forecast
from ecef_cli.evaluation.significance import flips, holm, seed_test, sign_flip
from ecef_cli.evaluation.targets import Targets
from ecef_cli.runs.metrics import score


def enumerated(targets: Targets, one: Forecast, other: Forecast) -> dict[str, float]:
    """Return the p-values by swapping dialogues in a plain loop over all ways to do so."""
    metrics = ("accuracy", "weighted_f1", "uar", "macro_f1")
    every = []
    for swapped in product((False, True), repeat=targets.dialogues):
        mask = np.asarray(swapped)[targets.dialogue]
        first = np.where(mask, other.predicted, one.predicted)
        second = np.where(mask, one.predicted, other.predicted)
        pair = [score(targets.gold, predicted, targets.labels) for predicted in (first, second)]
        every.append([abs(getattr(pair[0], metric) - getattr(pair[1], metric)) for metric in metrics])
    return dict(zip(metrics, (np.array(every) >= np.array(every[0]) - 1e-9).mean(axis=0), strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_few_dialogues_are_swapped_in_every_way_there_is(seed: int) -> None:
    targets = made_targets(seed, 6)
    one, other = made_forecast(targets, seed, skill=2), made_forecast(targets, seed + 10, skill=0.5)
    found = sign_flip(targets, [one], [other])
    assert enumerated(targets, one, other) == {
        metric: found[metric] for metric in ("accuracy", "weighted_f1", "uar", "macro_f1")
    }


def test_a_sample_of_permutations_comes_near_all_of_them() -> None:
    targets = made_targets(3, 12)
    one, other = made_forecast(targets, 3, skill=1.5), made_forecast(targets, 4, skill=0.8)
    exact = sign_flip(targets, [one], [other], count=2**12)
    sampled = sign_flip(targets, [one], [other], count=4000)
    assert flips(12, count=2**12, seed=0)[1]
    assert not flips(12, count=4000, seed=0)[1]
    for metric, value in exact.items():
        assert sampled[metric] == pytest.approx(value, abs=0.03), metric


def test_a_run_does_not_differ_from_itself() -> None:
    targets = made_targets(1, 40)
    one = made_forecast(targets, 1)
    assert set(sign_flip(targets, [one], [one], count=200).values()) == {1.0}


def test_which_of_two_runs_comes_first_does_not_matter() -> None:
    targets = made_targets(1, 9)
    one, other = made_forecast(targets, 1), made_forecast(targets, 2)
    assert sign_flip(targets, [one], [other]) == sign_flip(targets, [other], [one])


def test_the_smallest_p_value_of_a_sample_is_not_zero() -> None:
    targets = made_targets(1, 60)
    found = sign_flip(targets, [made_forecast(targets, 1, skill=8)], [made_forecast(targets, 2, skill=0)], count=99)
    assert found["accuracy"] == 0.01


def test_the_scale_of_a_score_does_not_decide_about_its_roc_auc() -> None:
    targets = made_targets(2, 9)
    one, other = made_forecast(targets, 1), made_forecast(targets, 2)
    squashed = Forecast(other.probabilities, present(other.deployable) / 1000 - 5, other.oracle)
    assert sign_flip(targets, [one], [other]) == sign_flip(targets, [one], [squashed])


def test_equal_runs_are_found_different_one_time_in_twenty() -> None:
    """Two systems of the same skill on 300 corpora: p-values below 0.05 come up as often as they should."""
    below = 0
    for seed in range(300):
        targets = made_targets(seed, 25, unlabelled=0)
        pair = [made_forecast(targets, 1000 + seed), made_forecast(targets, 2000 + seed)]
        below += sign_flip(targets, pair[:1], pair[1:], count=199, seed=seed)["uar"] <= 0.05
    assert 0.02 <= below / 300 <= 0.085


def test_groups_of_seeds_are_tested_by_their_means() -> None:
    targets = made_targets(4, 8)
    weak = [made_forecast(targets, seed, skill=0.2) for seed in (1, 2)]
    strong = [made_forecast(targets, seed, skill=4) for seed in (3, 4)]
    assert sign_flip(targets, strong, weak)["accuracy"] == pytest.approx(2 / 2**8)
    assert sign_flip(targets, [*strong, strong[0]], weak)["accuracy"] == pytest.approx(2 / 2**8)


def test_holm_by_hand() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 is 0.02, 0.03, 0.06, 0.04; the last may not be below the third.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.5, 0.9]) == (1.0, 1.0)
    assert holm([0.02]) == (0.02,)
    assert holm([]) == ()


def test_t_tests_over_seeds_by_hand() -> None:
    one, other = (61.0, 62.0, 63.0), (60.0, 60.0, 63.0)
    # The differences are 1, 2, 0: mean 1, standard error 1 / sqrt(3), so that t is sqrt(3) with 2 degrees of freedom,
    # where the two-sided p-value is 1 - t / sqrt(2 + t^2).
    paired = present(seed_test(one, other, paired=True))
    assert paired.paired
    assert paired.p == pytest.approx(1 - np.sqrt(3) / np.sqrt(5))
    # Welch: variances 1 and 3, so that t is 1 / sqrt(4 / 3) and the degrees of freedom are (4/3)^2 / (1/18 + 9/18).
    welch = present(seed_test(one, other, paired=False))
    from scipy.stats import t

    assert welch.p == pytest.approx(2 * t.sf(1 / np.sqrt(4 / 3), (4 / 3) ** 2 / (10 / 18)))


def test_there_is_no_t_test_without_a_second_seed_or_without_spread() -> None:
    assert seed_test((61.0,), (60.0, 62.0), paired=False) is None
    assert seed_test((61.0, 62.0), (60.0, 61.0), paired=True) is None
