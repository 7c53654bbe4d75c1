"""Encode the units of a dataset in batches of similar length, into the shards of a feature store.

A stopped extraction resumes after its last shard: shards are written atomically, and the next call plans only the rows
that no shard holds. The plan depends on the lengths of the units alone, so a resumed extraction gives the same bytes.
"""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from ecef_cli import console
from ecef_cli.api.errors import DataError
from ecef_cli.corpus.scan import READERS
from ecef_cli.features.batches import shards
from ecef_cli.features.blocks import StoredBlock, save_block
from ecef_cli.features.encoding import SAVED, encoded
from ecef_cli.features.places import Utterances
from ecef_cli.features.store import INDEX
from ecef_cli.plugin.boundary import identity
from ecef_cli.workspace import content_key, locked, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from ecef_cli.api.components import AudioEncoder, TextEncoder
    from ecef_cli.corpus.manifest import Prepared
    from ecef_cli.features.places import Place
    from ecef_cli.features.store import Store

    Arrays = Mapping[str, npt.NDArray[Any]]

_AHEAD = 2  # batches to read ahead while another is encoded: bounds memory

Asked = TypeVar("Asked")
Given = TypeVar("Given")


@dataclass(frozen=True, slots=True)
class Extraction:
    """An encoder and the storage settings of its output.

    Attributes:
        encoder: the frozen encoder.
        name: the encoder's name in the recipe.
        options: all options of the encoder.
        dtype: type on disk, `float16` or `float32`.
    """

    encoder: TextEncoder | AudioEncoder
    name: str
    options: Mapping[str, Any]
    dtype: str

    def _key(self, prepared: Prepared, **facts: object) -> str:
        """Return the hash of everything that changes the stored bytes: encoder, dataset and further facts."""
        return content_key(
            {
                "component": self.name,
                "version": self.encoder.version,
                "options": self.options,
                "identity": identity(self.encoder),
                "dtype": self.dtype,
                "manifest": prepared.key,
                **facts,
            }
        )


class Units(ABC):
    """Encoder inputs from a dataset: one unit per utterance.

    Args:
        prepared: the dataset.
        extraction: the encoder.

    Attributes:
        store: the class of the store.
        asked: text before the utterances' names in a message.
        budget: maximum length of a batch, padding included.
        rate: entries per second (Hz), if they run in time and any were encoded.
    """

    store: ClassVar[type[Store]]
    asked: ClassVar[str] = ""
    budget: float
    rate: float | None = None

    def __init__(self, prepared: Prepared, extraction: Extraction) -> None:
        self.extraction = extraction
        self.utterances = Utterances(prepared)
        self.label = f"extract {prepared.name}"

    @abstractmethod
    def lengths(self, places: Sequence[Place]) -> dict[Place, float]:
        """Return the length of each unit; 0 if there is nothing to encode."""

    @abstractmethod
    def read(self, place: Place) -> Any:
        """Return the encoder's input for a unit, or raise a DataError; called in a thread."""

    @abstractmethod
    def arrays(self, features: Any, asked: str) -> Arrays:
        """Return a result as arrays named as in the layout, or raise a PluginError that names `asked`."""

    def extent(self, lengths: Iterable[float]) -> str:  # noqa: ARG002 - for those that override it
        """Return the total length of units, for a message."""
        return ""

    def refuse(self, place: Place, error: DataError) -> None:  # noqa: ARG002
        """Record that a unit cannot be read; it is stored without entries."""
        raise error

    def mended(self, store: Store) -> dict[Place, float]:  # noqa: ARG002
        """Return the lengths of units that are stored without entries but have become readable."""
        return {}

    def facts(self, store: Store) -> dict[str, Any]:  # noqa: ARG002
        """Return facts for the index besides counts and encoder."""
        return {}


def ensure(folder: Path, units: Units, *, force: bool) -> None:
    """Complete the store in a folder.

    Args:
        folder: the folder of the store.
        units: the units to encode.
        force: recompute all of them.

    Raises:
        EcefError: another process is computing the store.
        PluginError: the encoder fails or breaks its contract; earlier shards are kept.
    """
    # Lock only to write: several trainings may start with the same features at once.
    if not force and _is_complete(folder, units):
        console.note(f"{units.label}: nothing to do, features are in {folder}")
        return
    with locked(folder, f"the folder {folder}"):
        if force:
            shutil.rmtree(folder, ignore_errors=True)
        _tidy(folder, units)
        store = _opened(folder, units)
        _fill(folder, units, units.lengths([place for place in units.utterances.places if not store.holds(*place)]))
        if mended := units.mended(_opened(folder, units)):
            console.note(f"{units.label}: recordings of {len(mended):,} utterances have become readable")
            _fill(folder, units, mended)
        what, store = units.extraction, _opened(folder, units)
        encoder = {"encoder": what.name, "options": what.options, "identity": identity(what.encoder)}
        write_json(folder / INDEX, {store.layout.unit: dict(store.counts), **encoder, **units.facts(store)})


