"""Batches: padding, pooling of states into positions, order."""

from __future__ import annotations

import numpy as np
import torch
from handmade import ONE, SHORT, features
from narrow import present

from ecef_cli.samples.batches import WindowInput, bucketed, collate


def test_a_position_is_the_mean_of_the_states_that_cover_it() -> None:
    batch = present(collate([ONE, SHORT]).text)
    states = present(ONE.features).states
    expected = np.stack([states[1], states[2:4].mean(axis=0), states[4], states[4], states[5], states[6]])
    np.testing.assert_allclose((batch.pooling @ batch.states)[0].numpy(), expected, rtol=1e-6)


def test_padding_is_masked_and_empty() -> None:
    whole = collate([ONE, SHORT])
    batch = present(whole.text)
    assert batch.mask.tolist() == [[True] * 6, [True] + [False] * 5]
    assert batch.state_mask.sum(dim=1).tolist() == [8, 3]
    assert batch.target.tolist() == [[False] * 4 + [True] * 2, [True] + [False] * 5]
    assert (batch.pooling @ batch.states)[1, 1:].abs().sum() == 0
    assert batch.importance.tolist() == [[0, 2, 0, 0, 0, 2], [0] * 6]
    assert whole.labels["erc"].tolist() == [1, 0]


def test_states_know_how_many_turns_ago_they_were_spoken() -> None:
    batch = present(collate([ONE, SHORT]).text)
    assert batch.turns.tolist() == [[1, 1, 1, 1, 0, 0], [0] * 6]
    assert batch.state_turns.tolist() == [[-1, 1, 1, 1, 1, 0, 0, -1], [-1, 0, -1, -1, -1, -1, -1, -1]]


def test_positions_that_were_cut_off_are_left_out_and_gaps_are_masked() -> None:
    cut = WindowInput(
        features([(-1, -1), (7, 7), (9, 9), (10, 10), (-1, -1)]),
        np.arange(11, dtype=np.float32),
        turns=np.asarray([1] * 10 + [0]),
        labels={},
    )
    batch = present(collate([cut]).text)
    assert batch.importance.tolist() == [[7, 8, 9, 10]]
    assert batch.mask.tolist() == [[True, False, True, True]]
    assert batch.target.tolist() == [[False, False, False, True]]


def test_batches_hold_every_window_once_and_similar_lengths() -> None:
    lengths = torch.randint(1, 200, (1000,), generator=torch.Generator().manual_seed(0)).tolist()
    for generator in (None, torch.Generator().manual_seed(3)):
        batches = list(bucketed(lengths, 16, generator))
        assert sorted(n for b in batches for n in b) == list(range(1000))
        spread = [max(lengths[n] for n in b) - min(lengths[n] for n in b) for b in batches]
        assert sum(spread) / len(spread) < 20


def test_positions_bound_a_batch_with_its_padding() -> None:
    lengths = [*torch.randint(1, 200, (1000,), generator=torch.Generator().manual_seed(0)).tolist(), 700]
    for generator in (None, torch.Generator().manual_seed(3)):
        batches = list(bucketed(lengths, 16, generator, positions=600))
        assert sorted(n for b in batches for n in b) == list(range(1001))
        assert [1000] in batches
        padded = [len(b) * max(lengths[n] for n in b) for b in batches if b != [1000]]
        assert max(padded) <= 600
        assert max(map(len, batches)) == 16


def test_the_order_depends_on_the_generator_alone() -> None:
    lengths = list(range(100))
    orders = [list(bucketed(lengths, 8, torch.Generator().manual_seed(seed))) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
