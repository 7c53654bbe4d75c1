"""MFM against slow transcriptions of equations 3 to 6, on the pretrained models' own layers, one window at a time."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from conftest import save_tiny_model, save_tiny_vit
from narrow import instance, present
from torch import Tensor, nn

from ecef_cli.api.components import Fusion, FusionInput, SecondStepInput
from ecef_cli.api.errors import PluginError, RecipeError
from ecef_cli.recipe.model import build_component
from ecef_fusion.backbones import load_language, load_vision
from ecef_fusion.concat import Concatenation
from ecef_fusion.cross_attention import CrossModalTransformer
from ecef_fusion.layers import FrozenLayer
from ecef_fusion.second_step import MfmBlock, SecondStep

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WIDTH, PATCH, ROWS = 16, 16, 2
BINS = ROWS * PATCH


def loud(folder: Path) -> Path:
    """Save a model again with larger weights, so that what its layers do is far above rounding."""
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return loud(save_tiny_model(tmp_path_factory.mktemp("mfm") / "bert", "bert", layers=4))


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_vit(tmp_path_factory.mktemp("mfm") / "vit", layers=4)


def mfm(bert: Path, vit: Path, **options: Any) -> Fusion:
    values: dict[str, Any] = {
        "heads": 4,
        "language": {"model": str(bert)},
        "vision": {"model": str(vit)},
        "spectrum": {"bins": BINS},
        "bridge": 3,
        **options,
    }
    return instance(Fusion, build_component("fusion", "mfm", values))


def second(fusion: Fusion) -> SecondStep:
    torch.manual_seed(2)
    module = fusion.build_second(WIDTH)
    assert isinstance(module, SecondStep)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return module.eval()


def given() -> SecondStepInput:
    """Return two windows; the second has 3 of 6 positions, and 2 of 5 patches of time, the last filled in part."""
    torch.manual_seed(3)
    fused_mask, mask = torch.ones(2, 6, dtype=torch.bool), torch.ones(2, 5, dtype=torch.bool)
    fused_mask[1, 3:] = mask[1, 2:] = False
    frame_mask = mask[..., None].repeat(1, 1, PATCH)
    frame_mask[1, 1, 7:] = frame_mask[0, 2] = False  # and an utterance without a recording
    return SecondStepInput(torch.randn(2, 6, WIDTH), fused_mask, torch.randn(2, 5, PATCH, BINS), frame_mask, mask)


def own_layers(folder: Path) -> nn.ModuleList:
    """Return the layers of a model as transformers has them."""
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    found: nn.ModuleList = model.encoder.layer if hasattr(model, "encoder") else model.layers
    return found


def run(layer: nn.Module, states: Tensor) -> Tensor:
    """Return the output (N, d) of transformers' own layer for the states (N, d) of one window."""
    output = layer(states[None])
    found: Tensor = (output[0] if isinstance(output, tuple) else output)[0]
    return found


@torch.no_grad()
def transcribed(module: SecondStep, inputs: SecondStepInput, row: int, bert: Path, vit: Path) -> tuple[Tensor, Tensor]:
    """Return F_m->ta and F_ta->m of one window, as equations 3 to 6 say it, block after block."""
    trans_l, trans_v = own_layers(bert)[-2:], own_layers(vit)[-2:]
    f_ta = module.enter(inputs.fused[row][inputs.fused_mask[row]])
    alone = (
        part[row : row + 1, : int(inputs.mask[row].sum())] for part in (inputs.frames, inputs.frame_mask, inputs.mask)
    )
    f_m = module.embedding(*alone)[0]
    for each, language, vision in zip(module.blocks, trans_l, trans_v, strict=True):
        block = instance(MfmBlock, each)
        n = len(block.bridge_vision)
        v_hat = run(vision, torch.cat([f_m, block.bridge_vision]))[-n:]  # (3)
        into_ta = run(language, torch.cat([f_ta, block.to_language(v_hat)]))[:-n]  # (4)
        w_hat = run(language, torch.cat([f_ta, block.bridge_language]))[-n:]  # (5)
        into_m = run(vision, torch.cat([f_m, block.to_vision(w_hat)]))[:-n]  # (6)
        f_ta, f_m = into_ta, into_m
    return module.leave_language(f_ta), module.leave_vision(module.norm(f_m))


