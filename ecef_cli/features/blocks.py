"""Runs of rows whose arrays differ in length, and the safetensors files that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ecef_cli.api.errors import DataError
from ecef_cli.workspace import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Layout:
    """What a row of a feature store is made of; all arrays of a row have the same length.

    Attributes:
        unit: what the rows are, in the plural.
        wide: name of the (N, d) array, stored as the recipe says and left on disk until it is read.
        narrow: names of the (N,) int32 arrays, held in memory.
    """

    unit: str
    wide: str
    narrow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """Several rows, their arrays end to end.

    Attributes:
        rows: (R,) the numbers of the rows.
        offsets: (R + 1,) where the arrays of each row begin; the last is where those of the last row end.
        arrays: the arrays by name, each of length `offsets[-1]`.
        rate: entries a second, Hz, where the arrays run in time and any row has an entry.
    """

    rows: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    arrays: Mapping[str, npt.NDArray[Any]]
    rate: float | None = None


def make_block(
    rows: Sequence[int], arrays: Mapping[str, Sequence[npt.NDArray[Any]]], rate: float | None = None
) -> Block:
    """Return rows as a block.

    Args:
        rows: the numbers of the rows, at least one.
        arrays: by name, one array a row.
        rate: entries a second, Hz.
    """
    lengths = [len(array) for array in next(iter(arrays.values()))]
    return Block(
        np.asarray(rows, dtype=np.int64),
        np.cumsum([0, *lengths], dtype=np.int64),
        {name: np.concatenate(parts) for name, parts in arrays.items()},
        rate,
    )


def join(blocks: Sequence[Block]) -> Block:
    """Return the rows of several blocks as one."""
    begins = np.cumsum([0, *(block.offsets[-1] for block in blocks[:-1])])
    return Block(
        np.concatenate([block.rows for block in blocks]),
        np.concatenate([[0], *(block.offsets[1:] + begin for block, begin in zip(blocks, begins, strict=True))]),
        {name: np.concatenate([block.arrays[name] for block in blocks]) for name in blocks[0].arrays},
        next((block.rate for block in blocks if block.rate is not None), None),
    )


def save_block(path: Path, block: Block) -> None:
    """Write a block, whole or not at all."""
    # Never more than one entry: safetensors writes several in an order that differs from run to run.
    metadata = None if block.rate is None else {"rate": repr(block.rate)}
    with replacing(path) as part:
        save_file({**block.arrays, "offsets": block.offsets, "rows": block.rows}, part, metadata=metadata)


def holds(path: Path, rows: Sequence[int]) -> bool:
    """Return whether the file of a block is there, is whole, and holds exactly these rows."""
    if not path.is_file():
        return False
    try:
        with safe_open(path, framework="numpy") as stored:
            return bool(np.array_equal(stored.get_tensor("rows"), rows))
    except (SafetensorError, OSError):
        return False


class StoredBlock:
    """A block on disk. Its wide array is read where it is asked for, all else at once.

    Args:
        path: the file.
        layout: what its rows are made of.

    Raises:
        DataError: the file is missing or broken.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self._layout = layout
        try:
            self._file = _open(path)
            self.rows: npt.NDArray[np.int64] = self._file.get_tensor("rows")
            self.offsets: npt.NDArray[np.int64] = self._file.get_tensor("offsets")
            self._narrow = {name: self._file.get_tensor(name) for name in layout.narrow}
            self._wide: Any = self._file.get_slice(layout.wide)
            rate = (self._file.metadata() or {}).get("rate")
            self.rate = None if rate is None else float(rate)
        except (SafetensorError, OSError, ValueError) as error:
            hint = "run `ecef extract --force`"
            raise DataError(f"the shard is broken: {error}", where=str(path), hint=hint) from None

    def row(self, slot: int) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of the row that stands at a place, as they are stored; the row has an entry."""
        start, end = int(self.offsets[slot]), int(self.offsets[slot + 1])
        return {
            self._layout.wide: self._wide[start:end],
            **{name: array[start:end] for name, array in self._narrow.items()},
        }

    def whole(self) -> Block:
        """Return all rows, in memory."""
        wide = {self._layout.wide: self._file.get_tensor(self._layout.wide)}
        return Block(self.rows, self.offsets, {**wide, **self._narrow}, self.rate)


def _open(path: Path) -> Any:  # its methods have no types
    return safe_open(path, framework="numpy")
