"""What is encoded together fits into memory, and is decided once."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import numpy as np
import pytest
from recorded import spoken

from ecef_cli.api.errors import DataError
from ecef_cli.features.audio_plan import BATCH_SECONDS, SHARD_SECONDS, AudioPlan
from ecef_cli.features.shards import SHARD, Shard
from ecef_cli.features.waves import reading_ahead


def seconds(count: int, longest: float, seed: int = 0) -> dict[int, float]:
    pick = random.Random(seed)
    return {row: 0.0 if row % 7 == 0 else pick.uniform(0.1, longest) for row in range(count)}


def padded(batch_seconds: list[float]) -> float:
    return len(batch_seconds) * max(batch_seconds)


@pytest.mark.parametrize(("count", "longest"), [(1, 5.0), (5000, 1.0), (3000, 30.0), (40, 500.0)])
def test_every_row_is_in_one_batch_and_none_is_too_large(count: int, longest: float) -> None:
    lengths = seconds(count, longest)
    plan = AudioPlan().extended({"dev": lengths}, None)
    assert sorted(row for shard in plan.shards for row in shard.rows) == list(range(count))
    for shard in plan.shards:
        sizes = [[lengths[row] for row in batch.rows] for batch in shard.batches]
        assert all(padded(size) <= BATCH_SECONDS or len(size) == 1 for size in sizes)
        assert len(shard.rows) <= SHARD
        assert sum(map(padded, sizes)) <= SHARD_SECONDS
        assert [batch.empty for batch in shard.batches] == [not any(size) for size in sizes]
        assert all(all(size) or not any(size) for size in sizes)


def test_little_of_a_batch_is_padding() -> None:
    lengths = seconds(3000, 30.0)
    plan = AudioPlan().extended({"dev": lengths}, None)
    batches = [[lengths[row] for row in batch.rows] for shard in plan.shards for batch in shard.batches]
    assert plan.seconds == pytest.approx(sum(lengths.values()))
    assert sum(map(padded, batches)) < 1.02 * plan.seconds


def test_what_is_cut_counts_as_long_as_it_is_read() -> None:
    plan = AudioPlan().extended({"dev": {0: 100.0, 1: 10.0, 2: 20.0}}, 10.0)
    assert (plan.seconds, plan.cut) == (30.0, 2)
    assert [batch.rows for batch in plan.shards[0].batches] == [(0, 1, 2)]


def test_a_plan_is_read_as_it_was_written_and_can_be_extended(tmp_path: Path) -> None:
    plan = AudioPlan().extended({"dev": seconds(3000, 9.0), "test": {0: 1.0}}, 5.0)
    plan.write(tmp_path)
    assert AudioPlan.read(tmp_path) == plan
    more = plan.extended({"dev": {0: 2.0}}, 5.0)
    assert more.shards[: len(plan.shards)] == plan.shards
    [new] = more.shards[len(plan.shards) :]
    assert (new.number, new.rows) == (sum(s.split == "dev" for s in plan.shards), (0,))
    assert len({new.path(tmp_path), *(shard.path(tmp_path) for shard in plan.shards)}) == len(more.shards)


@pytest.mark.parametrize("text", ["", "[]", '{"shards": 3}', '{"shards": [{"split": "dev"}], "seconds": 0, "cut": 0}'])
def test_a_plan_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    assert AudioPlan.read(tmp_path) is None
    (tmp_path / "plan.json").write_text(text)
    assert AudioPlan.read(tmp_path) is None


def test_the_files_of_a_shard_say_what_they_are(tmp_path: Path) -> None:
    shard = Shard("dev", 3, ())
    assert shard.path(tmp_path).name == "dev-00003.safetensors"
    assert shard.part(tmp_path, 12).name == "dev-00003-0012.part"


# --------------------------------------------------------------------------------------------- reading ahead


def test_waveforms_come_in_the_order_of_their_batches_and_few_are_held() -> None:
    batches = [spoken(str(n), *[("x", Path(f"{n}-{m}"), None, None) for m in range(3)]).utterances for n in range(20)]
    begun: list[str] = []
    lock = threading.Lock()

    def read(utterance):
        with lock:
            begun.append(str(utterance.audio))
        if str(utterance.audio) == "4-1":
            raise DataError("broken")
        return np.full(1, int(utterance.dialogue), dtype=np.float32)

    with reading_ahead(read, batches) as waves:
        for n, found in enumerate(waves):
            assert len(begun) <= 3 * (n + 3)
            assert [None if isinstance(wave, DataError) else int(wave[0]) for wave in found] == [
                n,
                None if n == 4 else n,
                n,
            ]
    assert len(begun) == 60


def test_reading_ends_with_its_reader() -> None:
    batches = [spoken(str(n), ("x", Path(str(n)), None, None)).utterances for n in range(500)]
    begun: list[Path] = []

    def read(utterance):
        begun.append(utterance.audio)
        return np.zeros(1, dtype=np.float32)

    with reading_ahead(read, batches) as waves:
        next(waves)
    assert len(begun) <= 3


def test_an_error_that_is_no_fault_of_the_data_is_raised() -> None:
    [utterance] = spoken("d", ("x", Path("x"), None, None)).utterances

    def read(_):
        raise ZeroDivisionError

    with reading_ahead(read, [[utterance]]) as waves, pytest.raises(ZeroDivisionError):
        next(waves)
