"""Runs a frozen text encoder over windows, in batches of similar length, into the feature store."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ecef_cli import console
from ecef_cli.features.blocks import make_block
from ecef_cli.features.encoding import SAVED, as_stored, encoded
from ecef_cli.features.places import Utterances
from ecef_cli.features.shards import SHARD, Batch, Shard, complete, fill, missing_batches
from ecef_cli.features.store import INDEX, TEXT, FeatureStore, write_index
from ecef_cli.plugin.boundary import identity, origin
from ecef_cli.workspace import content_key, locked

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from ecef_cli.api.components import TextEncoder, TextWindow
    from ecef_cli.corpus.manifest import Prepared
    from ecef_cli.features.blocks import Block
    from ecef_cli.workspace import Workspace

BATCH_POSITIONS = 4096
"""Positions in a batch, padding included: bounds memory whatever the windows' lengths."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """What is to be extracted.

    Attributes:
        encoder: the frozen encoder.
        name: the encoder's name in the recipe.
        options: the encoder's options, all of them.
        history: utterances in a window.
        dtype: type on disk, `float16` or `float32`.
    """

    encoder: TextEncoder
    name: str
    options: Mapping[str, Any]
    history: int
    dtype: str

    def key(self, prepared: Prepared) -> str:
        """Return the hash of all that changes the stored bytes."""
        return content_key(
            {
                "component": self.name,
                "version": self.encoder.version,
                "options": self.options,
                "identity": identity(self.encoder),
                "history": self.history,
                "dtype": self.dtype,
                "manifest": prepared.key,
            }
        )


def ensure_features(
    workspace: Workspace,
    prepared: Prepared,
    windows: Mapping[str, Sequence[TextWindow]],
    extraction: Extraction,
    *,
    force: bool = False,
) -> FeatureStore:
    """Return the features of all windows of a dataset, computing those that are not there.

    Args:
        workspace: where features are stored.
        prepared: the dataset.
        windows: by split, the window that ends at each utterance, in the order of the manifest.
        extraction: what computes them.
        force: compute all of them again.

    Raises:
        EcefError: another process is computing them.
        PluginError: the encoder fails or breaks its contract; what it gave before is kept.
    """
    folder = workspace.dataset(prepared.name) / "features" / extraction.key(prepared)
    shards = [shard for split, members in windows.items() for shard in _shards(split, members)]
    # Nobody is kept out where nothing is to be written: several trainings may begin with the same features at once.
    if force or not (folder / INDEX).is_file() or not complete(folder, shards):
        with locked(folder, f"the folder {folder}"):
            if force:
                shutil.rmtree(folder, ignore_errors=True)
            return _extract(folder, prepared, windows, extraction, shards)
    console.note(f"extract {prepared.name}: nothing to do, features are in {folder}")
    return FeatureStore.open(folder)


def _extract(
    folder: Path,
    prepared: Prepared,
    windows: Mapping[str, Sequence[TextWindow]],
    extraction: Extraction,
    shards: Sequence[Shard],
) -> FeatureStore:
    total = sum(len(shard.rows) for shard in shards)
    todo = sum(len(batch.rows) for batch in missing_batches(folder, shards))
    if todo < total:
        console.note(f"extract {prepared.name}: going on, {total - todo:,} of {total:,} windows are there")
    else:
        console.note(f"extract {prepared.name}: {total:,} windows; it may take minutes")
    watch = console.Stopwatch()
    utterances = Utterances(prepared)
    with console.Progress(todo, f"extract {prepared.name}", "windows") as progress:

        def encode(batches: Sequence[Batch]) -> Generator[Block, None, None]:
            for batch in batches:
                members = [windows[batch.split][row] for row in batch.rows]
                asked = f"the windows that end at {utterances.names(batch.places)}"
                yield _encode(extraction, batch, members, asked)
                progress.advance(len(members))

        fill(folder, TEXT, shards, encode)
    write_index(
        folder,
        TEXT,
        {split: len(members) for split, members in windows.items()},
        {
            "encoder": extraction.name,
            "options": extraction.options,
            "identity": identity(extraction.encoder),
        },
    )
    store = FeatureStore.open(folder)
    console.note(
        f"extract {prepared.name}: {todo:,} windows in {watch.seconds:.0f} s, "
        f"{store.size() / 2**20:,.0f} MiB in {folder}"
    )
    return store


def _shards(split: str, windows: Sequence[TextWindow]) -> Iterator[Shard]:
    # Sorted by length, so that a batch holds windows of one size and is padded little.
    order = sorted(range(len(windows)), key=lambda row: (windows[row].positions, row))
    for number, start in enumerate(range(0, len(order), SHARD)):
        rows = order[start : start + SHARD]
        sizes = (len(batch) for batch in batches_of_similar_length([windows[row] for row in rows]))
        bounds = pairwise(accumulate(sizes, initial=0))
        yield Shard(split, number, tuple(Batch(split, tuple(rows[begin:end])) for begin, end in bounds))


def _encode(extraction: Extraction, batch: Batch, windows: Sequence[TextWindow], asked: str) -> Block:
    name, width = origin(extraction.encoder), extraction.encoder.width
    features = encoded(extraction.encoder, windows, asked, hint=SAVED)
    arrays = {
        "states": [as_stored(name, asked, f.states, width, extraction.dtype) for f in features],
        "first": [f.first.astype(np.int32) for f in features],
        "last": [f.last.astype(np.int32) for f in features],
    }
    return make_block(batch.rows, arrays)


def batches_of_similar_length(windows: Sequence[TextWindow]) -> Iterator[Sequence[TextWindow]]:
    """Yield runs of windows, given shortest first, that hold at most `BATCH_POSITIONS` positions when padded."""
    start = 0
    for end, window in enumerate(windows):
        if end > start and window.positions * (end - start + 1) > BATCH_POSITIONS:
            yield windows[start:end]
            start = end
    if start < len(windows):
        yield windows[start:]
