"""Text features: states of the window that ends at each utterance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.features import batches
from ecef_cli.features.encoding import as_stored
from ecef_cli.features.extraction import Extraction, Units, ensure
from ecef_cli.features.store import FeatureStore
from ecef_cli.plugin.boundary import origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecef_cli.api.components import TextEncoder, TextFeatures, TextWindow
    from ecef_cli.corpus.manifest import Prepared
    from ecef_cli.features.extraction import Arrays
    from ecef_cli.features.places import Place
    from ecef_cli.workspace import Workspace


@dataclass(frozen=True, slots=True)
class TextExtraction(Extraction):
    """A text encoder, with its window length and storage settings.

    Attributes:
        history: utterances per window.
    """

    encoder: TextEncoder
    history: int

    def key(self, prepared: Prepared) -> str:
        """Return the hash of everything that changes the stored bytes."""
        return self._key(prepared, history=self.history)


def ensure_features(
    workspace: Workspace,
    prepared: Prepared,
    windows: Mapping[str, Sequence[TextWindow]],
    extraction: TextExtraction,
    *,
    force: bool = False,
) -> FeatureStore:
    """Return the features of all windows of a dataset, computing the missing ones.

    Args:
        workspace: the workspace to store features in.
        prepared: the dataset.
        windows: by split, the window that ends at each utterance, in the order of the manifest.
        extraction: the encoder.
        force: recompute all of them.

    Raises:
        EcefError: another process is computing them.
        PluginError: the encoder fails or breaks its contract; earlier shards are kept.
    """
    folder = workspace.dataset(prepared.name) / "features" / extraction.key(prepared)
    ensure(folder, _Windows(prepared, windows, extraction), force=force)
    return FeatureStore.open(folder)


class _Windows(Units):
    store = FeatureStore
    asked = "the windows that end at "

    def __init__(
        self, prepared: Prepared, windows: Mapping[str, Sequence[TextWindow]], extraction: TextExtraction
    ) -> None:
        super().__init__(prepared, extraction)
        self.budget = batches.BATCH_POSITIONS
        self._windows = windows

    def lengths(self, places: Sequence[Place]) -> dict[Place, float]:
        return {place: self.read(place).positions for place in places}

    def read(self, place: Place) -> TextWindow:
        return self._windows[place.split][place.row]

    def arrays(self, features: TextFeatures, asked: str) -> Arrays:
        what = self.extraction
        return {
            "states": as_stored(origin(what.encoder), asked, features.states, what.encoder.width, what.dtype),
            "first": features.first.astype(np.int32),
            "last": features.last.astype(np.int32),
        }
