"""Train one recipe with several seeds and compare the runs."""

from __future__ import annotations

from math import sqrt
from statistics import mean, stdev
from typing import TYPE_CHECKING

from ecef_cli import console
from ecef_cli.runs.metrics import METRICS
from ecef_cli.workspace import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ecef_cli.recipe.model import Recipe
    from ecef_cli.runs.run import Run

_FEWEST = 3  # seeds; with two, Student's interval is wider than 0 to 100 %
_TOO_FEW = "needs three seeds"
LEVEL = 0.95  # confidence level of the interval


def seeded(stem: str, first: int, count: int, recipe: Callable[[str], Recipe]) -> dict[str, Recipe]:
    """Return the recipe of each run, by the run's name.

    Args:
        stem: prefix of the names.
        first: the first seed.
        count: number of consecutive seeds.
        recipe: returns the recipe with a setting, such as `training.seed=2`.
    """
    return {f"{stem}-seed{seed}": recipe(f"training.seed={seed}") for seed in range(first, first + count)}


def spread(runs: Sequence[Run]) -> str:
    """Return a table of the runs' dev scores at their chosen epochs: mean, standard deviation, interval.

    The interval is Student's, for the mean over seeds; the standard deviation is the sample's.
    """
    best = [read_json(run.folder / "metrics.json")["best"] for run in runs]
    rows = []
    for task in runs[0].recipe.tasks:
        for metric, title in METRICS.items():
            scores = [entry[task][metric] for entry in best]
            rows.append((f"dev {task.upper()} {title}", *_spread(scores)))
    seeds = ", ".join(str(run.recipe.training.seed) for run in runs)
    return console.table(rows, (f"seeds {seeds}", "mean ± std", "95 % interval of the mean"))


def _spread(scores: Sequence[float]) -> tuple[str, str]:
    middle = mean(scores)
    if len(scores) == 1:
        return f"{middle:.2f}", _TOO_FEW
    deviation = stdev(scores)
    if len(scores) < _FEWEST:
        return f"{middle:.2f} ± {deviation:.2f}", _TOO_FEW
    from scipy.stats import t

    half = float(t.ppf((1 + LEVEL) / 2, len(scores) - 1)) * deviation / sqrt(len(scores))
    return f"{middle:.2f} ± {deviation:.2f}", f"{middle - half:.2f} to {middle + half:.2f}"