@pytest.mark.parametrize("row", [0, 1])
def test_both_streams_are_what_equations_3_to_6_say(bert: Path, vit: Path, row: int) -> None:
    module, inputs = second(mfm(bert, vit)), given()
    found = module(inputs)
    fused, spectrum = transcribed(module, inputs, row, bert, vit)
    torch.testing.assert_close(found.fused[row][inputs.fused_mask[row]], fused, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.spectrum[row, : len(spectrum)], spectrum, atol=1e-4, rtol=1e-4)


def test_each_equation_is_needed(bert: Path, vit: Path) -> None:
    """Each stream hears of the other side by way of the bridge, and of that side's bridge vectors."""
    module, inputs = second(mfm(bert, vit)), given()
    before = module(inputs)
    block = instance(MfmBlock, module.blocks[1])
    with torch.no_grad():
        block.bridge_vision.add_(1)
        after = module(inputs)
        assert not torch.allclose(before.fused, after.fused, atol=1e-4)
        assert torch.equal(before.spectrum, after.spectrum)
        block.bridge_language.add_(1)
    assert not torch.allclose(before.spectrum, module(inputs).spectrum, atol=1e-4)


def test_adapters_are_the_mlp_of_pmf(bert: Path, vit: Path) -> None:
    block = instance(MfmBlock, second(mfm(bert, vit)).blocks[0])
    for adapter, width, other in ((block.to_language, 24, 32), (block.to_vision, 32, 24)):
        into, between, out = adapter
        first, last = instance(nn.Linear, into), instance(nn.Linear, out)
        assert (first.in_features, first.out_features, last.in_features, last.out_features) == (
            width, width // 2, width // 2, other,
        )  # fmt: skip
        assert isinstance(between, nn.ReLU)


def test_bridges_start_small_and_are_not_shared(bert: Path, vit: Path) -> None:
    module = instance(SecondStep, mfm(bert, vit, bridge=500).build_second(WIDTH))
    blocks = [instance(MfmBlock, block) for block in module.blocks]
    bridges = [b for block in blocks for b in (block.bridge_vision, block.bridge_language)]
    assert [tuple(b.shape) for b in bridges] == [(500, 24), (500, 32)] * 2
    for bridge in bridges:
        assert bridge.std().item() == pytest.approx(0.02, rel=0.05)
        assert abs(bridge.mean().item()) < 1e-3
    assert len({b.flatten()[0].item() for b in bridges}) == 4


# ------------------------------------------------------------------------------------------ frozen layers


def save(model: PreTrainedModel, folder: Path) -> Path:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return folder


SIZES: dict[str, Any] = {"vocab_size": 60, "max_position_embeddings": 64}


def languages(folder: Path) -> dict[str, Path]:
    from transformers import (
        BertConfig,
        BertModel,
        DistilBertConfig,
        DistilBertModel,
        ElectraConfig,
        ElectraModel,
        RobertaConfig,
        RobertaModel,
    )

    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 40,
        **SIZES,
    }
    small: dict[str, Any] = {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 40}
    return {
        "bert": save(BertModel(BertConfig(**sizes, hidden_act="relu", layer_norm_eps=1e-3)), folder / "bert"),
        "roberta": save(RobertaModel(RobertaConfig(**sizes, pad_token_id=1)), folder / "roberta"),
        "electra": save(ElectraModel(ElectraConfig(**sizes, embedding_size=32)), folder / "electra"),
        "distilbert": save(DistilBertModel(DistilBertConfig(**small, **SIZES)), folder / "distilbert"),
    }


def visions(folder: Path) -> dict[str, Path]:
    from transformers import DeiTConfig, DeiTModel, ViTConfig, ViTModel

    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "intermediate_size": 40,
    }
    image: dict[str, Any] = {"image_size": 32, "patch_size": 8}
    return {
        "vit": save(ViTModel(ViTConfig(**sizes, **image, qkv_bias=False, layer_norm_eps=1e-3)), folder / "vit"),
        "deit": save(DeiTModel(DeiTConfig(**sizes, **image)), folder / "deit"),
    }


