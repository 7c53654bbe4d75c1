"""Shares a batch among the cores of a CPU."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_Part = TypeVar("_Part")
_Result = TypeVar("_Result")

_WORTHWHILE = 8 * 16_000
"""Samples in a part, about: enough that reading the weights from memory costs little beside computing with them."""


def parts(sizes: Sequence[int], workers: int) -> list[list[int]]:
    """Return the indices of a batch's items in parts of about equal size, as many as keep all workers busy.

    Args:
        sizes: samples of each item.
        workers: how many parts are computed at a time.
    """
    count = workers * max(1, round(sum(sizes) / (workers * _WORTHWHILE)))
    found: list[list[int]] = [[] for _ in range(min(count, len(sizes)))]
    loads = [0] * len(found)
    # The largest first, each to where there is least.
    for index in sorted(range(len(sizes)), key=lambda item: -sizes[item]):
        lightest = loads.index(min(loads))
        found[lightest].append(index)
        loads[lightest] += sizes[index]
    return sorted(filter(None, found), key=lambda part: -sum(sizes[index] for index in part))


def side_by_side(work: Callable[[_Part], _Result], todo: Sequence[_Part], workers: int) -> list[_Result]:
    """Return `work` of each part, computing several at a time, each with one thread.

    Threads that share an operation wait for the slowest of them after each of hundreds of operations. Threads that
    share a batch meet once, at its end, which is worth the more the busier the machine is.
    """
    if workers < 2 or len(todo) < 2:  # noqa: PLR2004 - nothing to share
        return [work(part) for part in todo]
    threads = torch.get_num_threads()

    def alone(part: _Part) -> _Result:
        torch.set_num_threads(1)
        return work(part)

    with ThreadPoolExecutor(workers) as pool:
        try:
            return list(pool.map(alone, todo))
        finally:
            # The number is the thread's own, but also what threads start with from then on.
            torch.set_num_threads(threads)
