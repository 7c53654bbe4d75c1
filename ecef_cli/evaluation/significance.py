"""Test whether two systems differ: sign flips over dialogues, t-tests over seeds, Holm's correction."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.evaluation.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from ecef_cli.evaluation.baselines import Forecast
    from ecef_cli.evaluation.targets import Targets

    Floats = npt.NDArray[np.float64]

FLIPS = 10_000
_EQUAL = 1e-9  # per cent; smaller differences are rounding


def flips(dialogues: int, *, count: int, seed: int) -> tuple[Floats, bool]:
    """Return the dialogues to swap in each permutation, and whether these are all permutations.

    Args:
        dialogues: number of dialogues.
        count: maximum number of permutations; if 2^dialogues is not more, each occurs once.
        seed: the random seed.

    Returns:
        (R, dialogues) of 0 and 1.
    """
    if 2.0**dialogues <= count:
        return np.asarray(list(product((0.0, 1.0), repeat=dialogues))).reshape(-1, dialogues), True
    random = np.random.default_rng([seed, 2])
    return random.integers(0, 2, size=(count, dialogues)).astype(np.float64), False


def sign_flip(
    targets: Targets, ones: Sequence[Forecast], others: Sequence[Forecast], *, count: int = FLIPS, seed: int = 0
) -> dict[str, float]:
    """Return the two-sided p-value, by metric, that two systems are the same.

    If they were, their predictions in a dialogue would be exchangeable. The test swaps whole dialogues, each with
    probability 1/2, and computes the metrics again. The p-value is the share of permutations with a difference at
    least as large as the observed one; if the permutations are a sample, it includes the observed one.

    Args:
        targets: the targets of both.
        ones: the forecasts of one system, one per seed.
        others: the forecasts of the other; with equal numbers of seeds, seeds are swapped pairwise, else each with
            each.
        count: maximum number of permutations.
        seed: the random seed.
    """
    swapped, exact = flips(targets.dialogues, count=count, seed=seed)
    kept = np.concatenate([1 - swapped, swapped], axis=1)
    pairs = list(zip(ones, others, strict=True) if len(ones) == len(others) else product(ones, others))
    there = np.concatenate([np.ones(targets.dialogues), np.zeros(targets.dialogues)])[None, :]
    total: dict[str, Floats] = {}
    for one, other in pairs:
        counts = Counts.mixed(targets, one, other)
        weights = np.concatenate([there, kept])
        first, second = counts.metrics(weights), counts.metrics(1 - weights)
        for key in first:
            total[key] = total.get(key, 0.0) + (first[key] - second[key]) / len(pairs)
    found = {}
    for key, values in total.items():
        seen, permuted = abs(values[0]), np.abs(values[1:])
        if np.isnan(seen):
            continue
        permuted = permuted[~np.isnan(permuted)]
        extreme = int((permuted >= seen - _EQUAL).sum())
        found[key] = extreme / len(permuted) if exact else (extreme + 1) / (len(permuted) + 1)
    return found


@dataclass(frozen=True, slots=True)
class SeedTest:
    """A t-test over seeds; `paired` if both systems have the same seeds, else Welch's."""

    p: float
    paired: bool


def seed_test(one: Sequence[float], other: Sequence[float], *, paired: bool) -> SeedTest | None:
    """Return the two-sided t-test of two systems' figures, or None with fewer than two seeds or no variance.

    Args:
        one: a figure per seed.
        other: the same for the other system.
        paired: whether the seeds are the same, in the same order.
    """
    if min(len(one), len(other)) < 2:  # noqa: PLR2004 - a variance needs two
        return None
    spread = [np.subtract(one, other)] if paired else [np.asarray(one), np.asarray(other)]
    if all(float(np.ptp(values)) < _EQUAL for values in spread):
        return None
    from scipy.stats import ttest_ind, ttest_rel

    result = ttest_rel(one, other) if paired else ttest_ind(one, other, equal_var=False)
    return SeedTest(float(result.pvalue), paired)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p-values corrected for multiple tests by Holm's step-down procedure (1979).

    The i-th smallest of m becomes the maximum of (m - j + 1) p_(j) over j <= i, and at most 1.
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values, dtype=np.float64)[order] * np.arange(len(p_values), 0, -1)
    found = np.empty(len(p_values))
    found[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(p_values) else steps
    return tuple(found.tolist())
