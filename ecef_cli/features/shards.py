"""Fills a feature store batch by batch, so that a stopped extraction loses one batch at most.

A batch is written to a part file as soon as it is encoded. Where all parts of a shard are there they become the shard,
so that a finished store has few files. Each file takes its place whole: whatever is there when a process is killed is
what the next one goes on from, with the same batches and therefore to the same bytes.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from ecef_cli.features.blocks import StoredBlock, holds, join, save_block
from ecef_cli.features.places import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from pathlib import Path

    from ecef_cli.features.blocks import Block, Layout

SHARD = 1024
"""Rows in a shard at most."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that are encoded together.

    Attributes:
        split: the split they belong to.
        rows: their numbers.
        empty: whether there is nothing to encode, and the rows are stored without an entry.
    """

    split: str
    rows: tuple[int, ...]
    empty: bool = False

    @property
    def places(self) -> tuple[Place, ...]:
        """The places of the rows."""
        return tuple(Place(self.split, row) for row in self.rows)


@dataclass(frozen=True, slots=True)
class Shard:
    """A file of a feature store as it is planned.

    Attributes:
        split: the split it belongs to.
        number: its number within the split.
        batches: what is encoded together, in the order of the file.
    """

    split: str
    number: int
    batches: tuple[Batch, ...]

    @property
    def rows(self) -> tuple[int, ...]:
        """The rows of all batches."""
        return tuple(chain.from_iterable(batch.rows for batch in self.batches))

    def path(self, folder: Path) -> Path:
        """Return the file of the shard."""
        return folder / f"{self.split}-{self.number:05d}.safetensors"

    def part(self, folder: Path, batch: int) -> Path:
        """Return the file of a batch that waits for the rest of the shard."""
        return folder / f"{self.split}-{self.number:05d}-{batch:04d}.part"

    def whole(self, folder: Path) -> bool:
        """Return whether the shard's file is there and holds the planned rows."""
        return holds(self.path(folder), self.rows)

    def missing(self, folder: Path) -> Iterator[int]:
        """Yield the numbers of the batches that are still to be encoded."""
        if not self.whole(folder):
            yield from (n for n, batch in enumerate(self.batches) if not holds(self.part(folder, n), batch.rows))


def complete(folder: Path, shards: Iterable[Shard]) -> bool:
    """Return whether a folder holds all shards and nothing that is on the way to one."""
    return all(shard.whole(folder) for shard in shards) and not any(folder.glob("*.part"))


def missing_batches(folder: Path, shards: Iterable[Shard]) -> list[Batch]:
    """Return the batches that are still to be encoded, in the order in which `fill` asks for them."""
    return [shard.batches[n] for shard in shards for n in shard.missing(folder)]


def fill(
    folder: Path,
    layout: Layout,
    shards: Sequence[Shard],
    encode: Callable[[Sequence[Batch]], Generator[Block, None, None]],
) -> None:
    """Write all shards that are not there; the caller keeps other processes out of the folder.

    Args:
        folder: where the shards belong.
        layout: what their rows are made of.
        shards: all shards of the store.
        encode: yields the block of each batch it is given, in order.
    """
    for half in folder.glob(".*"):  # what a killed process was writing, or safetensors on its behalf
        half.unlink()
    todo = [(shard, list(shard.missing(folder))) for shard in shards]
    batches = [shard.batches[n] for shard, numbers in todo for n in numbers]
    with closing(encode(batches)) as blocks:
        for shard, numbers in todo:
            for n in numbers:
                save_block(shard.part(folder, n), next(blocks))
            _merge(folder, layout, shard)


def _merge(folder: Path, layout: Layout, shard: Shard) -> None:
    parts = [shard.part(folder, n) for n in range(len(shard.batches))]
    if not shard.whole(folder):
        save_block(shard.path(folder), join([StoredBlock(part, layout).whole() for part in parts]))
    for part in parts:
        part.unlink(missing_ok=True)


def stored_rate(folder: Path, layout: Layout, shards: Iterable[Shard]) -> float | None:
    """Return the rate, Hz, that the shards of a full store state; None where no row has an entry."""
    rates = (StoredBlock(shard.path(folder), layout).rate for shard in shards)
    return next((rate for rate in rates if rate is not None), None)
