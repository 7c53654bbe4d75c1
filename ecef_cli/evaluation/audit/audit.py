"""Audit a run, or a recipe before training."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch

from ecef_cli.evaluation.audit.data import check_duplicates, check_selection, check_stored
from ecef_cli.evaluation.audit.perturbation import check_future
from ecef_cli.features.encoders import build_encoders
from ecef_cli.plugin.boundary import identity
from ecef_cli.recipe.sections import Decision as DecisionSettings
from ecef_cli.runs.decision import Decision, save_decisions
from ecef_cli.runs.forecaster import Forecaster
from ecef_cli.runs.run import build_network, create_run, save_weights
from ecef_cli.samples.inputs import stored_features
from ecef_cli.samples.protocol import recipe_dataset, windowed
from ecef_cli.workspace import write_json

if TYPE_CHECKING:
    from ecef_cli.corpus.checks.check import Check
    from ecef_cli.corpus.manifest import Prepared
    from ecef_cli.evaluation.audit.perturbation import WindowProbabilities
    from ecef_cli.recipe.model import Recipe
    from ecef_cli.runs.run import Run
    from ecef_cli.workspace import Workspace

_SHARE = 0.5  # of an untrained forecaster


def audit_run(workspace: Workspace, run: Run, answers: WindowProbabilities, *, device: str) -> list[Check]:
    """Run every check of a run on its training dataset.

    Args:
        workspace: where the dataset is.
        run: the run.
        answers: the prediction function.
        device: where to compute.

    Raises:
        DataError: the dataset is not prepared.
        PluginError: a component cannot be loaded.
    """
    prepared = windowed(run.recipe, recipe_dataset(workspace, run.recipe), run.labels)
    encoders = build_encoders(run.recipe, device=device)
    store = None if encoders.text is None else stored_features(workspace, run.recipe, prepared, encoders.text)
    return [
        *check_future(run, prepared, encoders, answers, device=device),
        check_stored(store, run, prepared, encoders.text),
        check_duplicates(prepared),
        check_selection(run),
    ]


def audit_recipe(workspace: Workspace, recipe: Recipe, answers: WindowProbabilities, *, device: str) -> list[Check]:
    """Run every check of a recipe, with untrained weights.

    Raises:
        DataError: the dataset is not prepared.
        PluginError: a component cannot be loaded.
    """
    prepared = recipe_dataset(workspace, recipe)
    with TemporaryDirectory(prefix="ecef-audit-") as folder:
        return audit_run(workspace, _untrained(Path(folder) / "untrained", recipe, prepared), answers, device=device)


def _untrained(folder: Path, recipe: Recipe, prepared: Prepared) -> Run:
    """Return a run with random weights, which leak like trained ones; without cues, which only training makes."""
    changed = {
        "training": recipe.training.model_copy(update={"start": None, "freeze": []}),
        "cues": None,
        "decision": DecisionSettings(forecaster=_SHARE if recipe.decision.forecaster else 0.0),
    }
    recipe = recipe.model_copy(update=changed)
    encoders = build_encoders(recipe, device="cpu")
    identities = dict(encoders.identities)
    if recipe.tagger is not None and recipe.reads("text"):
        identities["tagger"] = identity(recipe.component("tagger"))
    run = create_run(
        folder, recipe, labels=prepared.labels, identities=identities, dataset={"name": prepared.name, "key": ""}
    )
    torch.manual_seed(0)
    network = build_network(recipe, encoders, len(prepared.labels))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))  # zero weights could hide a leak
    save_weights(run.weights, network)
    if recipe.decision.forecaster:
        labels = len(prepared.labels)
        Forecaster.random(labels).save(folder)
        save_decisions(folder, {"epc": Decision(0.0, 0.0, 1.0, (1 / labels,) * labels, _SHARE)})
    # Mark it as finished, to avoid a warning about unfinished training.
    write_json(folder / "metrics.json", {"finished": True})
    return run
