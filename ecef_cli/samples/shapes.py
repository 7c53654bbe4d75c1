"""Grouping of frames into positions for a recipe and its encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli.features.encoders import spectrum_of
from ecef_cli.plugin.boundary import calling
from ecef_cli.samples.batches import AudioShape

if TYPE_CHECKING:
    from ecef_cli.features.encoders import Encoders
    from ecef_cli.recipe.model import Recipe


def audio_shape(recipe: Recipe, encoders: Encoders) -> AudioShape | None:
    """Return a recipe's grouping of frames into positions, or None if audio is not an input."""
    if encoders.audio is None:
        return None
    return AudioShape(encoders.audio.width, recipe.audio.group, recipe.audio.positions)


def spectrum_shape(encoders: Encoders) -> AudioShape | None:
    """Return how the spectrum becomes patches, or None where the fusion reads none."""
    spectrum = spectrum_of(encoders.fusion)
    if encoders.fusion is None or spectrum is None:
        return None
    with calling(encoders.fusion, "patch"):
        patch = encoders.fusion.patch
        patches = max(1, round(spectrum.longest * 1e3 / (spectrum.hop * patch)))
    return AudioShape(spectrum.bins, patch, patches)
