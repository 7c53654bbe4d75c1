"""How a network is computed in training changes memory, time and rounding, not what it learns."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from conftest import toy_recipe, voiced_recipe
from narrow import present
from safetensors.torch import load_file
from torch import nn

from ecef_cli.api.errors import EcefError
from ecef_cli.features.encoders import build_encoders
from ecef_cli.network.model import EcefNetwork
from ecef_cli.network.recomputation import compute_again
from ecef_cli.recipe.model import check_recipe
from ecef_cli.recipe.sections import Training
from ecef_cli.runs.run import Run, build_network
from ecef_cli.samples.inputs import load_inputs
from ecef_cli.samples.windows import NO_TARGET, Sample
from ecef_cli.training.computing import Taught, compiling, seed_part
from ecef_cli.training.loop import train
from ecef_cli.training.optimization import JointLoss
from ecef_cli.workspace import Workspace


def trained(workspace: Workspace, model: Path, name: str, **training: object) -> Run:
    values = toy_recipe(model)
    values["training"] = {**values["training"], "epochs": 2, **training}
    return train(workspace, check_recipe(values, where="toy"), name=name, device="cpu")


def losses(run: Run) -> list[float]:
    return [json.loads(line)["loss"] for line in (run.folder / "log.jsonl").read_text().splitlines()]


def same(one: Run, other: Run) -> bool:
    first, second = load_file(one.weights), load_file(other.weights)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


# ------------------------------------------------------------------------------------------------------- the loss


@dataclass(frozen=True)
class Asked:
    targets: Mapping[str, int]


@pytest.mark.parametrize(
    ("balance", "smoothing", "taught"),
    [(0.0, 0.0, 0.0), (0.7, 0.0, 0.0), (0.7, 0.1, 0.0), (0.0, 0.1, 0.4), (0.7, 0.0, 1)],
)
@pytest.mark.parametrize("shares", [1, 3, 12])
def test_the_shares_of_a_batch_add_up_to_pytorch_s_mean_over_the_whole(
    balance: float, smoothing: float, taught: float, shares: int
) -> None:
    torch.manual_seed(0)
    settings = Training(
        class_balance={"erc": balance, "epc": balance},
        task_weights={"erc": 1.0, "epc": 0.5},
        label_smoothing=smoothing,
        distillation={"weight": taught, "temperature": 3.0},
    )
    targets = {"erc": torch.randint(0, 4, (10,)), "epc": torch.randint(0, 4, (10,))}
    targets["epc"][[0, 3, 4, 6]] = NO_TARGET
    samples = [Asked({task: int(numbers[n]) for task, numbers in targets.items()}) for n in range(10)]
    loss = JointLoss(settings, cast("list[Sample]", samples), {"erc": 4, "epc": 4})
    logits = {task: torch.randn(10, 4, requires_grad=True) for task in targets}
    soft = {task: torch.randn(10, 4).log_softmax(dim=1) for task in (targets if taught else ())}

    def whole(task: str) -> torch.Tensor:
        hard = nn.functional.cross_entropy(
            logits[task],
            targets[task],
            weight=loss.get_buffer(task),
            label_smoothing=smoothing,
            ignore_index=NO_TARGET,
        )
        if not taught:
            return hard
        asked = targets[task] != NO_TARGET
        weights = loss.get_buffer(task)[targets[task][asked]]
        teachers, own = soft[task][asked], (logits[task][asked] / 3.0).log_softmax(dim=1)
        apart = (teachers.exp() * (teachers - own)).sum(dim=1)
        return (1 - taught) * hard + taught * 9.0 * (weights * apart).sum() / weights.sum()

    expected = whole("erc") + 0.5 * whole("epc")
    totals = loss.totals(sample.targets for sample in samples)
    found = sum(
        (
            loss(*({t: v[n::shares] for t, v in every.items()} for every in (logits, targets)), totals, part)
            for n in range(shares)
            for part in [{t: v[n::shares] for t, v in soft.items()}]
        ),
        start=torch.zeros(()),
    )
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)
    gradients = [torch.autograd.grad(value, list(logits.values())) for value in (found, expected)]
    for mine, pytorch in zip(*gradients, strict=True):
        assert torch.allclose(mine, pytorch, atol=1e-7)


def test_a_share_of_which_nothing_is_asked_has_a_gradient_of_zero() -> None:
    loss = JointLoss(Training(), [], {"erc": 3})
    logits = torch.randn(1, 3, requires_grad=True)
    loss({"erc": logits}, {"erc": torch.tensor([NO_TARGET])}, {"erc": 4.0}, {}).backward()
    assert torch.equal(present(logits.grad), torch.zeros(1, 3))


# ---------------------------------------------------------------------------------------------- activations again


def gradients(network: nn.Module, batch: object) -> list[torch.Tensor]:
    seed_part(1, 2, 0, 0)
    network.zero_grad()
    sum(logits.square().sum() for logits in network(batch).values()).backward()
    return [p.grad.clone() for p in network.parameters() if p.grad is not None]


@pytest.mark.parametrize("modalities", [("text",), ("text", "audio")])
def test_activations_that_are_computed_again_give_the_same_gradients(
    voiced_workspace: Workspace, tiny_bert: Path, modalities: tuple[str, ...]
) -> None:
    recipe = check_recipe(voiced_recipe(tiny_bert, *modalities), where="voiced")
    assert recipe.network.dropout > 0
    encoders = build_encoders(recipe, device="cpu")
    inputs = load_inputs(voiced_workspace, recipe, encoders)
    network = build_network(recipe, encoders, 3).train()
    batch = inputs.batch(inputs.samples["train"][:6])
    before = gradients(network, batch)
    again = deepcopy(network)
    compute_again(again)
    calls = []
    for module in again.modules():
        if isinstance(module, nn.TransformerEncoderLayer):
            module.linear1.register_forward_hook(lambda *_: calls.append(1))
    assert again.state_dict().keys() == network.state_dict().keys()
    after = gradients(again, batch)
    assert len(before) == len(after)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert len(calls) == 2 * sum(isinstance(m, nn.TransformerEncoderLayer) for m in again.modules())
    calls.clear()
    with torch.no_grad():
        again.eval()(batch)
    assert len(calls) <= sum(isinstance(m, nn.TransformerEncoderLayer) for m in again.modules())


def test_a_module_says_itself_that_it_may_be_computed_again() -> None:
    calls = []

    class Noisy(nn.Module):
        recomputable = True

        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, inputs: SimpleNamespace, *, scale: float) -> torch.Tensor:
            calls.append(1)
            return nn.functional.dropout(self.linear(inputs.values).tanh()) * scale

    class Plain(Noisy):
        recomputable = False

    for kind, expected in ((Noisy, 2), (Plain, 1)):
        calls.clear()
        model = nn.ModuleDict({"part": kind()})
        compute_again(model)
        model["part"](SimpleNamespace(values=torch.ones(2, 4)), scale=2.0).sum().backward()
        assert len(calls) == expected


def test_training_with_activations_computed_again_ends_in_the_same_weights(
    toy_workspace: Workspace, tiny_bert: Path
) -> None:
    for average in (0.0, 0.9):
        run = trained(toy_workspace, tiny_bert, f"kept-{average}", average=average)
        again = trained(toy_workspace, tiny_bert, f"again-{average}", average=average, checkpointing=True)
        assert same(run, again)


# ------------------------------------------------------------------------------------------------------ precision


def test_bf16_learns_with_weights_of_float32_and_leaves_nothing_behind(
    toy_workspace: Workspace, tiny_bert: Path
) -> None:
    before = trained(toy_workspace, tiny_bert, "full")
    half = trained(toy_workspace, tiny_bert, "bf16", precision="bf16")
    assert all(math.isfinite(loss) for loss in losses(half))
    assert losses(half)[-1] < losses(half)[0]
    assert losses(half) != losses(before)
    assert losses(half) == pytest.approx(losses(before), rel=0.1)
    assert {value.dtype for value in load_file(half.weights).values()} == {torch.float32}
    assert same(before, trained(toy_workspace, tiny_bert, "full-again"))


# ----------------------------------------------------------------------------------------------------- compilation


class Small(nn.Module):
    """As little of a network as there is."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, batch: SimpleNamespace) -> dict[str, torch.Tensor]:
        return {"erc": self.linear(batch.values).relu().mean(dim=1)}


