"""The frozen parts of a recipe: an encoder for each modality it reads, the spectrum, the fusion's own layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecef_cli.plugin.boundary import calling, identity

if TYPE_CHECKING:
    from ecef_cli.api.components import AudioEncoder, Fusion, Spectrum, TextEncoder
    from ecef_cli.recipe.model import Recipe


@dataclass(frozen=True, slots=True)
class Encoders:
    """The components of a recipe that hold frozen parts.

    Attributes:
        text: the text encoder, or None where text is not read.
        audio: the audio encoder, or None where audio is not read.
        fusion: the fusion, or None where audio is not read, or is read alone by a recipe without one.
        spectrum: computes the spectrum that the fusion's second step reads, or None where it reads none.
    """

    text: TextEncoder | None
    audio: AudioEncoder | None
    fusion: Fusion | None = None
    spectrum: AudioEncoder | None = None

    @property
    def identities(self) -> dict[str, str]:
        """What else than its options decides the output of each, by the recipe's key."""
        found = {"text_encoder": self.text, "audio_encoder": self.audio}
        known = {key: identity(encoder) for key, encoder in found.items() if encoder is not None}
        layers = "" if self.fusion is None else identity(self.fusion)
        return known | ({"fusion": layers} if layers else {})


def build_encoders(recipe: Recipe, *, device: str, weights: bool = True) -> Encoders:
    """Return the encoders of a recipe, on a device.

    Args:
        recipe: the recipe.
        device: the device.
        weights: false for `Component.without_weights`, which has the sizes and computes nothing.

    Raises:
        PluginError: one cannot be loaded.
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
    """Return the spectrum that a fusion reads, or None where it reads none.

    Raises:
        PluginError: the fusion fails.
    """
    if fusion is None:
        return None
    with calling(fusion, "spectrum"):
        return fusion.spectrum
