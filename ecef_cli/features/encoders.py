"""Frozen parts of a recipe: one encoder per modality, the spectrum, the fusion's frozen layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecef_cli.plugin.boundary import calling, identity

if TYPE_CHECKING:
    from ecef_cli.api.components import AudioEncoder, Fusion, Spectrum, TextEncoder
    from ecef_cli.recipe.model import Recipe


@dataclass(frozen=True, slots=True)
class Encoders:
    """Components of a recipe with frozen parts.

    Attributes:
        text: the text encoder, or None if the recipe reads no text.
        audio: the audio encoder, or None if the recipe reads no audio.
        fusion: the fusion, or None if the recipe reads no audio or has no fusion.
        spectrum: computes the spectrum for the fusion's second step, or None if it needs none.
    """

    text: TextEncoder | None
    audio: AudioEncoder | None
    fusion: Fusion | None = None
    spectrum: AudioEncoder | None = None

    @property
    def identities(self) -> dict[str, str]:
        """Identity of each component by recipe key: what decides its output besides its options."""
        found = {"text_encoder": self.text, "audio_encoder": self.audio}
        known = {key: identity(encoder) for key, encoder in found.items() if encoder is not None}
        layers = "" if self.fusion is None else identity(self.fusion)
        return known | ({"fusion": layers} if layers else {})


def build_encoders(recipe: Recipe, *, device: str, weights: bool = True) -> Encoders:
    """Return the encoders of a recipe on a device.

    Args:
        recipe: the recipe.
        device: the device.
        weights: false to build each with `Component.without_weights`, which has sizes but computes nothing.

    Raises:
        PluginError: a component cannot be loaded.
    """
    text = recipe.component("text_encoder", weights=weights) if recipe.reads("text") else None
    audio = recipe.component("audio_encoder", weights=weights) if recipe.reads("audio") else None
    for encoder in (text, audio):
        if encoder is not None:
            with calling(encoder, "place"):
                encoder.place(device)
    fusion = recipe.component("fusion", weights=weights) if audio is not None and recipe.fusion is not None else None
    spectrum = spectrum_of(fusion)
    if spectrum is None:
        return Encoders(text, audio, fusion)
    from ecef_cli.audio.spectrum import LogMel

    return Encoders(text, audio, fusion, LogMel(spectrum))


def spectrum_of(fusion: Fusion | None) -> Spectrum | None:
    """Return the spectrum that a fusion reads, or None if it reads none.

    Raises:
        PluginError: the fusion fails.
    """
    if fusion is None:
        return None
    with calling(fusion, "spectrum"):
        return fusion.spectrum
