"""Compute, print and log scores on the dev split."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ecef_cli.network.inference import run_network
from ecef_cli.runs.metrics import METRICS, score
from ecef_cli.workspace import write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecef_cli.network.model import EcefNetwork
    from ecef_cli.runs.run import Run
    from ecef_cli.samples.inputs import Inputs
    from ecef_cli.training.checkpoint import Progress


def dev_scores(network: EcefNetwork, inputs: Inputs, run: Run, *, device: str) -> dict[str, Any]:
    """Return every metric of each task on dev, and under `selection` the score that chooses the epoch."""
    found: dict[str, Any] = {}
    for task, outcome in run_network(network, inputs, "dev", device=device).items():
        scores = score(outcome.gold, outcome.predicted, run.labels)
        found[task] = {metric: getattr(scores, metric) for metric in METRICS}
    selected = [found[task][metric] for task, metric in _selected(run).items()]
    return {**found, "selection": sum(selected) / len(selected)}


def epoch_line(entry: Mapping[str, Any], run: Run, seconds: float) -> str:
    """Return the summary line of an epoch."""
    parts = [f"epoch {entry['epoch']}/{run.recipe.training.epochs}: loss {entry['loss']:.4f}"]
    for task, metric in _selected(run).items():
        parts.append(f"dev {task.upper()} {METRICS[metric]} {entry[task][metric]:.2f}")
    return ", ".join([*parts, f"{seconds:.0f} s"])


def write_log(run: Run, progress: Progress) -> None:
    """Write the log of all epochs and the metrics of the best one."""
    lines = [json.dumps(entry) for entry in progress.log]
    write_text(run.folder / "log.jsonl", "\n".join(lines) + "\n")
    best = progress.log[progress.best_epoch or 0]
    write_json(run.folder / "metrics.json", {"split": "dev", "best": best, "finished": progress.finished})


def _selected(run: Run) -> dict[str, str]:
    return {task: getattr(run.recipe.training.select, task) for task in run.recipe.tasks}
