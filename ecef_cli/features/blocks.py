"""Blocks of rows with arrays of different lengths, stored in safetensors files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ecef_cli.api.errors import DataError
from ecef_cli.workspace import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Layout:
    """Arrays of a feature store's rows; all arrays of a row have the same length.

    Attributes:
        unit: name of the rows, in the plural.
        wide: name of the (N, d) array, stored in the recipe's number type and left on disk until it is read.
        narrow: names of the (N,) int32 arrays, held in memory.
    """

    unit: str
    wide: str
    narrow: tuple[str, ...] = ()


def save_block(
    path: Path,
    layout: Layout,
    rows: Mapping[int, Mapping[str, npt.NDArray[Any]]],
    rate: float | None = None,
) -> None:
    """Write the arrays of several rows end to end, atomically.

    Args:
        path: the file.
        layout: the arrays of its rows.
        rows: the arrays of each row by name, by the number of the row; at least one row.
        rate: entries per second (Hz), if the arrays run in time and any row has an entry.
    """
    members = rows.values()
    tensors = {name: np.concatenate([arrays[name] for arrays in members]) for name in (layout.wide, *layout.narrow)}
    tensors["offsets"] = np.cumsum([0, *(len(arrays[layout.wide]) for arrays in members)], dtype=np.int64)
    tensors["rows"] = np.asarray(list(rows), dtype=np.int64)
    # At most one metadata entry: safetensors writes several in random order.
    metadata = None if rate is None else {"rate": repr(rate)}
    with replacing(path) as part:
        save_file(tensors, part, metadata=metadata)


class StoredBlock:
    """A block on disk. Its wide array is read on demand, everything else at once.

    Args:
        path: the file.
        layout: the arrays of its rows.

    Raises:
        DataError: the file is missing or corrupt.
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
        """Return the arrays of the row in a slot, in their stored types; the row must have an entry."""
        start, end = int(self.offsets[slot]), int(self.offsets[slot + 1])
        return {
            self._layout.wide: self._wide[start:end],
            **{name: array[start:end] for name, array in self._narrow.items()},
        }


def _open(path: Path) -> Any:  # its methods have no types
    return safe_open(path, framework="numpy")
