"""Runs a frozen text encoder over windows, in batches of similar length, into the feature store."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecef_cli import output
from ecef_cli.features.store import SHARD, FeatureStore, close_index, readable, shard_path, write_shard
from ecef_cli.workspace import content_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ecef_cli.components import TextEncoder, TextFeatures, TextWindow
    from ecef_cli.manifest import Prepared
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
                "identity": self.encoder.identity(),
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
    """
    folder = workspace.dataset(prepared.name) / "features" / extraction.key(prepared)
    if force:
        shutil.rmtree(folder, ignore_errors=True)
    plan = [shard for split, members in windows.items() for shard in _shards(folder, split, members)]
    missing = [shard for shard in plan if not readable(shard.path, shard.rows)]
    if not missing and (folder / "index.json").is_file():
        output.note(f"extract {prepared.name}: nothing to do, features are in {folder}")
        return FeatureStore.open(folder)
    total, todo = sum(len(s.rows) for s in plan), sum(len(s.rows) for s in missing)
    if todo < total:
        output.note(f"extract {prepared.name}: going on, {total - todo:,} of {total:,} windows are there")
    else:
        output.note(f"extract {prepared.name}: {total:,} windows; it may take minutes")
    watch = output.Stopwatch()
    with output.Progress(todo, f"extract {prepared.name}", "windows") as progress:
        for shard in missing:
            features = _encode(extraction.encoder, [windows[shard.split][row] for row in shard.rows], progress)
            write_shard(shard.path, shard.rows, features, extraction.dtype)
    close_index(
        folder,
        {split: len(members) for split, members in windows.items()},
        {
            "encoder": extraction.name,
            "options": extraction.options,
            "identity": extraction.encoder.identity(),
        },
    )
    store = FeatureStore.open(folder)
    output.note(
        f"extract {prepared.name}: {todo:,} windows in {watch.seconds:.0f} s, "
        f"{store.size() / 2**20:,.0f} MiB in {folder}"
    )
    return store


@dataclass(frozen=True, slots=True)
class _Shard:
    split: str
    path: Path
    rows: list[int]


def _shards(folder: Path, split: str, windows: Sequence[TextWindow]) -> Iterator[_Shard]:
    # Sorted by length, so that a batch holds windows of one size and is padded little.
    order = sorted(range(len(windows)), key=lambda row: (windows[row].positions, row))
    for number, start in enumerate(range(0, len(order), SHARD)):
        yield _Shard(split, shard_path(folder, split, number), order[start : start + SHARD])


def _encode(encoder: TextEncoder, windows: Sequence[TextWindow], progress: output.Progress) -> list[TextFeatures]:
    features: list[TextFeatures] = []
    for batch in batches_of_similar_length(windows):
        features += encoder.encode(batch)
        progress.advance(len(batch))
    return features


def batches_of_similar_length(windows: Sequence[TextWindow]) -> Iterator[Sequence[TextWindow]]:
    """Yield runs of windows, given shortest first, that hold at most `BATCH_POSITIONS` positions when padded."""
    start = 0
    for end, window in enumerate(windows):
        if end > start and window.positions * (end - start + 1) > BATCH_POSITIONS:
            yield windows[start:end]
            start = end
    if start < len(windows):
        yield windows[start:]
