"""Preparation of a training run: inputs, network and run folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ecef_cli import console
from ecef_cli.api.errors import DataError, UsageProblem
from ecef_cli.features.encoders import build_encoders
from ecef_cli.plugin.boundary import identity
from ecef_cli.recipe.strict_yaml import differences
from ecef_cli.runs.run import Run, build_network, create_run, open_run
from ecef_cli.samples.inputs import load_inputs, load_variants
from ecef_cli.samples.windows import NO_TARGET
from ecef_cli.training.distillation import find_teachers, soft_targets, teacher_checksums
from ecef_cli.training.start import copy_decisions, find_start, take_over, with_text_of
from ecef_cli.workspace import checksum

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from ecef_cli.corpus.tolerance import Tolerance
    from ecef_cli.features.encoders import Encoders
    from ecef_cli.network.model import EcefNetwork
    from ecef_cli.recipe.model import Recipe
    from ecef_cli.samples.inputs import Inputs
    from ecef_cli.samples.windows import Sample
    from ecef_cli.workspace import Workspace


@dataclass(frozen=True)
class Ready:
    """A training run that is ready to start or resume.

    Attributes:
        run: the run.
        inputs: tags and features.
        chosen: the training samples.
        network: the network, with its initial weights.
        soft: by task, (chosen, labels) log-probabilities to learn from; empty without distillation.
    """

    run: Run
    inputs: Inputs
    chosen: list[Sample]
    network: EcefNetwork
    soft: Mapping[str, Tensor]


def prepare_training(
    workspace: Workspace, recipe: Recipe, *, name: str, device: str, tolerance: Tolerance | None, force: bool
) -> Ready:
    """Return everything that training needs; create missing tags, features and run folder.

    The run folder is neither deleted nor written before everything else has succeeded.

    Args:
        workspace: the workspace of the dataset and the run.
        recipe: the recipe.
        name: the run's name.
        device: where to compute.
        tolerance: how many recordings may be unreadable; None for none.
        force: delete an existing run of this name first.

    Raises:
        UsageProblem: a run of this name follows another recipe or was started with other data, or a teacher does not
            fit.
        DataError: the train or dev split is missing or has no target.
        RecipeError: the run named by `training.start` does not fit.
    """
    folder = workspace.run(name)
    start = find_start(workspace, recipe, folder)
    if start is not None:
        recipe = with_text_of(recipe, start)
    teachers = find_teachers(workspace, recipe, folder)
    begun = not force and (folder / "run.json").is_file() and (folder / "recipe.yaml").is_file()
    if begun:
        _check_recipe(folder, recipe)
    encoders = build_encoders(recipe, device=device)
    inputs = load_inputs(workspace, recipe, encoders, tolerance=tolerance, training=True)
    chosen = _with_targets(inputs, recipe)
    warn_of_silence(inputs, recipe, chosen)
    inputs = load_variants(workspace, recipe, inputs, encoders, tolerance=tolerance)
    run = _planned(folder, recipe, inputs, encoders, start, teachers)
    if begun:
        _check_origin(run)
    soft = soft_targets(workspace, recipe, teachers, chosen, device=device)
    torch.manual_seed(recipe.training.seed)
    network = build_network(recipe, encoders, len(run.labels))
    if start is not None:
        take_over(network, start, run)
    if force:
        shutil.rmtree(folder, ignore_errors=True)
    if not begun:
        if start is not None and "text" in recipe.training.freeze:
            copy_decisions(start, folder)  # before the run counts as begun
        create_run(
            folder,
            recipe,
            labels=run.labels,
            identities=run.identities,
            dataset=run.dataset,
            licences=run.licences,
        )
    return Ready(run, inputs, chosen, network, soft)


def _check_recipe(folder: Path, recipe: Recipe) -> None:
    different = differences(open_run(folder).recipe.dumped(), recipe.dumped())
    if different:
        raise UsageProblem(
            f"the run {folder.name!r} follows another recipe: {'; '.join(different)}",
            hint="give this one a --name, or throw that one away with --force",
        )


def _with_targets(inputs: Inputs, recipe: Recipe) -> list[Sample]:
    for split in ("train", "dev"):
        for task in recipe.tasks:
            if all(s.targets[task] == NO_TARGET for s in inputs.samples.get(split, ())):
                raise DataError(
                    f"the dataset {recipe.dataset!r} has no {task.upper()} target in its {split} split",
                    hint="training needs labelled train and dev dialogues; see `ecef prepare`",
                )
    return [s for s in inputs.samples["train"] if any(n != NO_TARGET for n in s.targets.values())]


def warn_of_silence(inputs: Inputs, recipe: Recipe, chosen: list[Sample]) -> None:
    """Warn if a network of text and audio never trains on a window without recordings."""
    training, audio = recipe.training, inputs.audio
    if inputs.features is None or audio is None or training.modality_dropout.audio or "text" in training.freeze:
        return
    if all(any(audio.length(sample.split, number) for number in sample.numbers) for sample in chosen):
        console.warn(
            "every training window has a recording, so the model cannot learn to predict from text alone "
            "(set training.modality_dropout.audio=0.2)"
        )


def _planned(
    folder: Path, recipe: Recipe, inputs: Inputs, encoders: Encoders, start: Run | None, teachers: Sequence[Run]
) -> Run:
    identities = encoders.identities
    if start is not None:
        identities["start"] = checksum(start.weights)
    if teachers:
        identities["teachers"] = teacher_checksums(teachers)
    if recipe.tagger is not None and recipe.reads("text"):
        identities["tagger"] = identity(recipe.component("tagger"))
    prepared = inputs.prepared
    licences = {} if start is None else dict(start.licences)
    if prepared.licence:
        licences[prepared.name] = prepared.licence
    dataset = {"name": prepared.name, "key": prepared.key}
    return Run(folder, recipe, prepared.labels, identities, dataset, licences)


def _check_origin(planned: Run) -> None:
    run = open_run(planned.folder)
    if (dict(run.identities), dict(run.dataset)) != (dict(planned.identities), dict(planned.dataset)):
        raise UsageProblem(
            f"the run {run.folder.name!r} was started with other data or other frozen weights",
            hint="give this one a --name, or throw that one away with --force",
        )
