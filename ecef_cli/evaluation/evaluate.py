"""Measure a run, or the runs of one recipe with several seeds, on a split, with baselines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ecef_cli import console
from ecef_cli.api.errors import DataError, UsageProblem
from ecef_cli.evaluation.baselines import baselines, forecast
from ecef_cli.evaluation.bootstrap import DRAWS, LEVEL, Draws
from ecef_cli.evaluation.label_mapping import LabelMapping
from ecef_cli.evaluation.measure import task_report
from ecef_cli.evaluation.results import Report, Resampling
from ecef_cli.evaluation.targets import find_targets, require_same_targets
from ecef_cli.features.encoders import build_encoders
from ecef_cli.network.inference import run_network
from ecef_cli.runs.answers import decide
from ecef_cli.runs.card import write_card
from ecef_cli.samples.inputs import load_inputs
from ecef_cli.samples.protocol import recipe_dataset
from ecef_cli.workspace import checksum, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from ecef_cli.corpus.manifest import Prepared
    from ecef_cli.corpus.tolerance import Tolerance
    from ecef_cli.evaluation.baselines import Forecast
    from ecef_cli.evaluation.targets import Targets
    from ecef_cli.recipe.labels import LabelSet
    from ecef_cli.runs.run import Run
    from ecef_cli.samples.inputs import Inputs
    from ecef_cli.workspace import Workspace


_FEWEST = 2


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Forecasts of a run and the baselines for the targets of a task.

    Attributes:
        targets: the targets.
        model: the run's forecast.
        baselines: each baseline's forecast.
        outside: mean probability, from 0 to 1, of labels that the label map leaves out.
    """

    targets: Targets
    model: Forecast
    baselines: Mapping[str, Forecast]
    outside: float = 0.0


def evaluate(
    workspace: Workspace,
    *runs: Run,
    split: str,
    device: str,
    name: str | None = None,
    dataset: str | None = None,
    labels: LabelSet | None = None,
    tolerance: Tolerance | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    keep: bool = True,
) -> Report:
    """Return the scores of a run on a split of a dataset, or the means of runs of one recipe with several seeds.

    Intervals are over dialogues, or over dialogues and seeds: in each draw both are resampled.

    Args:
        workspace: where the dataset is.
        runs: one or more runs.
        split: the split.
        device: where to compute.
        name: a name for the runs; None for the first one's name.
        dataset: the dataset; None for the runs' training dataset.
        labels: the label set for both the dataset's emotions and the runs' labels; None for the runs' own labels.
        tolerance: tolerance for invalid recordings; None for no tolerance.
        draws: number of resampled splits for intervals.
        seed: seed of the resampling.
        keep: whether to write each run's own scores to its folder and card.

    Raises:
        DataError: the dataset lacks the split, targets or emotions; or the targets of the runs differ.
        UsageProblem: the runs have different recipes, or predict fewer than two of the labels.
    """
    name = name or runs[0].folder.name
    _require_one_recipe(name, runs)
    label_mapping = None if labels is None else LabelMapping.of(runs[0].labels, labels)
    every: list[Mapping[str, Predictions]] = []
    report = None
    for run in (_on(run, dataset, labels) for run in runs):
        found = predictions(
            workspace, run, split=split, device=device, tolerance=tolerance, label_mapping=label_mapping
        )
        for task in found if every else ():
            require_same_targets(every[0][task].targets, found[task].targets, (runs[0].folder.name, run.folder.name))
        report = _report(run.folder.name, (run,), [found], split, draws, seed, label_mapping)
        if keep:
            _keep(run, report)
        every.append(found)
    return (
        report
        if report is not None and len(runs) == 1
        else _report(name, runs, every, split, draws, seed, label_mapping)
    )


def predictions(
    workspace: Workspace,
    run: Run,
    *,
    split: str,
    device: str,
    tolerance: Tolerance | None = None,
    label_mapping: LabelMapping | None = None,
) -> dict[str, Predictions]:
    """Return the forecasts of a run and the baselines for each task's targets in a split.

    Baselines are fitted to the train split of the same dataset, with the same labels.

    Raises:
        DataError: the dataset lacks the split, targets or emotions.
    """
    labels = run.labels if label_mapping is None else label_mapping.labels
    if label_mapping is None and run.recipe.dataset != run.dataset["name"]:
        _require_common(recipe_dataset(workspace, run.recipe), split, labels)  # before features are extracted
    encoders = build_encoders(run.recipe, device=device)
    network = run.network(encoders).to(device)
    run.tagger()  # warns if the tagger has changed
    inputs = load_inputs(workspace, run.recipe, encoders, labels=labels, tolerance=tolerance)
    prepared = inputs.prepared
    if split not in inputs.samples:
        raise DataError(
            f"the dataset {prepared.name!r} has no {split} split",
            hint=f"try --split {' or '.join(inputs.samples)}",
        )
    network_alone = run_network(network, inputs, split, device=device)
    decided = decide(run, inputs, split, network_alone)
    outcomes = {task: replace(o, answers=decided.answers[task]) for task, o in network_alone.items()}
    found = {}
    for task, outcome in outcomes.items():
        targets, train = (_targets(task, inputs, part, labels) for part in (split, "train"))
        if targets is None:
            raise DataError(
                f"the {split} split of {prepared.name!r} has no {task.upper()} target: its emotions are "
                f"{', '.join(prepared.labels)}, the labels are {', '.join(labels)}",
                hint="use `--label-map SET` to measure both by a label set" if label_mapping is None else None,
            )
        if train is None:
            console.warn(f"{prepared.name} has no {task.upper()} target in train; skipping baselines that need it")
        folded, outside = _folded(outcome.probabilities, label_mapping)
        recognised = None
        if task == "epc" and "erc" in outcomes:
            recognised, _ = _folded(outcomes["erc"].answers[outcome.rows], label_mapping)
        others = dict(baselines(train, targets, recognised, next_speaker=run.recipe.epc.next_speaker))
        change = None
        if task == "epc" and decided.change is not None:
            alone, _ = _folded(network_alone[task].probabilities, label_mapping)
            others["network alone"] = forecast(targets, alone, recognised)
            change = decided.change[outcome.rows] if label_mapping is None else None
        found[task] = Predictions(targets, forecast(targets, folded, recognised, change=change), others, outside)
    return found


