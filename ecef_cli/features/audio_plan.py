"""Which utterances are encoded together, decided once for a store so that a resumed extraction decides nothing anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import DataError
from ecef_cli.features.shards import SHARD, Batch, Shard
from ecef_cli.workspace import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

BATCH_SECONDS = 64.0
"""Seconds in a batch, padding included, unless a single utterance is longer: bounds memory."""
SHARD_SECONDS = 2048.0
"""Seconds in a shard, padding included: bounds the memory in which a shard is put together."""

_FILE = "plan.json"


@dataclass(frozen=True, slots=True)
class AudioPlan:
    """The shards of an audio store.

    Attributes:
        shards: every shard.
        seconds: how much is encoded, in all.
        cut: utterances that are longer than what is read of them.
    """

    shards: tuple[Shard, ...] = ()
    seconds: float = 0.0
    cut: int = 0

    @classmethod
    def read(cls, folder: Path) -> AudioPlan | None:
        """Return the plan that a folder's extraction follows, or None where there is none that can be read."""
        try:
            stated = read_json(folder / _FILE)
            shards = (_shard(shard) for shard in stated["shards"])
            return cls(tuple(shards), float(stated["seconds"]), int(stated["cut"]))
        except (DataError, KeyError, TypeError, ValueError):
            return None

    def write(self, folder: Path) -> None:
        """Write the plan; what is encoded from here on follows it."""
        shards = [
            {
                "split": shard.split,
                "number": shard.number,
                "batches": [{"rows": batch.rows, "empty": batch.empty} for batch in shard.batches],
            }
            for shard in self.shards
        ]
        write_json(folder / _FILE, {"seconds": self.seconds, "cut": self.cut, "shards": shards})

    def extended(self, lengths: Mapping[str, Mapping[int, float]], longest: float | None) -> AudioPlan:
        """Return this plan with further shards.

        Args:
            lengths: by split and row, seconds; 0 where there is nothing to encode.
            longest: seconds that are read of an utterance at most.
        """
        shards = list(self.shards)
        seconds, cut = self.seconds, self.cut
        for split, rows in lengths.items():
            read = {row: length if longest is None else min(length, longest) for row, length in rows.items()}
            seconds += sum(read.values())
            cut += sum(length > read[row] for row, length in rows.items())
            first = sum(shard.split == split for shard in self.shards)
            shards += _shards(split, first, read)
        return AudioPlan(tuple(shards), seconds, cut)


def _shard(stated: Mapping[str, Any]) -> Shard:
    split = str(stated["split"])
    batches = (Batch(split, tuple(map(int, batch["rows"])), bool(batch["empty"])) for batch in stated["batches"])
    return Shard(split, int(stated["number"]), tuple(batches))


def _shards(split: str, first: int, seconds: Mapping[int, float]) -> Iterator[Shard]:
    """Yield shards that are as large as may be, numbered from `first`."""
    number, taken = first, list[Batch]()
    rows, padded = 0, 0.0
    for batch in _batches(split, seconds):
        size = len(batch.rows) * seconds[batch.rows[-1]]
        if taken and (rows + len(batch.rows) > SHARD or padded + size > SHARD_SECONDS):
            yield Shard(split, number, tuple(taken))
            number, taken, rows, padded = number + 1, [], 0, 0.0
        taken.append(batch)
        rows, padded = rows + len(batch.rows), padded + size
    if taken:
        yield Shard(split, number, tuple(taken))


def _batches(split: str, seconds: Mapping[int, float]) -> Iterator[Batch]:
    """Yield batches, the shortest utterances first, so that a batch is padded little."""
    order = sorted(seconds, key=lambda row: (seconds[row], row))
    silent = sum(not seconds[row] for row in order)
    start = 0
    for end, row in enumerate(order):
        padded = seconds[row] * (end + 1 - start)
        if end > start and (end == silent or end - start == SHARD or padded > BATCH_SECONDS):
            yield Batch(split, tuple(order[start:end]), empty=start < silent)
            start = end
    if order:
        yield Batch(split, tuple(order[start:]), empty=start < silent)
