"""Group units into batches of similar length, and batches into shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BATCH_POSITIONS = 4096
"""Positions per batch of windows, padding included, unless a single window is longer: bounds memory."""
BATCH_SECONDS = 64.0
"""Seconds per batch of recordings, padding included, unless a single one is longer: bounds memory."""
SHARD_BATCHES = 8
"""Maximum full batches per shard: a stopped extraction recomputes one shard."""
SHARD_ROWS = 1024
"""Maximum rows per shard."""

Unit = TypeVar("Unit")


def batches(lengths: Mapping[Unit, float], budget: float) -> Iterator[list[Unit]]:
    """Yield units in batches of similar length, shortest first, to limit padding.

    Args:
        lengths: the length of each unit. Units of length 0 never share a batch with others.
        budget: maximum length of a batch, padding included, unless a single unit is longer.
    """
    taken: list[Unit] = []
    for unit in sorted(lengths, key=lengths.__getitem__):  # stable: units of one length keep their order
        if taken and (
            lengths[unit] * (len(taken) + 1) > budget
            or len(taken) == SHARD_ROWS
            or bool(lengths[taken[0]]) != bool(lengths[unit])
        ):
            yield taken
            taken = []
        taken.append(unit)
    if taken:
        yield taken


def shards(lengths: Mapping[Unit, float], budget: float) -> Iterator[list[list[Unit]]]:
    """Yield the batches of `batches` in groups that are stored together.

    Units that finished shards leave over give the same remaining shards.
    """
    taken: list[list[Unit]] = []
    rows, padded = 0, 0.0
    for batch in batches(lengths, budget):
        size = len(batch) * lengths[batch[-1]]
        if taken and (rows + len(batch) > SHARD_ROWS or padded + size > SHARD_BATCHES * budget):
            yield taken
            taken, rows, padded = [], 0, 0.0
        taken.append(batch)
        rows, padded = rows + len(batch), padded + size
    if taken:
        yield taken
