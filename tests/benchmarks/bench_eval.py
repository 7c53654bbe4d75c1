"""Speed of the intervals and permutations of `ecef eval`, against a plain loop over draws with scikit-learn.

Run it with `python tests/benchmarks/bench_eval.py [--draws N] [--dialogues N]`. Targets and forecasts are made up: as
many dialogues as MELD's test split has, as long, with seven emotions. Each figure is measured in this run, the loop
over fewer draws and scaled up, and the ratio compares figures of this run alone. Both must find the same metrics.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_auc_score

from ecef_cli.evaluation.baselines import Forecast, forecast
from ecef_cli.evaluation.bootstrap import Draws, drawn_metrics
from ecef_cli.evaluation.counts import Counts
from ecef_cli.evaluation.significance import FLIPS, sign_flip
from ecef_cli.evaluation.targets import FIRST, Targets
from ecef_cli.runs.metrics import calibration

LABELS = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
SHARES = (0.48, 0.11, 0.02, 0.08, 0.15, 0.03, 0.13)
LENGTH = 8.7  # targets of a dialogue of MELD's test split
LOOPED = 20  # draws of the plain loop


def made_up(dialogues: int) -> tuple[Targets, Forecast, Forecast]:
    """Return targets and two forecasts of them."""
    random = np.random.default_rng(0)
    dialogue = np.repeat(np.arange(dialogues), random.poisson(LENGTH - 1, size=dialogues) + 1)
    count = len(dialogue)
    current, gold = (random.choice(len(LABELS), size=count, p=SHARES) for _ in range(2))
    nothing = np.full(count, FIRST)
    told = tuple((str(d), n, "") for n, d in enumerate(dialogue))
    targets = Targets("epc", LABELS, gold, dialogue, dialogues, current, nothing, nothing, told, "", "made-up")

    def said(known: np.ndarray) -> np.ndarray:
        values = np.exp(random.normal(size=(count, len(LABELS))) + np.eye(len(LABELS))[known])
        shares: np.ndarray = values / values.sum(axis=1, keepdims=True)
        return shares

    one, other = (forecast(targets, said(gold), said(current)) for _ in range(2))
    return targets, one, other


def looped(targets: Targets, found: Forecast, drawn: np.ndarray) -> list[dict[str, float]]:
    """Return the metrics of each draw by taking its targets and asking scikit-learn."""
    rows_of = [np.flatnonzero(targets.dialogue == d) for d in range(targets.dialogues)]
    results = []
    for weights in drawn.astype(int):
        rows = np.concatenate([rows_of[d] for d in np.repeat(np.arange(targets.dialogues), weights)])
        gold, predicted = targets.gold[rows], found.predicted[rows]
        present = np.unique(gold)
        shifted = targets.shifted[rows]
        assert found.deployable is not None
        assert found.oracle is not None
        results.append(
            {
                "accuracy": accuracy_score(gold, predicted),
                "weighted_f1": f1_score(gold, predicted, average="weighted", zero_division=0),
                "uar": recall_score(gold, predicted, labels=present, average="macro", zero_division=0),
                "macro_f1": f1_score(gold, predicted, labels=present, average="macro", zero_division=0),
                "ece": calibration(gold, found.probabilities[rows]).ece / 100,
                "shift_deployable": roc_auc_score(shifted, found.deployable[rows]),
                "shift_oracle": roc_auc_score(shifted, found.oracle[rows]),
            }
        )
    return results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--dialogues", type=int, default=268)
    arguments = parser.parse_args()
    targets, one, other = made_up(arguments.dialogues)
    draws = Draws.of(targets.dialogues, draws=arguments.draws, seed=0)

    start = time.perf_counter()
    found = drawn_metrics([Counts.of(targets, one)], draws)
    vectorised = time.perf_counter() - start

    start = time.perf_counter()
    expected = looped(targets, one, draws.dialogues[:LOOPED])
    loop = (time.perf_counter() - start) * arguments.draws / len(expected)
    for place, values in enumerate(expected):
        for key, value in values.items():
            if not np.isclose(found[key][place], 100 * value, atol=1e-9):
                raise SystemExit(f"{key} differs in draw {place}: {found[key][place]} and {100 * value}")

    start = time.perf_counter()
    sign_flip(targets, [one], [other])
    flipped = time.perf_counter() - start
    print(f"{len(targets.gold):,} targets in {targets.dialogues} dialogues, seven metrics")
    print(f"{arguments.draws:,} draws: {vectorised:.2f} s; a loop with scikit-learn {loop:.1f} s, scaled from {LOOPED}")
    print(f"ratio {loop / vectorised:.0f}")
    print(f"{FLIPS:,} sign flips: {flipped:.2f} s")


if __name__ == "__main__":
    main()
