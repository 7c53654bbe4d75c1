"""Initial weights from another run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ecef_cli import console
from ecef_cli.api.errors import RecipeError, UsageProblem
from ecef_cli.recipe.strict_yaml import differences
from ecef_cli.runs.decision import PARTS
from ecef_cli.runs.run import find_run
from ecef_cli.workspace import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from ecef_cli.network.model import EcefNetwork
    from ecef_cli.recipe.model import Recipe
    from ecef_cli.runs.run import Run
    from ecef_cli.workspace import Workspace

_TEXT = ("history", "epc", "tagger", "text_encoder", "cues", "decision")
"""Settings of a recipe that concern its text layers."""
_SHAPE = ("width", "heads", "layers", "feedforward", "pooling")
"""Settings of the network that the text layers share with others."""


def find_start(workspace: Workspace, recipe: Recipe, folder: Path) -> Run | None:
    """Return the run to take initial weights from, or None to start from random weights.

    Args:
        workspace: the workspace to find runs by name.
        recipe: the recipe.
        folder: the folder of the run to train.

    Raises:
        RecipeError: frozen layers come from no run, belong to a modality that is not read, or are the whole network.
        UsageProblem: the run is missing, is not finished, or is the one to train.
    """
    settings = recipe.training
    if settings.freeze and settings.start is None:
        raise RecipeError(
            f"recipe {recipe.name}: training.freeze needs training.start",
            hint="layers that are not trained must come from a run",
        )
    unread = [modality for modality in settings.freeze if modality not in recipe.modalities]
    if unread:
        raise RecipeError(f"recipe {recipe.name}: training.freeze: {unread[0]} is not among the modalities")
    if recipe.modalities == ["text"] and settings.freeze:
        raise RecipeError(f"recipe {recipe.name}: training.freeze leaves nothing to train")
    if settings.start is None:
        return None
    start = find_run(workspace, settings.start)
    if start.folder.resolve() == folder.resolve():
        raise UsageProblem(f"the run {folder.name!r} cannot start from itself", hint="give this one a --name")
    if not start.finished:
        raise UsageProblem(f"the run {settings.start!r} is not finished", hint="train it to its end first")
    return start


def with_text_of(recipe: Recipe, start: Run) -> Recipe:
    """Return a recipe with the settings of the text layers that it takes, frozen, from a run.

    The frozen layers, and what is decided after them, are the run's; so rows without a recording keep its answers.
    """
    if "text" not in recipe.training.freeze or not start.recipe.reads("text"):
        return recipe
    network = {key: getattr(start.recipe.network, key) for key in _SHAPE}
    taken = {key: getattr(start.recipe, key) for key in _TEXT}
    adopted = recipe.model_copy(update={**taken, "network": recipe.network.model_copy(update=network)})
    changed = differences(recipe.dumped(), adopted.dumped())
    if changed:
        console.note(f"train: the settings of text are those of {start.folder.name}: {'; '.join(changed)}")
    return adopted


def copy_decisions(start: Run, folder: Path) -> None:
    """Copy what a run decides after its network, if it does, into the folder of a run with the same text layers."""
    for name in PARTS:
        path = start.part(name)
        if start.recipe.decides and path.is_file():
            with replacing(folder / name) as part:
                shutil.copyfile(path, part)


def take_over(network: EcefNetwork, start: Run, run: Run) -> None:
    """Copy the weights of a run into a network, by name.

    Args:
        network: the network, untrained.
        start: the run to copy from.
        run: the run to train.

    Raises:
        UsageProblem: the run has other emotions, or was trained on other frozen encoders.
        RecipeError: a weight has another shape, or a modality to freeze is not in the run.
    """
    if start.labels != run.labels:
        raise UsageProblem(
            f"the run {start.folder.name!r} has the emotions {', '.join(start.labels)}, this dataset "
            f"{', '.join(run.labels)}",
            hint="start from a run of the same emotions",
        )
    for key in ("text_encoder", "audio_encoder"):
        if key in start.identities and start.identities[key] != run.identities.get(key, start.identities[key]):
            raise UsageProblem(f"the run {start.folder.name!r} was trained on another {key}")
    stored, own = start.stored(), network.state_dict()
    shared = {key: value for key, value in stored.items() if key in own}
    differing = [key for key, value in shared.items() if value.shape != own[key].shape]
    if differing:
        raise RecipeError(
            f"the network of {start.folder.name!r} has another shape, in {len(differing)} weights such as "
            f"{differing[0]}: {tuple(stored[differing[0]].shape)}, not {tuple(own[differing[0]].shape)}",
            hint="use its network settings",
        )
    for modality in run.recipe.training.freeze:
        parts = (f"{modality}.", "text_heads.") if modality == "text" else (f"{modality}.",)
        apart = [key for key in {**own, **stored} if key.startswith(parts) and key not in shared]
        if apart:
            has = "has" if apart[0] in stored else "has no"
            raise RecipeError(
                f"training.freeze: {start.folder.name!r} {has} {apart[0]}, unlike this network, so {modality} cannot "
                "be frozen",
                hint=f"start from a run that reads {modality}, with the same tasks and settings",
            )
    network.load_state_dict(shared, strict=False)
    console.note(f"train {run.folder.name}: starts from {len(shared)} of {len(own)} weights of {start.folder.name}")