def in_and_out(model: nn.Module, layers: nn.ModuleList, **inputs: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return what went into each layer and came out of it in the model's own forward."""
    seen: list[tuple[Tensor, Tensor]] = []

    def hook(_: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor], output: Any) -> None:
        seen.append((args[0] if args else kwargs["hidden_states"], output[0] if isinstance(output, tuple) else output))

    hooks = [layer.register_forward_hook(hook, with_kwargs=True) for layer in layers]
    with torch.no_grad():
        model(**inputs)
    for each in hooks:
        each.remove()
    return seen


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra", "distilbert"])
def test_layers_of_language_models_compute_what_the_whole_model_does(tmp_path: Path, kind: str) -> None:
    from transformers import AutoModel

    folder = languages(tmp_path)[kind]
    model = AutoModel.from_pretrained(folder).eval()
    stack = model.transformer.layer if kind == "distilbert" else model.encoder.layer
    ids, mask = torch.randint(5, 60, (3, 11)), torch.ones(3, 11, dtype=torch.long)
    mask[1, 4:] = mask[2, 9:] = 0
    seen = in_and_out(model, stack, input_ids=ids, attention_mask=mask)
    layers = load_language(str(folder), [0, 1, 2], 3).layers
    real = mask.bool()
    for layer, (before, after) in zip(layers, seen, strict=True):
        torch.testing.assert_close(layer(before, real)[real], after[real], atol=1e-4, rtol=1e-4)
    states = seen[0][0]
    for layer in layers:
        states = layer(states, real)
    torch.testing.assert_close(states[real], seen[-1][1][real], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", ["vit", "deit"])
def test_layers_of_vision_models_compute_what_the_whole_model_does(tmp_path: Path, kind: str) -> None:
    from transformers import AutoModel

    folder = visions(tmp_path)[kind]
    model = AutoModel.from_pretrained(folder).eval()
    stack = model.layers if hasattr(model, "layers") else model.encoder.layer
    image = torch.randn(2, 3, 32, 32)
    seen = in_and_out(model, stack, pixel_values=image)
    found = load_vision(str(folder), [0, 1, 2], 3)
    for layer, (before, after) in zip(found.layers, seen, strict=True):
        torch.testing.assert_close(layer(before, torch.ones(before.shape[:2]).bool()), after, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        whole = model(pixel_values=image).last_hidden_state
    assert found.last_norm is not None
    torch.testing.assert_close(found.last_norm(seen[-1][1]), whole, atol=1e-4, rtol=1e-4)


def test_the_last_layers_are_used_or_those_that_a_recipe_names(bert: Path) -> None:
    every = load_language(str(bert), [0, 1, 2, 3], 4).layers
    for wanted, numbers in ((None, (2, 3)), ([-1, 0], (3, 0)), ([1, 1], (1, 1))):
        found = load_language(str(bert), wanted, 2).layers
        for layer, number in zip(found, numbers, strict=True):
            assert torch.equal(layer.up.weight, every[number].up.weight)


def test_frozen_is_frozen(bert: Path, vit: Path) -> None:
    module, inputs = second(mfm(bert, vit, dropout=0.5)).train(), given()
    before = {name: value.clone() for name, value in module.named_buffers()}
    assert len(before) > 40
    stored = set(module.state_dict())
    assert not any(part in key for key in stored for part in (".language.", ".vision.", "norm."))
    assert {name for name, p in module.named_parameters() if p.requires_grad} == stored
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1, weight_decay=0.5)
    found = module(inputs)
    again = module(inputs)
    assert torch.equal(found.fused, again.fused)  # no dropout
    (found.fused.sum() + found.spectrum.sum()).backward()
    optimizer.step()
    for name, value in module.named_buffers():
        assert value.grad is None
        assert not value.requires_grad
        assert torch.equal(value, before[name])


def test_a_copy_of_a_network_holds_the_same_frozen_layers(bert: Path, vit: Path) -> None:
    module = second(mfm(bert, vit))
    twin = copy.deepcopy(module)
    assert twin.blocks[0].language is module.blocks[0].language
    assert twin.blocks[0].bridge_vision is not module.blocks[0].bridge_vision
    assert torch.equal(twin(given()).fused, module(given()).fused)


def test_nothing_but_the_layers_used_is_kept(bert: Path) -> None:
    found = load_language(str(bert), None, 2)
    size = sum(buffer.numel() for layer in found.layers for buffer in layer.buffers())
    assert size == 2 * (4 * 32 * 32 + 2 * 32 * 48 + 48 + 5 * 32 + 4 * 32)
    assert not any(isinstance(layer, nn.Module) and list(layer.parameters()) for layer in found.layers)


def test_the_identity_is_of_the_layers_used(bert: Path, vit: Path, tmp_path: Path) -> None:
    identity = mfm(bert, vit).identity()
    assert identity == mfm(bert, vit).identity()
    assert mfm(bert, vit, language={"model": str(bert), "layers": [0, 1]}).identity() != identity
    assert mfm(bert, vit, second_step="none").identity() == ""
    assert mfm(bert, vit, language={"model": "none"}, vision={"model": None}).identity() == ""
    other = loud(save_tiny_model(tmp_path / "other", "bert", seed=7, layers=4))
    assert mfm(other, vit).identity() != identity


# ------------------------------------------------------------------------------------------------ patches


def test_patches_start_as_the_pretrained_model_embeds_a_grey_image(bert: Path, vit: Path) -> None:
    from transformers import AutoModel

    model = AutoModel.from_pretrained(vit).eval()  # three by three patches
    fusion = mfm(bert, vit, spectrum={"bins": 3 * PATCH})
    embedding = instance(SecondStep, fusion.build_second(WIDTH)).embedding
    grey = torch.randn(1, 3 * PATCH, 3 * PATCH)  # bands by frames
    with torch.no_grad():
        own = model.embeddings(grey[:, None].expand(-1, 3, -1, -1))[0, 1:].unflatten(0, (3, 3))  # rows, columns
        frames = grey[0].T.reshape(1, 3, PATCH, 3 * PATCH)
        every = torch.ones(1, 3, PATCH, dtype=torch.bool)
        found = embedding(frames, every, every[..., 0])[0].unflatten(0, (3, 3))  # columns, rows
    torch.testing.assert_close(found.transpose(0, 1), own, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 40])
