"""The network against direct transcriptions of what it computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from handmade import ONE, SHORT
from narrow import present
from torch import nn

from ecef_cli.network.extraction import FeatureExtraction, Pool, TurnEmbedding
from ecef_cli.network.kwrt import WordWeighting
from ecef_cli.network.model import EcefNetwork, TextStream
from ecef_cli.recipe.sections import Network
from ecef_cli.samples.batches import collate

SMALL = Network(width=16, heads=4, layers=2, dropout=0.1)


def network(*, kwrt: bool = True) -> EcefNetwork:
    torch.manual_seed(0)
    return EcefNetwork(SMALL, tasks=("erc", "epc"), labels=7, text=TextStream(3, 4, SMALL, top=None, kwrt=kwrt))


def test_equation_1_word_by_word() -> None:
    torch.manual_seed(0)
    weighting = WordWeighting(5)
    nn.init.normal_(weighting.linear.weight)
    nn.init.normal_(weighting.linear.bias)
    h, matrix = torch.randn(4, 5), torch.tensor([[0, 1, 3, 0], [1, 0, 0, 0], [3, 0, 0, 0], [0, 0, 0, 0]])
    expected = torch.zeros(4, 5)
    for i in range(4):
        squeezed = np.log1p(sum(int(matrix[i, j]) for j in range(4)))
        for d in range(5):
            expected[i, d] = h[i, d] * (weighting.linear.weight[d, 0] * squeezed + weighting.linear.bias[d])
    found = weighting(h[None], matrix.sum(dim=1)[None].float())[0]
    assert torch.allclose(found, expected, atol=1e-6)


def test_at_first_every_word_passes_unchanged_and_tags_still_learn() -> None:
    weighting = WordWeighting(3)
    h = torch.randn(2, 4, 3)
    importance = torch.tensor([[0.0, 1, 3, 0], [2, 0, 0, 1]])
    found = weighting(h, importance)
    assert torch.equal(found, h)
    found.square().sum().backward()
    assert present(weighting.linear.weight.grad).abs().sum() > 0


def test_a_word_without_a_tag_passes_by_the_bias_alone() -> None:
    weighting = WordWeighting(3)
    nn.init.normal_(weighting.linear.weight)
    h = torch.randn(1, 2, 3)
    found = weighting(h, torch.tensor([[0.0, 5.0]]))
    assert torch.equal(found[0, 0], h[0, 0])
    assert not torch.equal(found[0, 1], h[0, 1])


def test_means_are_over_real_positions_alone() -> None:
    features = torch.randn(2, 4, 8)
    mask = torch.tensor([[True, False, True, False], [False, False, False, True]])
    for pooling in ("mean", "attention"):
        found = Pool(Network(width=8, heads=4, pooling=pooling))(features, mask)
        assert torch.allclose(found[0], (features[0, 0] + features[0, 2]) / 2, atol=1e-6)
        assert torch.allclose(found[1], features[1, 3])


def test_attention_weighs_positions_by_their_scores() -> None:
    pool = Pool(Network(width=8, heads=4, pooling="attention"))
    nn.init.normal_(present(pool.score).weight)
    features, mask = torch.randn(1, 3, 8), torch.tensor([[True, True, False]])
    scores = (features[0, :2] @ present(pool.score).weight[0]).detach().numpy()
    weights = np.exp(scores) / np.exp(scores).sum()
    expected = weights[0] * features[0, 0] + weights[1] * features[0, 1]
    assert torch.allclose(pool(features, mask)[0], expected.float(), atol=1e-5)


def test_padding_does_not_reach_a_window() -> None:
    net = network().eval()
    alone, together = net(collate([SHORT])), net(collate([ONE, SHORT]))
    for task in ("erc", "epc"):
        assert torch.allclose(alone[task][0], together[task][1], atol=1e-5)


def test_erc_pools_the_last_utterance_and_epc_the_window() -> None:
    net = network().eval()
    batch = collate([ONE])
    text, stream, heads = present(batch.text), present(net.text), present(net.text_heads).classifiers
    words = stream.extraction(
        present(stream.weighting)(text.pooling @ text.states, text.importance), text.turns, text.mask
    )
    assert torch.allclose(net(batch)["erc"], heads["erc"](words[:, 4:].mean(dim=1)), atol=1e-6)
    assert torch.allclose(net(batch)["epc"], heads["epc"](words.mean(dim=1)), atol=1e-6)


def test_turns_are_told_apart_and_what_covers_no_position_stays() -> None:
    embedding = TurnEmbedding(3, 4, spread=1.0)
    features = torch.zeros(1, 4, 4)
    found = embedding(features, torch.tensor([[-1, 2, 0, 0]]))[0]
    assert torch.equal(found[0], features[0, 0])
    assert torch.equal(found[1], embedding.table.weight[2])
    assert torch.equal(found[2], found[3])
    assert torch.equal(TurnEmbedding(3, 4, spread=0.0)(features, torch.tensor([[0, 1, 2, 0]])), features)


def test_without_kwrt_tags_change_nothing_and_with_it_they_do() -> None:
    batch = collate([ONE])
    for kwrt in (True, False):
        net = network(kwrt=kwrt).eval()
        weighting = present(net.text).weighting
        if weighting is not None:
            nn.init.ones_(weighting.linear.weight)
        before = net(batch)["erc"]
        present(batch.text).importance.mul_(3)
        assert torch.equal(before, net(batch)["erc"]) is not kwrt
    assert present(network(kwrt=False).text).weighting is None


def test_the_sizes_are_those_of_the_paper_where_a_recipe_asks_for_them() -> None:
    paper = FeatureExtraction(768, 8, Network(width=1024, heads=8, layers=2))
    assert paper(
        torch.randn(1, 5, 768), torch.zeros(1, 5, dtype=torch.long), torch.ones(1, 5, dtype=torch.bool)
    ).shape == (1, 5, 1024)
    assert len(paper.layers.layers) == 2


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="width 16 is not divisible by 3 heads"):
        Network(width=16, heads=3)
