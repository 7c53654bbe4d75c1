"""Sizes and costs of networks, against figures worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from conftest import toy_recipe, voiced_recipe
from handmade import BOTH
from narrow import instance, present
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ecef_cli.evaluation.cost.cost import Cost, measure, tensors
from ecef_cli.evaluation.cost.network import Inspection, Part, inspect, typical
from ecef_cli.features.encoders import build_encoders
from ecef_cli.network.model import EcefNetwork
from ecef_cli.recipe.model import check_recipe
from ecef_cli.runs.run import build_network
from ecef_cli.samples.batches import Batch, collate
from ecef_cli.samples.shapes import audio_shape, spectrum_shape
from ecef_text.encoder import HuggingFaceEncoder

SIZE = 3
BATCH = collate([BOTH] * SIZE)
_, LENGTH, WIDTH = present(BATCH.text).states.shape
FLOAT = 4


class Toy(nn.Module):
    """The base of the tests' networks: maps states to logits."""

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        return {"erc": self.computed(present(batch.text).states)}

    def computed(self, states: Tensor) -> Tensor:
        raise NotImplementedError


class Linears(Toy):
    """Two linear layers with a ReLU between them."""

    def __init__(self, inner: int, labels: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(WIDTH, inner), nn.Linear(inner, labels)

    def computed(self, states: Tensor) -> Tensor:
        found: Tensor = self.down(torch.relu(self.up(states)))
        return found


class Attention(Toy):
    """Attention with `heads` heads of `size`, without weights but for the maps that make queries and so on."""

    def __init__(self, heads: int, size: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.inward = nn.Linear(WIDTH, 3 * heads * size)

    def computed(self, states: Tensor) -> Tensor:
        parts = self.inward(states).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        return functional.scaled_dot_product_attention(query, key, value, dropout_p=self.dropout)


class Recurrent(Toy):
    """An LSTM."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(WIDTH, hidden, batch_first=True)

    def computed(self, states: Tensor) -> Tensor:
        found: Tensor = self.lstm(states)[0]
        return found


def cost(network: nn.Module, precision: str = "float32") -> Cost:
    return measure(network.train(), BATCH, precision)


def test_linear_layers_take_two_operations_for_each_product_and_keep_what_their_gradients_need() -> None:
    inner, labels = 5, 7
    found = cost(Linears(inner, labels))
    first, second = (2 * SIZE * LENGTH * a * b for a, b in ((WIDTH, inner), (inner, labels)))
    assert found.forward == first + second
    # Nobody asks for the gradient of what came in.
    assert found.step == found.forward + first + 2 * second
    # What the ReLU gives is kept once, for itself and for the layer behind it; inputs and weights are there anyway.
    assert found.activations == FLOAT * SIZE * LENGTH * inner


def test_a_lower_precision_keeps_less() -> None:
    usual, lower = cost(Linears(64, 7)), cost(Linears(64, 7), precision="bf16")
    assert lower.activations < usual.activations
    assert (lower.forward, lower.step) == (usual.forward, usual.step)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_attention_is_counted_whichever_kernel_computes_it(dropout: float) -> None:
    heads, size = 2, 5
    found = cost(Attention(heads, size, dropout))
    maps = 2 * SIZE * LENGTH * WIDTH * 3 * heads * size
    products = 2 * 2 * SIZE * heads * LENGTH**2 * size
    assert found.forward == maps + products
    assert found.step == found.forward + maps + 2 * products
    matrix = SIZE * heads * LENGTH**2
    # The plain kernel keeps the matrix before and after dropout and what was dropped; the fused one keeps none.
    if dropout:
        assert found.activations > 3 * FLOAT * matrix
    else:
        assert found.activations < FLOAT * SIZE * LENGTH * heads * (4 * size + 1) + 1024


def test_an_lstm_is_counted() -> None:
    hidden = 6
    found = cost(Recurrent(hidden))
    assert found.forward == 2 * SIZE * LENGTH * 4 * hidden * (WIDTH + hidden)
    assert found.step == 3 * found.forward


def test_counting_draws_no_random_number() -> None:
    network, drawn = Attention(2, 5, dropout=0.5), torch.get_rng_state()
    cost(network)
    assert torch.equal(torch.get_rng_state(), drawn)


# ------------------------------------------------------------------------------------------------ recipes


def linear(before: int, after: int) -> int:
    return before * after + after


def layer(width: int, inner: int) -> int:
    """Return the parameters of a Transformer layer: four maps of attention, two of the feed-forward part, two norms."""
    return 4 * linear(width, width) + linear(width, inner) + linear(inner, width) + 4 * width


def named(found: Inspection) -> dict[str, Part]:
    return {part.name: part for part in found.parts}


def test_the_parameters_of_a_recipe_of_text(tiny_bert: Path) -> None:
    recipe = check_recipe(toy_recipe(tiny_bert), where="toy")
    found = inspect(recipe)
    assert named(found) == {
        # A layer of the model, and a vector for each of three turns.
        "text encoder, trained layers": Part("text encoder, trained layers", layer(32, 48) + 3 * 32, 0),
        "KWRT": Part("KWRT", 2 * 32, 0),
        "text, feature extraction module": Part(
            "text, feature extraction module", linear(32, 32) + 3 * 32 + layer(32, 4 * 32) + 2 * 32, 0
        ),
        "classifiers of text": Part("classifiers of text", 2 * linear(32, 7), 0),
    }
    (once,) = found.once
    network = build_network(recipe, build_encoders(recipe, device="cpu"), 7)
    trained = sum(p.numel() for p in network.parameters())
    assert sum(part.trained for part in found.parts) == trained
    # Embeddings of words and 16 speakers, positions and types with their norm, two layers, the pooler.
    encoder = instance(HuggingFaceEncoder, build_encoders(recipe, device="cpu").text)
    (words,) = [p.shape[0] for n, p in encoder._model.named_parameters() if "word" in n]
    assert once.parameters == (words + 64 + 2) * 32 + 2 * 32 + 2 * layer(32, 48) + linear(32, 32)
    assert found.memory.weights == found.memory.gradients == FLOAT * trained
    assert found.memory.moments == 2 * FLOAT * trained
    assert (found.memory.average, found.memory.frozen) == (0, 0)


def test_parameters_are_counted_if_the_network_does_not_run_without_values(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def curious(_: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        return {"erc": present(batch.text).states * present(batch.text).states.sum().item()}

    monkeypatch.setattr(EcefNetwork, "forward", curious)
    found = inspect(check_recipe(toy_recipe(tiny_bert), where="toy"))
    assert named(found)["KWRT"].trained == 2 * 32
    assert (found.cost, found.memory.activations, found.as_dict()["cost"]) == (None, None, None)
    assert found.memory.total > 4 * found.memory.weights
    assert found.notes[0].startswith("operations and activations are not counted: ")


def fused(bert: Path, vit: Path, **training: object) -> dict[str, object]:
    values = voiced_recipe(bert, "text", "audio")
    values["fusion"] = {
        "name": "mfm",
        "layers": 1,
        "heads": 4,
        "language": {"model": str(bert)},
        "vision": {"model": str(vit)},
    }
    values["training"] = {**values["training"], **training}
    return values


@pytest.fixture(scope="module")
def usual(tiny_bert: Path, tiny_vit: Path) -> Inspection:
    """What the network of both steps takes, with windows that are shorter than usual."""
    return inspect(check_recipe(fused(tiny_bert, tiny_vit, average=0.9), where="toy"), words=4, seconds=0.8)


def test_frozen_layers_inside_the_network_are_counted_apart(usual: Inspection) -> None:
    found = named(usual)
    assert found["TMF, step two: blocks.language"] == Part("TMF, step two: blocks.language", 0, 2 * layer(32, 48))
    assert found["TMF, step two: blocks.vision"] == Part("TMF, step two: blocks.vision", 0, 2 * layer(24, 40))
    assert usual.memory.frozen == FLOAT * sum(part.frozen for part in usual.parts)
    assert usual.memory.average == usual.memory.weights == FLOAT * sum(part.trained for part in usual.parts)
    assert [(one.key, one.parameters is None) for one in usual.once] == [
        ("text_encoder", False),
        ("audio_encoder", True),
    ]


def test_the_window_is_as_long_as_asked_for(usual: Inspection) -> None:
    window = usual.window
    assert (window.utterances, window.words, window.seconds) == (3, 4, 0.8)
    assert window.text == 3 * 5
    # Frames of 20 ms, four to a position; patches of 16 frames of 10 ms.
    assert (window.audio, window.patches) == (3 * 10, 3 * 5)


def test_what_is_frozen_by_the_recipe_is_counted_as_frozen(usual: Inspection, tiny_bert: Path, tiny_vit: Path) -> None:
    recipe = check_recipe(fused(tiny_bert, tiny_vit, start="another", freeze=["text"]), where="toy")
    found = inspect(recipe, words=4, seconds=0.8)
    for name in ("text encoder, trained layers", "KWRT", "text, feature extraction module", "classifiers of text"):
        assert named(found)[name] == Part(name, 0, named(usual)[name].trained)
    assert present(found.cost).forward == present(usual.cost).forward
    assert present(found.cost).step < present(usual.cost).step
    assert present(found.cost).activations < present(usual.cost).activations


def test_computing_again_costs_operations_and_saves_memory(usual: Inspection, tiny_bert: Path, tiny_vit: Path) -> None:
    again = inspect(check_recipe(fused(tiny_bert, tiny_vit, checkpointing=True), where="toy"), words=4, seconds=0.8)
    assert present(again.cost).forward == present(usual.cost).forward
    assert present(again.cost).step > present(usual.cost).step
    assert present(again.cost).activations < present(usual.cost).activations


def test_tracing_finds_what_running_finds(tiny_bert: Path, tiny_vit: Path) -> None:
    # Prosody apart: a CPU's LSTM keeps something for itself that it tells nobody of.
    recipe = check_recipe({**fused(tiny_bert, tiny_vit), "prosody": "none"}, where="toy")
    encoders = build_encoders(recipe, device="cpu")
    network = build_network(recipe, encoders, 7).train()
    window = typical(recipe, encoders, words=4, seconds=0.8)
    batch = collate([window] * SIZE, audio_shape(recipe, encoders), spectrum_shape(encoders))
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # the kernels that PyTorch counts
        logits = network(batch)
        forward = counter.get_total_flops()
        torch.autograd.backward([values.sum() for values in logits.values()])
    activations = _kept(network, batch)
    found = measure(network, batch)
    assert (found.forward, found.step) == (forward, counter.get_total_flops())
    assert found.activations == pytest.approx(activations, rel=0.02)


def _kept(network: nn.Module, batch: Batch) -> int:
    """Return the bytes that a real forward pass keeps, without parameters and inputs."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = network(batch)
    assert logits
    known = [*tensors(batch), *network.parameters(), *network.buffers()]
    return sum(kept.values()) - sum(kept.pop(tensor.untyped_storage().data_ptr(), 0) for tensor in known)


def test_costs_grow_with_the_batch_and_memory_with_what_is_computed_at_a_time(tiny_bert: Path) -> None:
    whole, halves = (
        inspect(check_recipe(toy_recipe(tiny_bert, training={"batch_size": 8, "accumulate": parts}), where="toy"))
        for parts in (1, 2)
    )
    twice = inspect(check_recipe(toy_recipe(tiny_bert), where="toy"), batch_size=16)
    assert (whole.batch_size, whole.together) == (8, 8)
    assert (halves.batch_size, halves.together) == (8, 4)
    assert halves.step == whole.step
    assert halves.memory.batch * 2 == whole.memory.batch
    assert present(halves.cost).activations < 0.6 * present(whole.cost).activations
    assert twice.step == 2 * whole.step
    assert twice.forward_per_window == whole.forward_per_window == present(whole.cost).forward // 8
    assert twice.as_dict()["cost"] == {"forward_per_window": twice.forward_per_window, "step": twice.step}