def test_positions_are_interpolated_to_a_windows_own_length(bert: Path, vit: Path, length: int) -> None:
    embedding = second(mfm(bert, vit)).embedding
    mask = torch.zeros(2, 50, dtype=torch.bool)
    mask[0, :length] = mask[1] = True
    table = embedding.places.permute(2, 0, 1)[None]
    expected = nn.functional.interpolate(table, size=(ROWS, length), mode="bilinear", align_corners=False)
    found = embedding._placed(mask)[0, :length]
    torch.testing.assert_close(found, expected[0].permute(2, 1, 0), atol=1e-5, rtol=1e-5)


def test_a_recording_that_is_missing_has_a_vector_that_is_learned(bert: Path, vit: Path) -> None:
    embedding, inputs = second(mfm(bert, vit)).embedding, given()
    found = embedding(inputs.frames, inputs.frame_mask, inputs.mask).unflatten(1, (5, ROWS))
    placed = embedding._placed(inputs.mask)
    torch.testing.assert_close(found[0, 2], placed[0, 2] + embedding.absent)
    assert not torch.allclose(found[0, 1], placed[0, 1] + embedding.absent, atol=0.1)


# ------------------------------------------------------------------------------------------------- choices


def test_either_step_can_be_left_out(bert: Path, vit: Path) -> None:
    assert isinstance(mfm(bert, vit).build(WIDTH), CrossModalTransformer)
    assert isinstance(mfm(bert, vit, first_step="concat").build(WIDTH), Concatenation)
    without = mfm(bert, vit, second_step="none")
    assert without.spectrum is None
    assert isinstance(without.build(WIDTH), CrossModalTransformer)