def _require_common(prepared: Prepared, split: str, labels: Sequence[str]) -> None:
    """Check that a split with other emotions has at least two of the labels."""
    found = {u.emotion for dialogue in prepared.splits.get(split, ()) for u in dialogue.utterances} - {None}
    others = [emotion for emotion in prepared.labels if emotion in found and emotion not in labels]
    common = found.intersection(labels)
    if not others:
        return
    hint = "use `--label-map SET` to map both to a label set; `ecef recipes labels` lists sets"
    if len(common) < _FEWEST:
        shared = f"only {', '.join(map(str, common))}" if common else "none"
        raise DataError(
            f"{prepared.name} has other emotions than the run: of the run's {', '.join(labels)}, its {split} split "
            f"has {shared}; it also has {', '.join(others)}",
            hint=hint,
        )
    noun = "emotion" if len(others) == 1 else "emotions"
    console.note(f"{len(others)} {noun} of {prepared.name} not among the run's labels; {hint}")


def _targets(task: str, inputs: Inputs, split: str, labels: Sequence[str]) -> Targets | None:
    """Return the targets of a split, or None if it has none."""
    prepared = inputs.prepared
    if split not in inputs.samples:
        return None
    found = find_targets(
        task, inputs.samples[split], prepared.splits[split], labels, key=prepared.key, dataset=prepared.name
    )
    return found if len(found.gold) else None


def _folded(
    probabilities: npt.NDArray[np.float32], label_mapping: LabelMapping | None
) -> tuple[npt.NDArray[np.float32], float]:
    """Return probabilities of the mapped labels, and the mean probability of the others."""
    if label_mapping is None:
        return probabilities, 0.0
    folded, outside = label_mapping.fold(probabilities)
    return folded, float(outside.mean())


def _on(run: Run, dataset: str | None, labels: LabelSet | None) -> Run:
    changed = {"dataset": dataset, "labels": labels}
    return replace(run, recipe=run.recipe.model_copy(update={k: v for k, v in changed.items() if v is not None}))


def _report(
    name: str,
    runs: Sequence[Run],
    found: Sequence[Mapping[str, Predictions]],
    split: str,
    draws: int,
    seed: int,
    label_mapping: LabelMapping | None,
) -> Report:
    tasks = {}
    for task, first in found[0].items():
        drawn = Draws.of(first.targets.dialogues, draws=draws, seed=seed)
        same = [predictions[task] for predictions in found]
        named = {baseline: tuple(one.baselines[baseline] for one in same) for baseline in first.baselines}
        tasks[task] = task_report(first.targets, [one.model for one in same], named, drawn)
    any_task = next(iter(found[0].values())).targets
    return Report(
        run=name,
        dataset=any_task.dataset,
        split=split,
        labels=any_task.labels,
        weights=",".join(checksum(run.weights) for run in runs),
        tasks=tasks,
        key=any_task.key,
        seeds=tuple(run.recipe.training.seed for run in runs),
        recipe=runs[0].recipe,
        resampling=Resampling(draws, seed, LEVEL),
        label_mapping=label_mapping,
        outside={task: sum(one[task].outside for one in found) / len(found) for task in tasks} if label_mapping else {},
    )


def _require_one_recipe(name: str, runs: Sequence[Run]) -> None:
    def without_seed(run: Run) -> dict[str, object]:
        values = run.recipe.dumped()
        training = {key: value for key, value in values["training"].items() if key not in {"seed", "start"}}
        return {**values, "training": training}

    first = without_seed(runs[0])
    for run in runs[1:]:
        differing = [key for key, value in without_seed(run).items() if value != first.get(key)]
        if differing:
            raise UsageProblem(
                f"the runs of {name} differ in more than the seed: {run.folder.name} and {runs[0].folder.name} have "
                f"different {', '.join(differing)}",
                hint="pass the names of the runs one by one",
            )


def _keep(run: Run, report: Report) -> None:
    try:
        write_json(run.folder / "evaluation" / f"{report.file_stem}.json", report.as_dict())
        write_card(run)
    except OSError as error:  # an installed run, or one of another user
        console.warn(f"cannot write the scores to {run.folder}: {error.strerror}")
