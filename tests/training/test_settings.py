"""Settings of training: rates by layer, an auxiliary sentiment, steps bounded by positions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
import torch
from conftest import toy_recipe
from narrow import present
from safetensors.torch import load_file

from ecef_cli.features.encoders import build_encoders
from ecef_cli.recipe.model import Recipe, check_recipe
from ecef_cli.runs.run import build_network
from ecef_cli.training import loop
from ecef_cli.training.loop import train
from ecef_cli.training.optimization import build_optimizer

if TYPE_CHECKING:
    from pathlib import Path

    from ecef_cli.runs.run import Run
    from ecef_cli.workspace import Workspace


def recipe(model: Path, *, layers: int = 1, **training: object) -> Recipe:
    values = toy_recipe(model)
    values["text_encoder"] = {**values["text_encoder"], "trainable_layers": layers}
    values["training"] = {**values["training"], "epochs": 3, **training}
    return check_recipe(values, where="toy")


def rates(recipe: Recipe) -> dict[str, set[float]]:
    """Return the full rates of the head and of each of the encoder's layers, lowest first."""
    network = build_network(recipe, build_encoders(recipe, device="cpu"), 3)
    found: dict[str, set[float]] = {}
    names = {parameter: name for name, parameter in network.named_parameters()}
    for group in build_optimizer(network, recipe.training).param_groups:
        for parameter in group["params"]:
            parts = names[parameter].split(".")
            part = ".".join(parts[1:4] if parts[2] == "layers" else parts[1:3]) if parts[1] == "top" else "head"
            found.setdefault(part, set()).add(group["lr"])
    return found


def test_a_layer_of_the_encoder_has_a_share_of_the_rate_of_the_one_above(tiny_bert: Path) -> None:
    found = rates(recipe(tiny_bert, layers=3, encoder_layer_decay=0.5))
    assert found == {"head": {5e-3}, "top.layers.0": {5e-4}, "top.layers.1": {1e-3}, "top.layers.2": {2e-3}}


def test_what_the_layers_share_has_the_rate_of_the_lowest(tiny_mpnet: Path) -> None:
    found = rates(recipe(tiny_mpnet, layers=2, encoder_layer_decay=0.5))
    assert found == {"head": {5e-3}, "top.bias": {1e-3}, "top.layers.0": {1e-3}, "top.layers.1": {2e-3}}


def test_without_a_decay_all_layers_have_one_rate(tiny_bert: Path) -> None:
    found = rates(recipe(tiny_bert, layers=2))
    assert found == {"head": {5e-3}, "top.layers.0": {2e-3}, "top.layers.1": {2e-3}}


TEACHING: dict[str, Any] = {
    "average": 0.9,
    "label_smoothing": 0.05,
    "encoder_layer_decay": 0.9,
    "task_weights": {"erc": 1.0, "epc": 0.3, "sentiment": 0.3},
    "batch_positions": 60,
}


@pytest.fixture(scope="module")
def taught(toy_workspace: Workspace, tiny_bert: Path) -> Run:
    return train(toy_workspace, recipe(tiny_bert, **TEACHING), name="taught", device="cpu")


def test_the_sentiment_is_learned_beside_the_tasks_and_is_no_answer(taught: Run, tiny_bert: Path) -> None:
    weights = load_file(taught.weights)
    assert weights["text_heads.sentiment.weight"].shape == (3, 32)
    torch.manual_seed(taught.recipe.training.seed)
    fresh = build_network(taught.recipe, build_encoders(taught.recipe, device="cpu"), len(taught.labels))
    assert not torch.equal(fresh.state_dict()["text_heads.sentiment.weight"], weights["text_heads.sentiment.weight"])
    best = json.loads((taught.folder / "metrics.json").read_text())["best"]
    assert {"erc", "epc"} == {key for key, value in best.items() if isinstance(value, dict)}
    untaught = build_network(recipe(tiny_bert), build_encoders(taught.recipe, device="cpu"), 3)
    assert present(untaught.text_heads).sentiment is None


def test_steps_of_unlike_epochs_are_counted_one_by_one(
    toy_workspace: Workspace, taught: Run, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    original = loop.Trainer._step

    def watching(self: loop.Trainer, members: Sequence[int], step: int) -> float:
        seen.append(step)
        assert len(members) * max(self.lengths[n] for n in members) <= 60
        if len(seen) == 40:
            raise KeyboardInterrupt
        return original(self, members, step)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Trainer, "_step", watching)
        with pytest.raises(KeyboardInterrupt):
            train(toy_workspace, recipe(tiny_bert, **TEACHING), name="counted", device="cpu")
        resumed = train(toy_workspace, recipe(tiny_bert, **TEACHING), name="counted", device="cpu")
    again = seen.index(seen[40])
    assert seen[:again] + seen[40:] == list(range(len(seen) - 40 + again))
    one, other = load_file(taught.weights), load_file(resumed.weights)
    assert all(torch.equal(one[key], other[key]) for key in one)