def small_batch(length: int) -> SimpleNamespace:
    values = torch.randn(3, length, 4, generator=torch.Generator().manual_seed(length))
    return SimpleNamespace(values=values, labels={"erc": torch.tensor([0, 2, NO_TARGET])})


def taught(network: nn.Module, **training: object) -> Taught:
    settings = Training(**training)
    return Taught(cast("EcefNetwork", network), JointLoss(settings, [], {"erc": 3}), settings, shared=False)


@pytest.mark.filterwarnings("ignore")  # of the compiler's own
@pytest.mark.skipif(shutil.which("g++") is None, reason="PyTorch compiles with g++")
def test_a_compiled_network_has_the_same_loss_and_gradients() -> None:
    network = Small()
    names = list(network.state_dict())
    plain, compiled = taught(network), taught(network, compile=True)
    for length in (5, 7, 12):
        found = []
        for model in (plain, compiled):
            network.zero_grad()
            with compiling(Training(compile=model is compiled)):
                loss = model(small_batch(length), {"erc": 2.0}, {})
                loss.backward()
            found.append([loss.detach(), *(present(p.grad).clone() for p in network.parameters())])
        for one, other in zip(*found, strict=True):
            assert torch.allclose(one, other, atol=1e-4)
    assert list(network.state_dict()) == names


@pytest.mark.filterwarnings("ignore")
def test_a_missing_compiler_is_one_line_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, "cxx", (None, "no-such-compiler"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.compiler.reset()
    model = taught(Small(), compile=True)
    expected = r"cannot be compiled: .*\(set training\.compile=false\)"
    with pytest.raises(EcefError, match=expected) as caught, compiling(Training(compile=True)):
        model(small_batch(6), {"erc": 2.0}, {}).backward()
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)
    torch.compiler.reset()
