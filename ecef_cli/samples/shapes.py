"""How frames become positions, as a recipe and its encoders decide it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli.samples.batches import AudioShape

if TYPE_CHECKING:
    from ecef_cli.features.encoders import Encoders
    from ecef_cli.recipe.model import Recipe


def audio_shape(recipe: Recipe, encoders: Encoders) -> AudioShape | None:
    """Return how a recipe makes positions of frames, or None where it does not read audio."""
    if encoders.audio is None:
        return None
    return AudioShape(encoders.audio.width, recipe.audio.group, recipe.audio.positions)


def spectrum_shape(encoders: Encoders) -> AudioShape | None:
    """Return how the spectrum becomes patches, or None where the fusion reads none."""
    fusion = encoders.fusion
    if fusion is None or fusion.spectrum is None:
        return None
    patch = fusion.patch
    patches = max(1, round(fusion.spectrum.longest * 1e3 / (fusion.spectrum.hop * patch)))
    return AudioShape(fusion.spectrum.bins, patch, patches)