def _is_complete(folder: Path, units: Units) -> bool:
    try:
        store = units.store.open(folder)
        return all(store.holds(*place) for place in units.utterances.places) and not units.mended(store)
    except DataError:  # no index, or a corrupt shard
        return False


def _opened(folder: Path, units: Units) -> Store:
    return units.store(folder, units.utterances.counts)


def _tidy(folder: Path, units: Units) -> None:
    """Remove partial and corrupt shards, and the index, which marks the store as complete."""
    for left in (*folder.glob(".*"), *folder.glob("*.part"), folder / INDEX):
        left.unlink(missing_ok=True)
    for path in folder.glob("*.safetensors"):
        try:
            StoredBlock(path, units.store.layout)
        except DataError:
            path.unlink()


def _fill(folder: Path, units: Units, lengths: Mapping[Place, float]) -> None:
    """Encode units and write their shards."""
    by_split: dict[str, dict[Place, float]] = {}
    for place, length in lengths.items():
        by_split.setdefault(place.split, {})[place] = length
    planned = [shard for members in by_split.values() for shard in shards(members, units.budget)]
    todo = sum(map(bool, lengths.values()))
    store = _opened(folder, units)
    unit = store.layout.unit
    there = sum(bool(store.length(*place)) for place in units.utterances.places if store.holds(*place))
    if todo and there:
        console.note(f"{units.label}: resuming, {there:,} of {there + todo:,} {unit} are done")
    elif todo:
        console.note(f"{units.label}: {todo:,} {unit}{units.extent(lengths.values())}; it may take minutes")
    watch = console.Stopwatch()
    wanted = [batch if lengths[batch[0]] else [] for shard in planned for batch in shard]
    with console.Progress(todo, units.label, unit) as progress, closing(reading_ahead(units.read, wanted)) as read:
        for shard in planned:
            rows: dict[Place, Arrays] = {}
            for batch in shard:
                given = next(read)
                rows |= _encoded(units, batch, given)
                progress.advance(len(given))
            _save(folder, units, rows)
    if todo:
        size = _opened(folder, units).size() / 2**20
        console.note(f"{units.label}: {todo:,} {unit} in {watch.seconds:.0f} s, {size:,.0f} MiB in {folder}")


def _encoded(units: Units, batch: Sequence[Place], given: Sequence[Any]) -> dict[Place, Arrays]:
    """Return the arrays of each unit of a batch; no entries for an unreadable unit."""
    readable = {}
    for place, item in zip(batch, given, strict=bool(given)):
        if isinstance(item, DataError):
            units.refuse(place, item)
        else:
            readable[place] = item
    what, layout = units.extraction, units.store.layout
    nothing: dict[str, npt.NDArray[Any]] = {layout.wide: np.zeros((0, what.encoder.width), dtype=what.dtype)}
    nothing |= {name: np.zeros(0, dtype=np.int32) for name in layout.narrow}
    rows: dict[Place, Arrays] = dict.fromkeys(batch, nothing)
    if readable:
        asked = units.asked + units.utterances.names(readable)
        found = encoded(what.encoder, list(readable.values()), asked, hint=SAVED)
        for place, features in zip(readable, found, strict=True):
            rows[place] = units.arrays(features, units.asked + units.utterances.name(place))
    return rows


def _save(folder: Path, units: Units, rows: Mapping[Place, Arrays]) -> None:
    [split] = {place.split for place in rows}
    paths = (folder / f"{split}-{number:05d}.safetensors" for number in count())
    path = next(path for path in paths if not path.exists())
    layout = units.store.layout
    rate = units.rate if any(len(arrays[layout.wide]) for arrays in rows.values()) else None
    save_block(path, layout, {place.row: arrays for place, arrays in rows.items()}, rate)


def reading_ahead(
    read: Callable[[Asked], Given], batches: Iterable[Sequence[Asked]]
) -> Generator[list[Given | DataError], None, None]:
    """Yield the items read for each batch in turn, or their errors, and read ahead meanwhile.

    Args:
        read: returns the item of a batch member, or raises a DataError.
        batches: the members of each batch.
    """

    def attempt(asked: Asked) -> Given | DataError:
        try:
            return read(asked)
        except DataError as error:
            return error

    pool = ThreadPoolExecutor(READERS)
    begun: deque[list[Future[Given | DataError]]] = deque()
    try:
        for batch in batches:
            begun.append([pool.submit(attempt, asked) for asked in batch])
            if len(begun) > _AHEAD:
                yield [future.result() for future in begun.popleft()]
        while begun:
            yield [future.result() for future in begun.popleft()]
    finally:
        pool.shutdown(cancel_futures=True)
