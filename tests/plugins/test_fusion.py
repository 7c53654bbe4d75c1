"""The fusions against slow transcriptions, one window and one position at a time."""

from __future__ import annotations

import math

import pytest
import torch
from narrow import instance
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional

from ecef_cli.api.components import Fusion, FusionInput
from ecef_cli.api.errors import RecipeError
from ecef_cli.recipe.model import build_component
from ecef_fusion.concat import Concat, Concatenation
from ecef_fusion.cross_attention import (
    CrossAttention,
    CrossAttentionOptions,
    CrossModalLayer,
    CrossModalTransformer,
)

WIDTH = 12


def inputs() -> FusionInput:
    """Return two windows, of 5 positions of text and 4 of audio; the first is shorter, and its text has a hole."""
    torch.manual_seed(0)
    text_mask = torch.tensor([[True, False, True, False, False], [True] * 5])
    audio_mask = torch.tensor([[True, True, False, False], [True] * 4])
    return FusionInput(torch.randn(2, 5, WIDTH), text_mask, torch.randn(2, 4, WIDTH), audio_mask)


def transformer(**options: float) -> CrossModalTransformer:
    torch.manual_seed(1)
    module = CrossAttention(CrossAttentionOptions(**{"heads": 3, **options})).build(WIDTH)
    assert isinstance(module, CrossModalTransformer)
    for parameter in module.parameters():
        if parameter.ndim == 1:  # norms and biases, which start as ones and zeros
            nn.init.uniform_(parameter, 0.5, 1.5)
    return module.eval()


def normed(values: Tensor, norm: nn.LayerNorm) -> Tensor:
    """Return a vector with mean zero and variance one, scaled and shifted."""
    return (values - values.mean()) / (values.var(correction=0) + 1e-5).sqrt() * norm.weight + norm.bias


def attended(layer: CrossModalLayer, audio: Tensor, words: list[Tensor], heads: int) -> Tensor:
    """Return what one position of audio (d,) takes from the words, each (d,)."""
    attention, size = layer.attention, WIDTH // heads
    projections = zip(attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3), strict=True)
    (to_query, query_bias), (to_key, key_bias), (to_value, value_bias) = projections
    texts = [normed(word, layer.norm_text) for word in words]
    query = to_query @ normed(audio, layer.norm_audio) + query_bias
    keys, values = [to_key @ t + key_bias for t in texts], [to_value @ t + value_bias for t in texts]
    found = []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        scores = [math.exp(float(query[part] @ key[part]) / math.sqrt(size)) for key in keys]
        shares = [score / sum(scores) * value[part] for score, value in zip(scores, values, strict=True)]
        found.append(torch.stack(shares).sum(dim=0))
    return attention.out_proj.weight @ torch.cat(found) + attention.out_proj.bias


@pytest.mark.parametrize(("heads", "layers"), [(1, 1), (3, 2), (12, 1)])
@torch.inference_mode()
def test_every_position_of_audio_attends_to_every_word_that_is_real(heads: int, layers: int) -> None:
    module, given = transformer(heads=heads, layers=layers), inputs()
    assert len(module.layers) == layers
    found = module(given)
    for window in range(2):
        words = list(given.text[window][given.text_mask[window]])
        for position in range(int(given.audio_mask[window].sum())):
            expected = given.audio[window, position]
            for each in module.layers:
                layer = instance(CrossModalLayer, each)
                expected = expected + attended(layer, expected, words, heads)
                first, last = (instance(nn.Linear, layer.feedforward[n]) for n in (0, -1))
                hidden = functional.gelu(first.weight @ normed(expected, layer.norm) + first.bias)
                expected = expected + last.weight @ hidden + last.bias
            expected = normed(expected, module.norm)
            torch.testing.assert_close(found[window, position], expected, atol=1e-4, rtol=1e-4)


def test_the_feed_forward_part_is_as_wide_as_the_recipe_says() -> None:
    [layer] = transformer(layers=1, feedforward=3).layers
    parts = instance(CrossModalLayer, layer).feedforward
    assert [part.out_features for part in parts if isinstance(part, nn.Linear)] == [3 * WIDTH, WIDTH]


def test_dropout_is_on_in_training_alone() -> None:
    given = inputs()
    dropping, keeping = transformer(dropout=0.5), transformer(dropout=0.0)
    torch.testing.assert_close(dropping(given), keeping(given))
    torch.testing.assert_close(keeping.train()(given), keeping.eval()(given))
    assert not torch.allclose(dropping.train()(given), dropping.eval()(given), atol=1e-2)


@pytest.mark.parametrize(("width", "heads"), [(12, 8), (256, 3)])
def test_heads_that_do_not_divide_the_width_are_an_error_that_names_the_setting(width: int, heads: int) -> None:
    fusion = instance(Fusion, build_component("fusion", "cross-attention", {"heads": heads}))
    with pytest.raises(
        RecipeError, match=rf"^fusion\.heads: width {width} is not divisible by {heads} heads"
    ) as caught:
        fusion.build(width)
    assert caught.value.hint == "change fusion.heads or network.width"


@pytest.mark.parametrize("options", [{"heads": 0}, {"layers": 0}, {"feedforward": 0}, {"dropout": 1}, {"blocks": 2}])
def test_options_that_cannot_be_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(options))):
        CrossAttentionOptions(**options)


def test_concat_maps_every_position_of_audio_beside_the_mean_of_the_real_words() -> None:
    torch.manual_seed(1)
    module, given = Concat(Concat.Options()).build(WIDTH), inputs()
    assert isinstance(module, Concatenation)
    found = module(given)
    for window in range(2):
        words = given.text[window][given.text_mask[window]]
        mean = words.sum(dim=0) / len(words)
        for position in range(4):
            expected = module.join.weight @ torch.cat([given.audio[window, position], mean]) + module.join.bias
            torch.testing.assert_close(found[window, position], expected, atol=1e-5, rtol=1e-5)


def test_concat_has_no_options() -> None:
    with pytest.raises(RecipeError, match="no such setting"):
        build_component("fusion", "concat", {"heads": 8})