def test_step_one_is_that_of_cross_attention(bert: Path, vit: Path) -> None:
    torch.manual_seed(4)
    inputs = FusionInput(
        torch.randn(2, 5, WIDTH), torch.ones(2, 5).bool(), torch.randn(2, 4, WIDTH), torch.ones(2, 4).bool()
    )
    found = []
    plain = instance(Fusion, build_component("fusion", "cross-attention", {"layers": 1, "heads": 4}))
    for fusion in (mfm(bert, vit, layers=1), plain):
        torch.manual_seed(5)
        found.append(fusion.build(WIDTH).eval()(inputs))
    assert torch.equal(*found)


def test_small_layers_of_our_own_are_trained(bert: Path, vit: Path) -> None:
    module = second(mfm(bert, vit, vision={"model": "none", "width": 24, "heads": 2}, language={"model": "none"}))
    assert not list(module.named_buffers())
    assert not any(isinstance(part, FrozenLayer) for part in module.modules())
    found = module(given())
    (found.fused.square().sum() + found.spectrum.square().sum()).backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    block = instance(MfmBlock, module.blocks[0])
    assert block.vision.shape.norm_first
    assert not block.language.shape.norm_first


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"language": {"layers": [0, 4]}}, r"fusion\.language\.layers: .* has 4 layers, and no layer 4"),
        ({"language": {"layers": [-5, 0]}}, "no layer -5"),
        ({"blocks": 5}, "no layer -5"),
        ({"patch": 8, "spectrum": {"bins": 32}}, r"fusion\.patch: 8, but the patches of .* are 16 by 16"),
    ],
)
def test_what_the_models_cannot_do_is_an_error_of_the_recipe(
    bert: Path, vit: Path, options: dict[str, Any], problem: str
) -> None:
    if "language" in options:
        options = {"language": options["language"] | {"model": str(bert)}}
    with pytest.raises(RecipeError, match=problem):
        mfm(bert, vit, **options).build_second(WIDTH)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"language": {"layers": [0]}}, r"language\.layers names 1 layers, but there are 2 blocks"),
        ({"spectrum": {"bins": 40}}, r"spectrum\.bins 40 is not a multiple of the patch, 16"),
        ({"spectrum": {"bins": 32, "high": 9000}}, "high must not be above 8000 Hz"),
        ({"spectrum": {"bins": 32, "hop": 30}}, "hop must not be longer than window"),
        ({"spectrum": {"bins": 32, "low": 7600}}, "low must be below high"),
        ({"vision": {"model": "none", "width": 10, "heads": 4}}, "width 10 is not divisible by 4 heads"),
        ({"second_step": "mfn"}, "input should be 'mfm' or 'none', not 'mfn'"),
        ({"bridge": 0}, "bridge"),
        ({"language": {"modl": "x"}}, "no such setting"),
    ],
)
def test_options_that_cannot_be_are_refused(bert: Path, vit: Path, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(RecipeError, match=problem):
        mfm(bert, vit, **options)


def test_models_of_another_kind_are_refused_in_one_line(bert: Path, vit: Path, tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2Model

    gpt = save(GPT2Model(GPT2Config(vocab_size=60, n_positions=32, n_embd=32, n_layer=2, n_head=4)), tmp_path / "gpt")
    for side, model in (("language", gpt), ("language", vit), ("vision", bert), ("vision", tmp_path / "none")):
        with pytest.raises(PluginError, match=rf"^fusion\.{side}\.model: ") as caught:
            mfm(bert, vit, **{side: {"model": str(model)}}).build_second(WIDTH)
        assert "\n" not in str(caught.value)


def test_a_hub_model_that_is_not_at_hand_says_what_to_do(
    bert: Path, vit: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(PluginError, match=r"fusion\.vision\.model") as caught:
        mfm(bert, vit, vision={"model": "nobody/no-such-vit"}).build_second(WIDTH)
    assert "fusion.vision.model" in present(caught.value.hint)
