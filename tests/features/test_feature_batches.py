"""What is encoded together fits into memory, is padded little, and comes out the same after an interruption."""

from __future__ import annotations

import random
import threading
from contextlib import closing
from typing import Never

import pytest

from ecef_cli.api.errors import DataError
from ecef_cli.features.batches import BATCH_SECONDS, SHARD_BATCHES, SHARD_ROWS, batches, shards
from ecef_cli.features.extraction import reading_ahead


def seconds(count: int, longest: float, seed: int = 0) -> dict[int, float]:
    pick = random.Random(seed)
    return {row: 0.0 if row % 7 == 0 else pick.uniform(0.1, longest) for row in range(count)}


def padded(batch_seconds: list[float]) -> float:
    return len(batch_seconds) * max(batch_seconds)


SHAPES = [(1, 5.0), (5000, 1.0), (3000, 30.0), (40, 500.0)]


@pytest.mark.parametrize(("count", "longest"), SHAPES)
def test_every_row_is_in_one_batch_and_none_is_too_large(count: int, longest: float) -> None:
    lengths = seconds(count, longest)
    planned = list(shards(lengths, BATCH_SECONDS))
    assert sorted(row for shard in planned for batch in shard for row in batch) == list(range(count))
    assert [batch for shard in planned for batch in shard] == list(batches(lengths, BATCH_SECONDS))
    for shard in planned:
        sizes = [[lengths[row] for row in batch] for batch in shard]
        assert all(padded(size) <= BATCH_SECONDS or len(size) == 1 for size in sizes)
        assert sum(map(len, sizes)) <= SHARD_ROWS
        assert sum(map(padded, sizes)) <= SHARD_BATCHES * BATCH_SECONDS or len(sizes) == 1
        assert all(all(size) or not any(size) for size in sizes)


@pytest.mark.parametrize(("count", "longest"), SHAPES)
def test_what_some_shards_leave_over_is_planned_as_before(count: int, longest: float) -> None:
    lengths = seconds(count, longest)
    planned = list(shards(lengths, BATCH_SECONDS))
    for done in range(len(planned)):
        left = set(lengths) - {row for shard in planned[:done] for batch in shard for row in batch}
        assert list(shards({row: lengths[row] for row in lengths if row in left}, BATCH_SECONDS)) == planned[done:]


def test_little_of_a_batch_is_padding() -> None:
    lengths = seconds(3000, 30.0)
    sizes = [[lengths[row] for row in batch] for batch in batches(lengths, BATCH_SECONDS)]
    assert sum(map(padded, sizes)) < 1.02 * sum(lengths.values())


# --------------------------------------------------------------------------------------------- reading ahead


def test_waveforms_come_in_the_order_of_their_batches_and_few_are_held() -> None:
    wanted = [[f"{n}-{m}" for m in range(3)] for n in range(20)]
    begun: list[str] = []
    lock = threading.Lock()

    def read(name: str) -> int:
        with lock:
            begun.append(name)
        if name == "4-1":
            raise DataError("broken")
        return int(name.partition("-")[0])

    with closing(reading_ahead(read, wanted)) as waves:
        for n, found in enumerate(waves):
            assert len(begun) <= 3 * (n + 3)
            assert [None if isinstance(wave, DataError) else wave for wave in found] == [n, None if n == 4 else n, n]
    assert len(begun) == 60


def test_reading_ends_with_its_reader() -> None:
    begun: list[int] = []
    with closing(reading_ahead(begun.append, [[n] for n in range(500)])) as waves:
        next(waves)
    assert len(begun) <= 3


def test_an_error_that_is_no_fault_of_the_data_is_raised() -> None:
    def read(_: object) -> Never:
        raise ZeroDivisionError

    with closing(reading_ahead(read, [[1]])) as waves, pytest.raises(ZeroDivisionError):
        next(waves)
