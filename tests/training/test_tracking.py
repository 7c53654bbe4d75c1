"""What a training tells while it runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import toy_recipe

from ecef_cli.api.errors import UsageProblem
from ecef_cli.plugin.manager import get_registry
from ecef_cli.recipe.model import Recipe, check_recipe
from ecef_cli.training.loop import Trainer, train
from ecef_cli.workspace import Workspace

LISTENER = """
from ecef_cli.api import hookimpl

heard = []

@hookimpl
def ecef_training_event(event):
    heard.append(event)
"""


def recipe_of(bert: Path, **training: object) -> Recipe:
    values = toy_recipe(bert)
    values["training"] = {**values["training"], "epochs": 2, **training}
    return check_recipe(values, where="toy")


def test_a_plugin_hears_of_start_steps_epochs_and_end(
    install: Callable[..., None], toy_workspace: Workspace, tiny_bert: Path
) -> None:
    install("listener", LISTENER)
    run = train(toy_workspace, recipe_of(tiny_bert), name="told", device="cpu")
    heard = sys.modules["listener"].heard
    steps = 144 // 8  # windows of the toy dataset by the batch
    assert [e.kind for e in heard] == ["started", *2 * [*steps * ["step"], "epoch"], "finished"]
    assert [e.step for e in heard if e.kind == "step"] == list(range(1, 2 * steps + 1))
    assert [e.values for e in heard if e.kind == "epoch"] == [
        json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()
    ]
    assert heard[0].values == run.recipe.dumped()
    assert heard[-1].values == json.loads((run.folder / "metrics.json").read_text())["best"]
    assert {(e.run, e.folder) for e in heard} == {("told", run.folder)}
    losses = [e.values["loss"] for e in heard if e.kind == "step"][:steps]
    epoch = next(e for e in heard if e.kind == "epoch")
    assert sum(losses) / steps == pytest.approx(epoch.values["loss"])


def test_a_listener_that_fails_costs_one_warning_and_the_weights_are_the_same(
    install: Callable[..., None], toy_workspace: Workspace, tiny_bert: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = train(toy_workspace, recipe_of(tiny_bert), name="untold", device="cpu")
    install("listener", LISTENER.replace("heard.append(event)", "raise OSError('no network')"))
    get_registry.cache_clear()
    capsys.readouterr()
    run = train(toy_workspace, recipe_of(tiny_bert), name="told-badly", device="cpu")
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert warning.endswith("raised in ecef_training_event; disabled for this run: OSError: no network")
    assert run.weights.read_bytes() == plain.weights.read_bytes()


def test_a_training_that_goes_on_starts_again_where_it_was(
    install: Callable[..., None], toy_workspace: Workspace, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("listener", LISTENER)
    kept = Trainer._save

    def save(self: Trainer) -> None:
        kept(self)
        if not self.progress.finished:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save", save)
        with pytest.raises(KeyboardInterrupt):
            train(toy_workspace, recipe_of(tiny_bert), name="halted", device="cpu")
    train(toy_workspace, recipe_of(tiny_bert), name="halted", device="cpu")
    heard = sys.modules["listener"].heard
    assert [(e.kind, e.step) for e in heard if e.kind != "step"] == [
        ("started", 0),
        ("epoch", 18),
        ("started", 18),
        ("epoch", 36),
        ("finished", 36),
    ]


def test_tensorboard_has_a_point_for_each_step_and_epoch(toy_workspace: Workspace, tiny_bert: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = train(toy_workspace, recipe_of(tiny_bert), name="curves", device="cpu", tensorboard=True)
    found = EventAccumulator(str(run.folder / "tensorboard"))
    found.Reload()
    assert len(found.Scalars("train/loss")) == 36
    epochs = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert [s.value for s in found.Scalars("dev/ERC W-F1")] == pytest.approx([e["erc"]["weighted_f1"] for e in epochs])


def test_tensorboard_that_is_not_installed_is_one_line(
    toy_workspace: Workspace, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    with pytest.raises(UsageProblem, match="--tensorboard needs the package tensorboard") as caught:
        train(toy_workspace, recipe_of(tiny_bert), name="no-curves", device="cpu", tensorboard=True)
    assert caught.value.hint == "`pip install tensorboard`"
