"""Measures a run, or the runs of one recipe with several seeds, on a split, beside the baselines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ecef_cli import console
from ecef_cli.api.errors import DataError, UsageProblem
from ecef_cli.evaluation.baselines import baselines, forecast
from ecef_cli.evaluation.bootstrap import DRAWS, LEVEL, Draws
from ecef_cli.evaluation.crossing import Crossing
from ecef_cli.evaluation.measure import task_report
from ecef_cli.evaluation.results import Report, Resampling
from ecef_cli.evaluation.targets import find_targets, require_same
from ecef_cli.features.encoders import build_encoders
from ecef_cli.network.inference import run_network
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
class Answers:
    """What a run and the baselines say of the targets of a task.

    Attributes:
        targets: what is asked.
        model: what the run says.
        baselines: what each baseline says.
        outside: mean probability, of 1, that the run gave to labels that are not asked for.
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
        runs: one run or more.
        split: the split.
        device: where to compute.
        name: what the runs are called; the first one's name where None.
        dataset: the dataset; the one that the runs were trained on where None.
        labels: what the dataset's emotions and the runs' labels are both made into; the runs' own labels where None.
        tolerance: how many recordings may be broken; none where None.
        draws: resampled splits that intervals are made from.
        seed: of the resampling.
        keep: whether each run's own scores go into its folder and its card.

    Raises:
        DataError: the dataset has no such split, no target in it, or other emotions; or the runs were not asked the
            same.
        UsageProblem: the runs are of different recipes, or give fewer than two of the labels.
    """
    name = name or runs[0].folder.name
    _require_one_recipe(name, runs)
    crossing = None if labels is None else Crossing.of(runs[0].labels, labels)
    every: list[Mapping[str, Answers]] = []
    report = None
    for run in (_on(run, dataset, labels) for run in runs):
        found = answers(workspace, run, split=split, device=device, tolerance=tolerance, crossing=crossing)
        for task in found if every else ():
            require_same(every[0][task].targets, found[task].targets, (runs[0].folder.name, run.folder.name))
        report = _report(run.folder.name, (run,), [found], split, draws, seed, crossing)
        if keep:
            _keep(run, report)
        every.append(found)
    return report if report is not None and len(runs) == 1 else _report(name, runs, every, split, draws, seed, crossing)


def answers(
    workspace: Workspace,
    run: Run,
    *,
    split: str,
    device: str,
    tolerance: Tolerance | None = None,
    crossing: Crossing | None = None,
) -> dict[str, Answers]:
    """Return what a run and the baselines say of each task's targets in a split.

    Baselines that learn, learn from the train split of the dataset at hand, with the same labels.

    Raises:
        DataError: the dataset has no such split, no target in it, or other emotions.
    """
    labels = run.labels if crossing is None else crossing.labels
    if crossing is None and run.recipe.dataset != run.dataset["name"]:
        _require_common(recipe_dataset(workspace, run.recipe), split, labels)  # before features are extracted
    encoders = build_encoders(run.recipe, device=device)
    network = run.network(encoders).to(device)
    run.tagger()  # warns where it is another
    inputs = load_inputs(workspace, run.recipe, encoders, labels=labels, tolerance=tolerance)
    prepared = inputs.prepared
    if split not in inputs.samples:
        raise DataError(
            f"the dataset {prepared.name!r} has no {split} split",
            hint=f"try --split {' or '.join(inputs.samples)}",
        )
    outcomes = run_network(network, inputs, split, device=device)
    found = {}
    for task, outcome in outcomes.items():
        targets, train = (_targets(task, inputs, part, labels) for part in (split, "train"))
        if targets is None:
            raise DataError(
                f"the {split} split of {prepared.name!r} has no {task.upper()} target: its emotions are "
                f"{', '.join(prepared.labels)}, those asked for {', '.join(labels)}",
                hint="`--label-map SET` has both told apart by the labels of a set" if crossing is None else None,
            )
        if train is None:
            console.warn(f"{prepared.name} has no {task.upper()} target to train on: some baselines are left out")
        answered, outside = _crossed(outcome.probabilities, crossing)
        recognised = None
        if task == "epc" and "erc" in outcomes:
            recognised, _ = _crossed(outcomes["erc"].answers[outcome.rows], crossing)
        found[task] = Answers(
            targets,
            forecast(targets, answered, recognised),
            dict(baselines(train, targets, recognised, next_speaker=run.recipe.epc.next_speaker)),
            outside,
        )
    return found


def _require_common(prepared: Prepared, split: str, labels: Sequence[str]) -> None:
    """Check that a split has two of the emotions that are asked for, where it has others too."""
    found = {u.emotion for dialogue in prepared.splits.get(split, ()) for u in dialogue.utterances} - {None}
    others = [emotion for emotion in prepared.labels if emotion in found and emotion not in labels]
    common = found.intersection(labels)
    if not others:
        return
    hint = "`--label-map SET` measures by labels that both are made into; `ecef recipes labels` lists sets"
    if len(common) < _FEWEST:
        raise DataError(
            f"{prepared.name} has other emotions than the run: of {', '.join(labels)}, its {split} split has "
            f"{', '.join(map(str, common)) or 'none'}, and {', '.join(others)} besides",
            hint=hint,
        )
    are = "emotion of {} is" if len(others) == 1 else "emotions of {} are"
    console.note(f"{len(others)} {are.format(prepared.name)} none of the run's: {hint}")


def _targets(task: str, inputs: Inputs, split: str, labels: Sequence[str]) -> Targets | None:
    """Return the targets of a split, or None where it has none."""
    prepared = inputs.prepared
    if split not in inputs.samples:
        return None
    found = find_targets(
        task, inputs.samples[split], prepared.splits[split], labels, key=prepared.key, dataset=prepared.name
    )
    return found if len(found.gold) else None


def _crossed(
    probabilities: npt.NDArray[np.float32], crossing: Crossing | None
) -> tuple[npt.NDArray[np.float32], float]:
    """Return probabilities of the labels that are asked for, and the mean of what was given to others."""
    if crossing is None:
        return probabilities, 0.0
    folded, outside = crossing.fold(probabilities)
    return folded, float(outside.mean())


def _on(run: Run, dataset: str | None, labels: LabelSet | None) -> Run:
    changed = {"dataset": dataset, "labels": labels}
    return replace(run, recipe=run.recipe.model_copy(update={k: v for k, v in changed.items() if v is not None}))


def _report(
    name: str,
    runs: Sequence[Run],
    found: Sequence[Mapping[str, Answers]],
    split: str,
    draws: int,
    seed: int,
    crossing: Crossing | None,
) -> Report:
    tasks = {}
    for task, first in found[0].items():
        drawn = Draws.of(first.targets.dialogues, draws=draws, seed=seed)
        same = [answers[task] for answers in found]
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
        crossing=crossing,
        outside={task: sum(one[task].outside for one in found) / len(found) for task in tasks} if crossing else {},
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
                f"{name} is no group of seeds: {run.folder.name} differs from {runs[0].folder.name} in "
                f"{', '.join(differing)}",
                hint="name the runs one by one",
            )


def _keep(run: Run, report: Report) -> None:
    try:
        write_json(run.folder / "evaluation" / f"{report.place}.json", report.as_dict())
        write_card(run)
    except OSError as error:  # a run that was installed, or that belongs to somebody else
        console.warn(f"the scores are not written into {run.folder}: {error.strerror}")
