"""Feature stores: output of frozen encoders, in memory-mapped safetensors shards."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ecef_cli.api.components import AudioFeatures, TextFeatures
from ecef_cli.api.errors import DataError
from ecef_cli.features.blocks import Layout, StoredBlock
from ecef_cli.features.places import Place
from ecef_cli.workspace import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TEXT = Layout("windows", "states", ("first", "last"))
AUDIO = Layout("utterances", "frames")

INDEX = "index.json"


@dataclass(frozen=True, slots=True)
class Fault:
    """An utterance with an unreadable recording.

    Attributes:
        split: its split.
        dialogue: its dialogue's id.
        utterance: its id within the dialogue.
        audio: path of the recording.
        problem: the reason.
    """

    split: str
    dialogue: str
    utterance: str | int
    audio: str
    problem: str


@dataclass(frozen=True)
class Store:
    """Stored rows. The number of a row is its utterance's position in the split's manifest, from 0.

    Attributes:
        folder: the folder of the shards.
        counts: rows by split.
    """

    folder: Path
    counts: Mapping[str, int]
    layout: ClassVar[Layout]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a completed store.

        Raises:
            DataError: the index is missing or corrupt.
        """
        path = folder / INDEX
        try:
            return cls._of(folder, read_json(path))
        except (KeyError, TypeError):
            problem = "is the index of no finished extraction"
            raise DataError(problem, where=str(path), hint="run `ecef extract --force`") from None

    @classmethod
    def _of(cls, folder: Path, index: Mapping[str, Any]) -> Self:
        return cls(folder, index[cls.layout.unit])

    def holds(self, split: str, number: int) -> bool:
        """Return whether a row is stored, with entries or without."""
        return number in self._places[split]

    def length(self, split: str, number: int) -> int:
        """Return the number of entries of a row, without reading them.

        Raises:
            DataError: the store does not hold it.
        """
        shard, slot = self._place(split, number)
        return int(shard.offsets[slot + 1] - shard.offsets[slot])

    def size(self) -> int:
        """Return the size on disk, in bytes."""
        return sum(p.stat().st_size for p in self.folder.glob("*.safetensors"))

    def _place(self, split: str, number: int) -> tuple[StoredBlock, int]:
        try:
            return self._places[split][number]
        except KeyError:
            raise DataError(
                f"no features of {self.layout.unit.removesuffix('s')} {number} of {split}",
                where=str(self.folder),
                hint="run `ecef extract --force`",
            ) from None

    @cached_property
    def _places(self) -> Mapping[str, Mapping[int, tuple[StoredBlock, int]]]:
        return {split: self._split_places(split) for split in self.counts}

    def _split_places(self, split: str) -> dict[int, tuple[StoredBlock, int]]:
        places: dict[int, tuple[StoredBlock, int]] = {}
        for path in sorted(self.folder.glob(f"{split}-*.safetensors")):
            shard = StoredBlock(path, self.layout)
            lengths = np.diff(shard.offsets)
            # A row with a repaired recording has no entry in one shard, and its frames in another.
            places |= {int(row): (shard, n) for n, row in enumerate(shard.rows) if lengths[n] or int(row) not in places}
        return places


@dataclass(frozen=True)
class FeatureStore(Store):
    """Stored states of windows; a window has the number of its last utterance."""

    layout = TEXT

    def read(self, split: str, number: int) -> TextFeatures:
        """Return the features of one window, float32 in memory.

        Raises:
            DataError: the store does not hold it.
        """
        shard, slot = self._place(split, number)
        row = shard.row(slot)
        return TextFeatures(np.asarray(row["states"], dtype=np.float32), row["first"], row["last"])


@dataclass(frozen=True)
class AudioStore(Store):
    """Stored frames of utterances.

    Attributes:
        faults: the utterances with unreadable recordings, in the order of the manifests.
        repeats: rows without frames of their own, as another row has the same recording.
    """

    faults: tuple[Fault, ...] = ()
    repeats: Mapping[Place, Place] = field(default_factory=dict)
    layout = AUDIO

    @classmethod
    def _of(cls, folder: Path, index: Mapping[str, Any]) -> Self:
        faults = tuple(Fault(**fault) for fault in index["faults"])
        repeats = {Place(split, row): Place(*original) for split, row, *original in index.get("repeats", ())}
        return cls(folder, index[cls.layout.unit], faults, repeats)

    def length(self, split: str, number: int) -> int:
        """Return the number of frames of an utterance, without reading them.

        Raises:
            DataError: the store does not hold it.
        """
        return super().length(*self._source(split, number))

    def read(self, split: str, number: int) -> AudioFeatures | None:
        """Return the frames of one utterance, float32 in memory; None if it has no readable recording.

        Raises:
            DataError: the store does not hold it.
        """
        if self.rate is None or not self.length(split, number):
            return None
        shard, slot = self._place(*self._source(split, number))
        return AudioFeatures(np.asarray(shard.row(slot)["frames"], dtype=np.float32), self.rate)

    @cached_property
    def rate(self) -> float | None:
        """Frames per second (Hz); None if no utterance has frames."""
        shards = {shard for places in self._places.values() for shard, _ in places.values()}
        return next((shard.rate for shard in shards if shard.rate is not None), None)

    def _source(self, split: str, number: int) -> Place:
        """Return the row that holds the frames of a row; a repeated row may still have its own."""
        place = Place(split, number)
        original = self.repeats.get(place)
        return place if original is None or super().length(*place) else original
