"""Training: it learns, it chooses on dev, and it can be stopped anywhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
import yaml
from conftest import FEELINGS, toy_recipe
from narrow import present
from safetensors.torch import load_file

from ecef_cli import console
from ecef_cli.api.errors import DataError, EcefError, UsageProblem
from ecef_cli.recipe.model import Recipe, check_recipe
from ecef_cli.runs.run import Run, open_run
from ecef_cli.samples.windows import NO_TARGET
from ecef_cli.training import loop
from ecef_cli.training.loop import train
from ecef_cli.training.optimization import JointLoss, class_weights, rate_factor
from ecef_cli.workspace import Workspace, locked

if TYPE_CHECKING:
    from pathlib import Path


SLOWED = """
import sys, time
from ecef_cli.cli.main import main
from ecef_cli.training import loop
step = loop.Trainer._step
loop.Trainer._step = lambda *arguments: (time.sleep(0.1), step(*arguments))[1]
sys.argv = {arguments!r}
main()
"""
"""Trains with a pause at each step, so that the test can kill it within an epoch."""


def recipe(model: Path, **changes: object) -> Recipe:
    return check_recipe(toy_recipe(model, **changes), where="toy")


def trained(workspace: Workspace, model: Path, name: str, **changes: object) -> Run:
    return train(workspace, recipe(model, **changes), name=name, device="cpu")


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.weights)


def same(one: Run, other: Run) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_it_learns_what_can_be_learned(toy_run: Run) -> None:
    best = json.loads((toy_run.folder / "metrics.json").read_text())["best"]
    assert best["erc"]["weighted_f1"] > 85
    assert best["epc"]["uar"] > 70


def test_a_run_says_all_that_it_is(toy_run: Run) -> None:
    names = {path.name for path in toy_run.folder.iterdir()}
    assert {
        "model.safetensors",
        "recipe.yaml",
        "run.json",
        "metrics.json",
        "environment.json",
        "README.md",
    } <= names
    again = open_run(toy_run.folder)
    assert again.recipe == toy_run.recipe
    assert again.labels == tuple(FEELINGS)
    assert yaml.safe_load((toy_run.folder / "recipe.yaml").read_text())["training"]["patience"] == 9
    card = (toy_run.folder / "README.md").read_text()
    assert "chosen on the dev split" in card
    assert "| dev |" in card


def test_only_what_was_trained_is_stored(toy_run: Run) -> None:
    stored = weights(toy_run)
    assert not [key for key in stored if "embeddings" in key]
    assert {key.split(".")[0] for key in stored} == {"text", "text_heads"}
    parts = {key.split(".")[1] for key in stored if key.startswith("text.")}
    assert parts == {"top", "marks", "weighting", "extraction"}
    assert {key.split(".")[3] for key in stored if key.startswith("text.top.")} == {"0"}


def test_frozen_layers_do_not_change_and_trained_ones_do(toy_run: Run) -> None:
    encoder = toy_run.recipe.component("text_encoder")
    fresh = present(encoder.trainable()).state_dict()
    stored = {k.removeprefix("text.top."): v for k, v in weights(toy_run).items() if k.startswith("text.top.")}
    assert any(not torch.equal(fresh[key], stored[key]) for key in stored)
    assert encoder.identity() == toy_run.identities["text_encoder"]


def test_the_best_epoch_is_the_one_with_the_highest_dev_score(toy_run: Run) -> None:
    log = [json.loads(line) for line in (toy_run.folder / "log.jsonl").read_text().splitlines()]
    best = json.loads((toy_run.folder / "metrics.json").read_text())["best"]
    assert best == max(log, key=lambda entry: entry["selection"])
    assert best["selection"] == pytest.approx((best["erc"]["weighted_f1"] + best["epc"]["uar"]) / 2)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    toy_workspace: Workspace, tiny_bert: Path, toy_run: Run
) -> None:
    assert same(toy_run, trained(toy_workspace, tiny_bert, "again"))
    settings = dict(toy_recipe(tiny_bert)["training"], seed=2)
    assert not same(toy_run, trained(toy_workspace, tiny_bert, "other-seed", training=settings))


def test_training_again_does_nothing(
    toy_workspace: Workspace, tiny_bert: Path, toy_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before = toy_run.weights.stat().st_mtime_ns
    trained(toy_workspace, tiny_bert, "shared")
    assert toy_run.weights.stat().st_mtime_ns == before
    assert "nothing to do" in capsys.readouterr().err


def test_another_recipe_does_not_overwrite_a_run(toy_workspace: Workspace, tiny_bert: Path, toy_run: Run) -> None:
    with pytest.raises(UsageProblem, match=r"follows another recipe: history was 3, not 2"):
        trained(toy_workspace, tiny_bert, "shared", history=2)
    forced = train(toy_workspace, recipe(tiny_bert, history=2), name="shared2", device="cpu", force=True)
    assert forced.recipe.history == 2


def test_it_stops_when_dev_no_longer_improves(toy_workspace: Workspace, tiny_bert: Path) -> None:
    settings = dict(toy_recipe(tiny_bert)["training"], epochs=30, patience=1)
    run = trained(toy_workspace, tiny_bert, "patient", training=settings)
    log = (run.folder / "log.jsonl").read_text().splitlines()
    best = json.loads((run.folder / "metrics.json").read_text())["best"]["epoch"]
    assert len(log) == best + 1 < 30


def test_an_interrupted_training_goes_on_to_the_same_weights(
    toy_workspace: Workspace, tiny_bert: Path, toy_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = loop.Trainer._step
    steps = 0

    def interrupting(self: loop.Trainer, members: Sequence[int], step: int) -> float:
        nonlocal steps
        steps += 1
        if steps == 12:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, members, step)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Trainer, "_step", interrupting)
        with pytest.raises(KeyboardInterrupt):
            trained(toy_workspace, tiny_bert, "interrupted")
    assert steps == 12
    assert same(toy_run, trained(toy_workspace, tiny_bert, "interrupted"))


def test_a_killed_training_goes_on_to_the_same_weights(
    toy_workspace: Workspace, tiny_bert: Path, tmp_path: Path, toy_run: Run
) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(toy_recipe(tiny_bert)))
    arguments = [sys.executable, "-m", "ecef_cli", "--workspace", str(toy_workspace.root)]
    arguments += ["train", str(path), "--name", "killed", "--device", "cpu"]
    log = toy_workspace.run("killed") / "log.jsonl"
    slow = SLOWED.format(arguments=arguments[2:])
    process = subprocess.Popen([sys.executable, "-c", slow], stderr=subprocess.PIPE)
    stderr = present(process.stderr)
    try:
        deadline = time.monotonic() + 60
        while not log.is_file():
            assert process.poll() is None, stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.25)
    finally:
        process.kill()
        process.wait()
        stderr.close()
    assert 1 <= len(log.read_text().splitlines()) < 9
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "resuming in epoch" in done.stderr
    assert "ended after 9 epochs; epoch" in done.stderr
    assert same(toy_run, open_run(toy_workspace.run("killed")))


def test_the_average_of_the_weights_is_what_is_kept_and_survives_an_interruption(
    toy_workspace: Workspace, tiny_bert: Path, toy_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dict(toy_recipe(tiny_bert)["training"], average=0.9, epochs=3)
    whole = trained(toy_workspace, tiny_bert, "average", training=settings)
    assert not same(whole, trained(toy_workspace, tiny_bert, "plain", training=dict(settings, average=0.0)))
    original = loop.Trainer._validate

    def stop_after_two(self: loop.Trainer, watch: console.Stopwatch) -> dict[str, Any]:
        if self.progress.epoch == 2:
            raise KeyboardInterrupt
        return original(self, watch)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Trainer, "_validate", stop_after_two)
        with pytest.raises(KeyboardInterrupt):
            trained(toy_workspace, tiny_bert, "average-stopped", training=settings)
    assert same(whole, trained(toy_workspace, tiny_bert, "average-stopped", training=settings))


def test_a_run_is_trained_by_one_process_at_a_time(toy_workspace: Workspace, tiny_bert: Path) -> None:
    with (
        locked(toy_workspace.run("busy"), "the run 'busy'"),
        pytest.raises(EcefError, match="in use by another process"),
    ):
        trained(toy_workspace, tiny_bert, "busy")


def test_a_split_without_targets_is_an_error(tmp_path: Path, tiny_bert: Path) -> None:
    from conftest import toy_dialogue

    from ecef_cli.api.components import Corpus
    from ecef_cli.api.dialogue import Dialogue
    from ecef_cli.corpus.manifest import save_prepared

    workspace = Workspace(tmp_path)
    talk = toy_dialogue("d", 0)
    bare = Dialogue("e", tuple(replace(u, emotion=None, dialogue="e") for u in talk.utterances))
    save_prepared(workspace, "toy", Corpus(tuple(FEELINGS), {"train": (talk,), "dev": (bare,)}, ()), {})
    with pytest.raises(DataError, match="has no ERC target in its dev split"):
        trained(workspace, tiny_bert, "bare")


def test_rates_rise_and_fall_as_the_recipe_says(tiny_bert: Path) -> None:
    settings = recipe(tiny_bert).training.model_copy(update={"warmup": 0.1})
    linear = [rate_factor(step, 100, settings) for step in range(100)]
    assert linear[:3] == pytest.approx([1 / 11, 2 / 11, 3 / 11])
    assert max(linear) == linear[10] == 1.0
    assert linear[55] == pytest.approx(0.5)
    cosine = settings.model_copy(update={"schedule": "cosine"})
    assert rate_factor(55, 100, cosine) == pytest.approx(0.5)
    constant = settings.model_copy(update={"schedule": "constant"})
    assert rate_factor(99, 100, constant) == 1.0


def test_class_weights_are_inverse_frequencies_to_a_power_and_one_on_average() -> None:
    numbers = [0] * 8 + [1] * 2
    assert class_weights(numbers, 2, 0.0).tolist() == [1.0, 1.0]
    full = class_weights(numbers, 2, 1.0)
    assert (full[1] / full[0]).item() == pytest.approx(4)
    assert full[numbers].mean().item() == pytest.approx(1)
    assert (class_weights(numbers, 2, 0.5)[1] / class_weights(numbers, 2, 0.5)[0]).item() == pytest.approx(2)


def test_the_loss_is_the_sum_over_tasks_and_leaves_out_what_has_no_target(tiny_bert: Path) -> None:
    settings = recipe(tiny_bert).training
    loss = JointLoss(settings, [], {"erc": 3, "epc": 3})
    logits = {"erc": torch.randn(2, 3), "epc": torch.randn(2, 3)}
    erc = torch.nn.functional.cross_entropy(logits["erc"], torch.tensor([1, 2]))
    epc = torch.nn.functional.cross_entropy(logits["epc"][:1], torch.tensor([0]))
    totals = loss.totals([{"erc": 1, "epc": 0}, {"erc": 2, "epc": NO_TARGET}])
    found = loss(logits, {"erc": torch.tensor([1, 2]), "epc": torch.tensor([0, NO_TARGET])}, totals, {})
    assert found.item() == pytest.approx((erc + epc).item())
    none = torch.tensor([NO_TARGET, NO_TARGET])
    assert loss(logits, {"erc": none, "epc": none}, {"erc": 0.0, "epc": 0.0}, {}).item() == 0
