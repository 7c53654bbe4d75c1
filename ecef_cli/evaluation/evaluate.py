"""Measures a run on a split, beside the baselines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ecef_cli import output
from ecef_cli.card import write_card
from ecef_cli.encoders import build_encoders
from ecef_cli.errors import DataError
from ecef_cli.evaluation.baselines import majority, repeat_last
from ecef_cli.metrics import Scores, score
from ecef_cli.network.inference import run_network
from ecef_cli.samples.inputs import load_inputs
from ecef_cli.samples.windows import samples
from ecef_cli.workspace import checksum, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecef_cli.network.inference import Outcome
    from ecef_cli.run import Run
    from ecef_cli.samples.inputs import Inputs
    from ecef_cli.tolerance import Tolerance
    from ecef_cli.workspace import Workspace


@dataclass(frozen=True, slots=True)
class TaskReport:
    """Scores of a run on one task, and of the baselines on the same targets."""

    model: Scores
    baselines: Mapping[str, Scores]


@dataclass(frozen=True, slots=True)
class Report:
    """Scores of a run on a split of a dataset.

    Attributes:
        run: the run's name.
        dataset: the dataset's name.
        split: the split.
        labels: the emotions by number.
        weights: SHA-256 of the weights that were measured.
        tasks: the scores of each task.
    """

    run: str
    dataset: str
    split: str
    labels: tuple[str, ...]
    weights: str
    tasks: Mapping[str, TaskReport]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "run": self.run,
            "dataset": self.dataset,
            "split": self.split,
            "labels": list(self.labels),
            "weights": self.weights,
            "tasks": {
                task: {
                    "model": report.model.as_dict(),
                    "baselines": {name: scores.as_dict() for name, scores in report.baselines.items()},
                }
                for task, report in self.tasks.items()
            },
        }


def evaluate(
    workspace: Workspace,
    run: Run,
    *,
    split: str,
    device: str,
    dataset: str | None = None,
    tolerance: Tolerance | None = None,
) -> Report:
    """Return the scores of a run on a split of a dataset; they go into its card too.

    Args:
        workspace: where the dataset is.
        run: the run.
        split: the split.
        device: where to compute.
        dataset: the dataset, of the same emotions; the one that the run was trained on where None.
        tolerance: how many recordings may be broken; none where None.

    Raises:
        DataError: the dataset has no such split, no target in it, or other emotions.
    """
    if dataset is not None:
        run = replace(run, recipe=run.recipe.model_copy(update={"dataset": dataset}))
    encoders = build_encoders(run.recipe, device=device)
    network = run.network(encoders).to(device)
    run.tagger()  # warns where it is another
    inputs = load_inputs(workspace, run.recipe, encoders, labels=run.labels, tolerance=tolerance)
    if split not in inputs.samples:
        raise DataError(
            f"the dataset {inputs.prepared.name!r} has no {split} split",
            hint=f"try --split {' or '.join(inputs.samples)}",
        )
    outcomes = run_network(network, inputs, split, device=device)
    tasks = {task: _report(task, outcome, run, inputs, split) for task, outcome in outcomes.items()}
    report = Report(run.folder.name, inputs.prepared.name, split, run.labels, checksum(run.weights), tasks)
    _keep(run, report)
    return report


def _keep(run: Run, report: Report) -> None:
    try:
        write_json(run.folder / "evaluation" / f"{report.dataset}-{report.split}.json", report.as_dict())
        write_card(run)
    except OSError as error:  # a run that was installed, or that belongs to somebody else
        output.warn(f"the scores are not written into {run.folder}: {error.strerror}")


def _report(task: str, outcome: Outcome, run: Run, inputs: Inputs, split: str) -> TaskReport:
    if not len(outcome.gold):
        raise DataError(f"the {split} split of {inputs.prepared.name!r} has no {task.upper()} target")
    most = majority(inputs.samples["train"], task, len(outcome.gold))
    forecasts = {"majority": most}
    if task == "epc":
        recognised = samples(
            split, inputs.prepared.splits[split], history=run.recipe.history, tasks=["erc"], labels=run.labels
        )
        emotions = [sample.targets["erc"] for sample in recognised]
        forecasts["repeat-last (gold)"] = repeat_last(emotions, outcome.rows, most)
    return TaskReport(
        model=score(outcome.gold, outcome.predicted, run.labels),
        baselines={name: score(outcome.gold, found, run.labels) for name, found in forecasts.items()},
    )
