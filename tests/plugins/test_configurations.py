"""Configurations kept for `ecef recipes inspect`, and components without weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from narrow import present
from prepared import RunEcef
from speech_models import WAVE_MODELS, save_speech_model
from torch import nn

import ecef_fusion.sizes
import ecef_speech.sizes
import ecef_text.sizes
from ecef_cli.api.configurations import build_empty, read_configuration
from ecef_cli.api.errors import PluginError, RecipeError
from ecef_cli.features.encoders import build_encoders
from ecef_cli.recipe.model import build_component, load_recipe
from ecef_cli.recipe.shipped import recipe_names
from ecef_cli.testing import text_window

KEPT = {
    "ecef_text": ecef_text.sizes.KEPT,
    "ecef_speech": ecef_speech.sizes.KEPT,
    "ecef_fusion": ecef_fusion.sizes.KEPT,
}
BASE_MODELS = {
    "roberta-base": 124_645_632,
    "bert-base-uncased": 109_482_240,
    "sentence-transformers/all-MiniLM-L6-v2": 22_713_216,
    "sentence-transformers/all-mpnet-base-v2": 109_486_464,
    "microsoft/wavlm-base": 94_381_936,
    "microsoft/wavlm-base-plus": 94_381_936,
    "google/vit-base-patch16-224": 86_389_248,
}
"""Parameters of the published models, without heads."""
SAME = {"FacebookAI/roberta-base": "roberta-base", "google-bert/bert-base-uncased": "bert-base-uncased"}


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have no network, and a cache of the hub in which nothing lies; return its folder."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


@pytest.mark.parametrize(("plugin", "name"), [(plugin, name) for plugin, kept in KEPT.items() for name in kept])
def test_kept_configurations_have_the_published_number_of_parameters(
    plugin: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    config, notes = read_configuration(name, KEPT[plugin], plugin=plugin, setting="model")
    model = build_empty(config, name, setting="model")
    assert notes == [f"{name}: configuration kept with {plugin}, not read from the hub"]
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert parameters(model) == BASE_MODELS[SAME.get(name, name)]
    if name.startswith("google/vit"):
        assert parameters(model) - parameters(model.pooler) == 85_798_656


def test_every_recipe_can_be_inspected_offline_with_nothing_cached(offline: Path, run_ecef: RunEcef) -> None:
    said = ""
    for name in recipe_names():
        inspected = ("inspect", name, "--format", "table", "--batch-size", 1, "--seconds", 0.5)
        done = run_ecef("recipes", *inspected)
        assert done.code == 0, done.err
        said += " ".join(done.out.split())
    assert said.count("roberta-base: configuration kept with ecef_text, not read from the hub") == 4
    assert said.count("text_encoder: huggingface 124,657,920") == 4  # with 16 speakers
    assert said.count("audio_encoder: huggingface 94,381,936") == 4
    assert not any(offline.rglob("*.*"))


def test_a_configuration_in_the_cache_wins_over_a_kept_one(offline: Path, run_ecef: RunEcef) -> None:
    folder = offline / "models--roberta-base"
    snapshot = folder / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0123")
    values = {**KEPT["ecef_text"]["roberta-base"], "hidden_size": 96, "num_hidden_layers": 2}
    (snapshot / "config.json").write_text(json.dumps(values))
    done = run_ecef("recipes", "inspect", "meld-epc", "--format", "json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["once"][0]["parameters"] < 20_000_000
    assert [note.partition(":")[0] for note in found["notes"]] == [
        "microsoft/wavlm-base",
        "google/vit-base-patch16-224",
        "bert-base-uncased",
    ]


def test_an_unknown_name_is_an_error_of_one_line(offline: Path, run_ecef: RunEcef) -> None:
    settings = ("text_encoder.model=someone/some", "audio_encoder.model=no.such/../name", "fusion.vision.model=none9")
    failed = [run_ecef("recipes", "inspect", "meld-epc", "--set", setting) for setting in settings]
    assert [done.code for done in failed] == [4, 4, 4]
    (first,), (second,), (third,) = ([x for x in done.err.splitlines() if x.startswith("ecef: ")] for done in failed)
    assert first.startswith("ecef: text_encoder.model: 'someone/some' cannot be loaded: ")
    assert first.endswith("(run once with access to the hub, or set text_encoder.model to a folder)")
    assert second.startswith("ecef: audio_encoder.model: 'no.such/../name' is neither a folder nor a valid model name")
    assert third.startswith("ecef: fusion.vision.model: 'none9' cannot be loaded: it is not on this machine")


def test_a_kept_configuration_is_neither_trained_nor_predicted_with(
    offline: Path,
) -> None:
    recipe = load_recipe("meld-epc")
    with pytest.raises(PluginError, match="'roberta-base' cannot be loaded"):
        build_encoders(recipe, device="cpu")
    sizes = build_encoders(recipe, device="cpu", weights=False)
    for component in map(present, (sizes.text, sizes.audio, sizes.fusion)):
        with pytest.raises(PluginError, match="built without weights, for `ecef recipes inspect` alone"):
            component.identity()


@pytest.mark.parametrize("layers", [0, 1, 3])
@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_text_encoders_without_weights_have_the_same_sizes(
    kind: str, layers: int, request: pytest.FixtureRequest
) -> None:
    options = {"model": str(request.getfixturevalue(f"tiny_{kind}")), "trainable_layers": layers}
    full, empty = (
        cast("Any", build_component("text_encoder", "huggingface", options, weights=w)) for w in (True, False)
    )
    assert full.width == empty.width
    assert shapes(full.trainable()) == shapes(empty.trainable())
    assert parameters(full._model) == parameters(empty._model)
    (states,) = empty.encode([text_window((0, "a b"), (1, "c"))])
    assert states.first.tolist() == states.last.tolist() == [-1, 0, 1, 2, 3, 4, -1]
    (states,) = empty.encode([text_window((0, "a " * 100))])
    assert len(states.states) == full._limit == 64
    assert states.first[1:-1].tolist() == list(range(101 - 62, 101))


def shapes(module: nn.Module | None) -> Mapping[str, tuple[int, ...]] | None:
    return None if module is None else {name: tuple(t.shape) for name, t in module.named_parameters()}


@pytest.mark.parametrize("name", WAVE_MODELS)
def test_speech_encoders_without_weights_have_the_same_sizes(name: str, tmp_path: Path) -> None:
    options = {"model": str(save_speech_model(tmp_path, name)), "layer": 2}
    full, empty = (
        cast("Any", build_component("audio_encoder", "huggingface", options, weights=w)) for w in (True, False)
    )
    assert (full.width, full.sample_rate) == (empty.width, empty.sample_rate)
    wave = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    assert full.encode([wave])[0].rate == empty.encode([wave])[0].rate
    assert len(full.encode([wave])[0].frames) == pytest.approx(len(empty.encode([wave])[0].frames), abs=1)


def test_a_layer_that_does_not_exist_is_named_without_weights_too(tmp_path: Path, tiny_bert: Path) -> None:
    model = str(save_speech_model(tmp_path, "wavlm"))
    with pytest.raises(PluginError, match="has 4 hidden states, 0 to 3, not 9"):
        build_component("audio_encoder", "huggingface", {"model": model, "layer": 9}, weights=False)
    with pytest.raises(PluginError, match="not a supported speech encoder"):
        build_component("audio_encoder", "huggingface", {"model": str(tiny_bert)}, weights=False)
    with pytest.raises(PluginError, match="has only 3 layers, not 4"):
        build_component("text_encoder", "huggingface", {"model": str(tiny_bert), "trainable_layers": 4}, weights=False)
    language = {"language": {"model": str(tiny_bert), "layers": [0, 7]}, "vision": {"model": "none"}}
    with pytest.raises(RecipeError, match="has 3 layers, and no layer 7"):
        cast("Any", build_component("fusion", "mfm", language, weights=False)).build_second(32)


def test_a_fusion_without_weights_has_the_same_sizes(tiny_bert: Path, tiny_vit: Path) -> None:
    options = {"language": {"model": str(tiny_bert)}, "vision": {"model": str(tiny_vit)}}
    full = cast("Any", build_component("fusion", "mfm", options)).build_second(32)
    with torch.device("meta"):
        empty = cast("Any", build_component("fusion", "mfm", options, weights=False)).build_second(32)
    assert shapes(full) == shapes(empty)
    buffers = [{name: tuple(tensor.shape) for name, tensor in step.named_buffers()} for step in (full, empty)]
    assert buffers[0] == buffers[1]


def test_a_component_without_pretrained_weights_is_itself_when_inspected() -> None:
    full, empty = (
        cast("Any", build_component("audio_encoder", "logmel-prosody", {}, weights=w)) for w in (True, False)
    )
    assert type(full) is type(empty)
    assert empty.notes == ()
