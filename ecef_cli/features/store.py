"""The feature store: frozen states of every window of a dataset, in memory-mapped safetensors shards."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ecef_cli.components import TextFeatures
from ecef_cli.errors import DataError
from ecef_cli.workspace import read_json, replacing, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

SHARD = 1024
"""Windows in a shard: what a killed extraction loses at most."""


def shard_path(folder: Path, split: str, number: int) -> Path:
    """Return the file of a shard."""
    return folder / f"{split}-{number:05d}.safetensors"


def write_shard(path: Path, rows: Sequence[int], features: Sequence[TextFeatures], dtype: str) -> None:
    """Write the features of the windows with the given numbers, whole or not at all."""
    lengths = [len(f.states) for f in features]
    arrays = {
        "states": np.concatenate([f.states for f in features]).astype(dtype),
        "first": np.concatenate([f.first for f in features]).astype(np.int32),
        "last": np.concatenate([f.last for f in features]).astype(np.int32),
        "offsets": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        "rows": np.asarray(rows, dtype=np.int64),
    }
    with replacing(path) as part:
        save_file(arrays, part)


def readable(path: Path, rows: Sequence[int]) -> bool:
    """Return whether a shard is there, is whole, and holds exactly the windows `rows`."""
    if not path.is_file():
        return False
    try:
        with safe_open(path, framework="numpy") as shard:
            return bool(np.array_equal(shard.get_tensor("rows"), rows))
    except (SafetensorError, OSError):
        return False


@dataclass(frozen=True)
class FeatureStore:
    """Stored features; a window's number is its utterance's position in the split's manifest, from 0.

    Attributes:
        folder: where the shards are.
        counts: windows by split.
    """

    folder: Path
    counts: Mapping[str, int]

    @classmethod
    def open(cls, folder: Path) -> FeatureStore:
        """Return the store in a folder whose extraction has been completed."""
        return cls(
            folder,
            {split: int(number) for split, number in read_json(folder / "index.json")["windows"].items()},
        )

    def read(self, split: str, number: int) -> TextFeatures:
        """Return the features of one window, float32 in memory.

        Raises:
            DataError: the store does not hold it.
        """
        try:
            shard, start, end = self._places[split][number]
        except KeyError:
            raise DataError(
                f"no features of window {number} of {split}",
                where=str(self.folder),
                hint="run `ecef extract --force`",
            ) from None
        return TextFeatures(
            np.asarray(shard["states"][start:end], dtype=np.float32),
            shard["first"][start:end],
            shard["last"][start:end],
        )

    @cached_property
    def _places(self) -> Mapping[str, Mapping[int, tuple[Mapping[str, Any], int, int]]]:
        return {split: dict(self._split_places(split)) for split in self.counts}

    def _split_places(self, split: str) -> list[tuple[int, tuple[Mapping[str, Any], int, int]]]:
        places: list[tuple[int, tuple[Mapping[str, Any], int, int]]] = []
        for path in sorted(self.folder.glob(f"{split}-*.safetensors")):
            shard = _open_shard(path)
            offsets: npt.NDArray[np.int64] = shard["offsets"]
            places += [
                (int(row), (shard, int(offsets[slot]), int(offsets[slot + 1])))
                for slot, row in enumerate(shard["rows"])
            ]
        return places

    def size(self) -> int:
        """Return the bytes on disk."""
        return sum(p.stat().st_size for p in self.folder.glob("*.safetensors"))


def _open_shard(path: Path) -> Mapping[str, Any]:
    try:
        shard: Any = safe_open(path, framework="numpy")
        opened = {key: shard.get_tensor(key) for key in ("first", "last", "offsets", "rows")}
        return {**opened, "states": shard.get_slice("states")}  # stays on disk until it is indexed
    except (SafetensorError, OSError) as error:
        raise DataError(f"the shard is broken: {error}", where=str(path), hint="run `ecef extract --force`") from None


def close_index(folder: Path, counts: Mapping[str, int], facts: Mapping[str, Any]) -> None:
    """Write the index, which says that the extraction is complete."""
    write_json(folder / "index.json", {"windows": dict(counts), **facts})
