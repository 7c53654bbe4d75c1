"""What the network makes of who speaks next."""

from __future__ import annotations

from dataclasses import replace

import torch
from handmade import BOTH, ONE, SHAPE, SHORT
from narrow import instance, present
from torch import nn

from ecef_cli.network.extraction import TurnEmbedding
from ecef_cli.network.model import UNTOLD, EcefNetwork, TextStream
from ecef_cli.recipe.sections import Network
from ecef_cli.samples.batches import WindowInput, collate
from ecef_cli.samples.windows import NEXT_SPEAKERS, SAME, SOMEBODY_NEW, UNKNOWN

SMALL = Network(width=16, heads=4, layers=1, dropout=0.0)


def network(*, told: bool = True, tasks: tuple[str, ...] = ("erc", "epc")) -> EcefNetwork:
    torch.manual_seed(0)
    text = TextStream(3, 4, SMALL, top=None, kwrt=True)
    return EcefNetwork(SMALL, tasks=tasks, labels=7, text=text, next_speaker=told)


def knowing(window: WindowInput, number: int) -> WindowInput:
    return replace(window, next_speaker=number)


def test_a_batch_holds_who_speaks_next_after_each_window() -> None:
    batch = collate([knowing(ONE, SAME), SHORT])
    assert present(batch.next_speaker).tolist() == [SAME, UNKNOWN]
    assert present(batch.to("meta").next_speaker).device.type == "meta"
    assert present(collate([knowing(BOTH, SOMEBODY_NEW)], SHAPE).next_speaker).tolist() == [SOMEBODY_NEW]


def test_at_first_it_changes_nothing_and_can_be_learned() -> None:
    net = network().eval()
    found = net(collate([knowing(ONE, SAME), knowing(ONE, SOMEBODY_NEW)]))["epc"]
    assert torch.equal(found[0], found[1])
    found[0].square().sum().backward()
    gradient = present(present(present(net.text_heads).next_speaker).weight.grad)
    assert gradient.abs().sum(dim=1).nonzero().flatten().tolist() == [SAME]


def test_its_vector_is_added_to_what_prediction_has_pooled() -> None:
    net = network().eval()
    plain = net(collate([ONE]))
    nn.init.normal_(present(present(net.text_heads).next_speaker).weight)
    head, vectors = (
        instance(nn.Linear, present(net.text_heads).classifiers["epc"]),
        present(present(net.text_heads).next_speaker).weight,
    )
    for number in range(NEXT_SPEAKERS):
        found = net(collate([knowing(ONE, number)]))
        assert torch.allclose(found["epc"], plain["epc"] + vectors[number] @ head.weight.T, atol=1e-5)
        assert torch.equal(found["erc"], plain["erc"])


def test_a_network_that_is_not_told_has_the_weights_of_one_from_before_and_its_answers() -> None:
    plain, told = network(told=False).eval(), network().eval()
    assert set(told.state_dict()) - set(plain.state_dict()) == {"text_heads.next_speaker.weight"}
    windows = [knowing(ONE, SAME), knowing(ONE, UNKNOWN)]
    found = plain(collate(windows))["epc"]
    assert torch.equal(found[0], found[1])
    assert not any("next_speaker" in name for name in network(tasks=("erc",)).state_dict())


def test_a_share_of_the_training_windows_is_not_told() -> None:
    net = network().train()
    with torch.no_grad():
        present(present(net.text_heads).next_speaker).weight[UNKNOWN] = 1.0
    torch.manual_seed(1)
    windows = [knowing(ONE, SAME)] * 2000
    untold = (net(collate(windows))["epc"] - net.eval()(collate(windows))["epc"]).abs().amax(dim=1) > 1e-3
    assert UNTOLD == 0.2
    assert abs(untold.float().mean() - UNTOLD) < 0.03


def test_a_network_that_is_not_told_draws_nothing_in_training() -> None:
    net = network(told=False).train()
    before = torch.get_rng_state()
    net(collate([ONE, SHORT]))
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_older_than_the_network_tells_apart_counts_as_the_oldest() -> None:
    embedding = TurnEmbedding(3, 4, spread=1.0)
    found = embedding(torch.zeros(1, 4, 4), torch.tensor([[-1, 2, 3, 500]]))[0]
    assert torch.equal(found[0], torch.zeros(4))
    assert torch.equal(found[1], embedding.table.weight[2])
    assert torch.equal(found[1], found[2])
    assert torch.equal(found[1], found[3])
