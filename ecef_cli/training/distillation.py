"""Soft targets: the answers of trained runs to the training windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ecef_cli import console
from ecef_cli.api.errors import DataError, UsageProblem
from ecef_cli.features.encoders import build_encoders
from ecef_cli.network.inference import run_network
from ecef_cli.runs.answers import decide
from ecef_cli.runs.run import find_run
from ecef_cli.samples.inputs import load_inputs
from ecef_cli.samples.protocol import recipe_dataset, windowed
from ecef_cli.workspace import checksum, content_key, replacing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from ecef_cli.recipe.model import Recipe
    from ecef_cli.runs.run import Run
    from ecef_cli.samples.windows import Sample
    from ecef_cli.workspace import Workspace

_UNRELATED = {"README.md", "environment.json", "last.safetensors", "log.jsonl", "metrics.json"}
"""Files of a run that do not affect its answers."""
_LEAST = 1e-7  # smallest probability to take the logarithm of


def find_teachers(workspace: Workspace, recipe: Recipe, folder: Path) -> list[Run]:
    """Return the runs to learn from, in the recipe's order; empty without distillation.

    Args:
        workspace: the workspace of the dataset and the runs.
        recipe: the recipe.
        folder: the folder of the run to train.

    Raises:
        UsageProblem: a run is missing, is not finished, is the one to train, was trained on another dataset, has
            other emotions, predicts another utterance or has none of the tasks.
        DataError: the dataset is not prepared.
    """
    teachers = [find_run(workspace, name) for name in recipe.training.distillation.teachers]
    if not teachers:
        return []
    prepared = windowed(recipe, recipe_dataset(workspace, recipe))
    for teacher in teachers:
        name, own = f"the teacher {teacher.folder.name!r}", teacher.recipe
        if teacher.folder.resolve() == folder.resolve():
            raise UsageProblem(f"{name} is the run to train", hint="give this one a --name")
        if not teacher.finished:
            raise UsageProblem(f"{name} is not finished", hint="train it to its end first")
        if teacher.labels != prepared.labels:
            raise UsageProblem(
                f"{name} has the emotions {', '.join(teacher.labels)}, this dataset {', '.join(prepared.labels)}",
                hint="use a teacher with the same labels, in the same order",
            )
        if teacher.dataset["key"] != prepared.key:
            raise UsageProblem(
                f"{name} was trained on {teacher.dataset['name']} ({teacher.dataset['key']}), not on "
                f"{prepared.name} ({prepared.key})",
                hint="use a teacher that was trained on the same dataset, with the same epc.others",
            )
        if not set(own.tasks) & set(recipe.tasks):
            raise UsageProblem(f"{name} has none of the tasks {', '.join(recipe.tasks)}")
        if "epc" in own.tasks and "epc" in recipe.tasks and own.epc.target != recipe.epc.target:
            raise UsageProblem(f"{name} predicts {own.epc.target_in_words}, not {recipe.epc.target_in_words}")
    return teachers


def teacher_checksums(teachers: Sequence[Run]) -> str:
    """Return the SHA-256 of each teacher's weights, separated by commas."""
    return ",".join(checksum(teacher.weights) for teacher in teachers)


def soft_targets(
    workspace: Workspace, recipe: Recipe, teachers: Sequence[Run], chosen: Sequence[Sample], *, device: str
) -> dict[str, Tensor]:
    """Return, by task, (N, labels) log-probabilities: the mean of the teachers' logs, at the recipe's temperature.

    Each teacher answers the window of its own recipe that ends at the same utterance, as `ecef eval` would. Its
    answers are stored in the workspace. A task that no teacher has is left out.

    Args:
        workspace: the workspace of the dataset.
        recipe: the recipe of the run to train.
        teachers: the result of `find_teachers`.
        chosen: N training samples.
        device: where to compute.

    Raises:
        PluginError: an encoder differs from the one that a teacher was trained on.
        DataError: stored answers, weights or decisions of a teacher are corrupt.
    """
    every = [_answers(workspace, teacher, recipe.dataset, device=device) for teacher in teachers]
    rows = torch.tensor([sample.number for sample in chosen])
    found: dict[str, Tensor] = {}
    for task in recipe.tasks:
        logs = [answers[task][rows].clamp(min=_LEAST).log() for answers in every if task in answers]
        if logs:
            mean = torch.stack(logs).mean(dim=0)
            found[task] = (mean / recipe.training.distillation.temperature).log_softmax(dim=1)
    return found


def _answers(workspace: Workspace, teacher: Run, dataset: str, *, device: str) -> Mapping[str, Tensor]:
    """Return a teacher's probabilities for every training window, (windows, labels), by task; make missing ones."""
    related = [path for path in sorted(teacher.folder.iterdir()) if path.is_file() and path.name not in _UNRELATED]
    facts = {"run": {path.name: checksum(path) for path in related}, "manifest": teacher.dataset["key"]}
    path = workspace.dataset(dataset) / "answers" / f"{content_key(facts)}.safetensors"
    if not path.is_file():
        console.note(f"train: computing the answers of {teacher.folder.name} to the training windows")
        own = teacher.recipe.model_copy(update={"dataset": dataset})
        encoders = build_encoders(own, device=device)
        network = teacher.network(encoders).to(device)
        inputs = load_inputs(workspace, own, encoders)
        decided = decide(teacher, inputs, "train", run_network(network, inputs, "train", device=device))
        with replacing(path) as part:
            save_file({task: torch.from_numpy(answers) for task, answers in decided.answers.items()}, part)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise DataError(f"the stored answers are corrupt: {error}", where=str(path), hint="delete this file") from None
