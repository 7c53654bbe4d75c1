"""Several processes train one network: to the same result as one, with one voice, and together to the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from conftest import toy_recipe
from safetensors.torch import load_file

from ecef_cli import console
from ecef_cli.api.errors import UsageProblem
from ecef_cli.cli.main import run
from ecef_cli.recipe.model import check_recipe
from ecef_cli.training.loop import train
from ecef_cli.training.processes import Processes
from ecef_cli.workspace import Workspace

TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
ACCELERATE = [
    *("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"),
    *("--main_process_port", "0", "--mixed_precision", "no", "--dynamo_backend", "no"),
]
CHANGED = """
import os, time
from ecef_cli.cli.main import main
from ecef_cli.training import loop
step = loop.Trainer._step
def changed(*arguments):
    {change}
    return step(*arguments)
loop.Trainer._step = changed
main()
"""

Started = Callable[..., subprocess.Popen[str]]


def settled(model: Path, **training: object) -> dict[str, Any]:
    """Return a recipe in which nothing is drawn at random."""
    values = toy_recipe(model, network={"width": 32, "heads": 4, "layers": 1, "dropout": 0.0})
    values["text_encoder"] = {**values["text_encoder"], "trainable_layers": 0}
    values["training"] = {**values["training"], "epochs": 2, "class_balance": {"erc": 0.5}, **training}
    return values


@pytest.fixture(scope="module")
def started(toy_workspace: Workspace, tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Started:
    """Start two processes that train a run, by a launcher; the program may be a script that changes something."""
    path = tmp_path_factory.mktemp("recipes") / "settled.yaml"
    path.write_text(yaml.safe_dump(settled(tiny_bert)))

    def start(
        name: str, *options: str, launcher: Sequence[str] = TORCHRUN, program: Sequence[str] = ("-m", "ecef_cli")
    ) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            *launcher,
            *program,
            "--workspace",
            str(toy_workspace.root),
            "train",
            str(path),
        ]
        return subprocess.Popen(
            [*command, "--name", name, "--device", "cpu", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture(scope="module")
def alone(toy_workspace: Workspace, tiny_bert: Path) -> Path:
    """A run trained by one process."""
    train(toy_workspace, check_recipe(settled(tiny_bert), where="toy"), name="alone", device="cpu")
    return toy_workspace.run("alone")


@pytest.fixture(scope="module")
def shared(started: Started, toy_workspace: Workspace) -> tuple[Path, str, str]:
    """The folder of a run trained by two processes, and what they said."""
    process = started("two", launcher=ACCELERATE)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return toy_workspace.run("two"), out, err


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]


def assert_same(folder: Path, other: Path) -> None:
    """Say that two runs have the same losses and weights, but for rounding."""
    assert losses(folder) == pytest.approx(losses(other), abs=1e-5)
    mine, others = (load_file(f / "model.safetensors") for f in (folder, other))
    assert mine.keys() == others.keys()
    for key, value in mine.items():
        if key.endswith("in_proj_bias"):  # attention's key bias has no effect, so that Adam makes steps of rounding
            value, others[key] = (torch.cat([v.chunk(3)[0], v.chunk(3)[2]]) for v in (value, others[key]))  # noqa: PLW2901
        assert torch.allclose(value, others[key], atol=1e-5), key


def test_two_processes_learn_what_one_does(alone: Path, shared: tuple[Path, str, str]) -> None:
    assert_same(alone, shared[0])


def test_two_processes_speak_with_one_voice(alone: Path, shared: tuple[Path, str, str]) -> None:
    folder, out, err = shared
    assert out.splitlines() == [str(folder)]
    assert sum("starting in epoch 1" in line for line in err.splitlines()) == 1
    assert sum(line.startswith("epoch 2/2") for line in err.splitlines()) == 1
    assert {p.name for p in folder.iterdir()} == {p.name for p in alone.iterdir()}


@pytest.mark.parametrize("parts", [2, 11])
def test_a_batch_in_parts_teaches_what_the_whole_does(
    toy_workspace: Workspace, tiny_bert: Path, alone: Path, parts: int
) -> None:
    recipe = check_recipe(settled(tiny_bert, accumulate=parts), where="toy")
    assert_same(alone, train(toy_workspace, recipe, name=f"parts-{parts}", device="cpu").folder)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals between processes")
@pytest.mark.parametrize("number", [signal.SIGTERM])  # which ends in the handler of SIGINT
def test_two_interrupted_processes_go_on_to_the_same_weights(
    started: Started, shared: tuple[Path, str, str], toy_workspace: Workspace, tmp_path: Path, number: int
) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text(CHANGED.format(change="time.sleep(0.1)"))
    process = started(f"stopped-{number}", program=[str(slow)])
    log = toy_workspace.run(f"stopped-{number}") / "log.jsonl"
    deadline = time.monotonic() + 200
    while not log.is_file():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.4)
    process.send_signal(number)
    out, err = process.communicate(timeout=100)
    assert out == ""
    assert err.count("ecef: interrupted") == 1
    assert len(log.read_text().splitlines()) == 1
    again = started(f"stopped-{number}")
    _, err = again.communicate(timeout=200)
    assert again.returncode == 0, err
    assert "resuming in epoch 2" in err
    assert (log.parent / "model.safetensors").read_bytes() == (shared[0] / "model.safetensors").read_bytes()


def test_what_is_wrong_for_all_is_said_once(started: Started, shared: tuple[Path, str, str]) -> None:
    process = started("two", "--set", "history=2")
    out, err = process.communicate(timeout=200)
    assert out == ""
    (line,) = [line for line in err.splitlines() if line.startswith("ecef: ")]
    assert "the run 'two' follows another recipe: history was 3, not 2" in line


def test_what_fails_in_one_process_ends_all_and_is_said_with_its_number(started: Started, tmp_path: Path) -> None:
    failing = tmp_path / "failing.py"
    failing.write_text(CHANGED.format(change="1 // (1 - int(os.environ['RANK']))"))
    process = started("failing", program=[str(failing)])
    _, err = process.communicate(timeout=200)
    assert process.returncode == 1
    assert "ecef: process 1: ZeroDivisionError: " in err


# ------------------------------------------------------------------------------------------------ in one process


@pytest.mark.parametrize(("count", "parts", "windows"), [(1, 1, 7), (2, 1, 7), (2, 3, 8), (4, 2, 5)])
def test_every_window_of_a_batch_is_in_one_share(count: int, parts: int, windows: int) -> None:
    found = []
    for rank in range(count):
        processes = Processes("float32", "cpu")
        processes.count, processes.rank = count, rank
        shares = processes.shares(range(windows), parts)
        assert len(shares) == parts
        found += shares
    assert sorted(n for share in found for n in share) == list(range(windows))
    sizes = [len(share) for share in found]
    assert max(sizes) - min(sizes) <= 1


def test_only_the_main_process_speaks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RANK", "1")
    console.note("a cluster's own number of a machine is no launcher's")
    monkeypatch.setenv("LOCAL_RANK", "1")
    for form in ("csv", "table", "jsonl", "json"):
        console.records([{"a": 1}], wanted=form)
    console.warn("unheard")
    assert capsys.readouterr() == ("", "a cluster's own number of a machine is no launcher's\n")


def test_fp16_is_refused_on_a_cpu(
    toy_workspace: Workspace, tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(settled(tiny_bert)))
    arguments = ["--workspace", str(toy_workspace.root), "train", str(path), "--name", "half", "--device", "cpu"]
    assert run([*arguments, "--set", "training.precision=fp16"]) == 2
    assert capsys.readouterr().err == ("ecef: training.precision: fp16 needs a GPU (bf16 and float32 work on a CPU)\n")
    assert not toy_workspace.run("half").exists()


@pytest.mark.parametrize("way", ["DEEPSPEED", "FSDP"])
def test_other_ways_of_sharing_are_refused(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setenv(f"ACCELERATE_USE_{way}", "true")
    with pytest.raises(UsageProblem, match=f"{way} is unsupported in training"):
        Processes("float32", "cpu")


def test_a_launcher_that_starts_one_process_where_several_were_asked_for_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    processes = Processes("float32", "auto")
    assert (processes.count, processes.device) == (1, "cpu")
    assert "`accelerate launch --cpu` starts one process alone" in capsys.readouterr().err


def test_what_a_launcher_says_of_precision_and_parts_is_left_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "INDUCTOR")
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    accelerator = Processes("float32", "cpu").accelerator
    assert accelerator.mixed_precision == "no"
    assert accelerator.gradient_accumulation_steps == 1
    assert accelerator.state.dynamo_plugin.backend == "NO"
    assert Processes("bf16", "cpu").accelerator.mixed_precision == "bf16"
