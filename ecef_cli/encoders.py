"""The frozen encoders that a recipe names, one for each modality it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecef_cli.components import AudioEncoder, TextEncoder
    from ecef_cli.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Encoders:
    """The frozen encoders of a recipe.

    Attributes:
        text: the text encoder, or None where text is not read.
        audio: the audio encoder, or None where audio is not read.
    """

    text: TextEncoder | None
    audio: AudioEncoder | None

    @property
    def identities(self) -> dict[str, str]:
        """What else than its options decides the output of each, by the recipe's key."""
        found = {"text_encoder": self.text, "audio_encoder": self.audio}
        return {key: encoder.identity() for key, encoder in found.items() if encoder is not None}


def build_encoders(recipe: Recipe, *, device: str) -> Encoders:
    """Return the encoders of a recipe, on a device.

    Raises:
        PluginError: one cannot be loaded.
    """
    text = recipe.component("text_encoder") if recipe.reads("text") else None
    audio = recipe.component("audio_encoder") if recipe.reads("audio") else None
    for encoder in (text, audio):
        if encoder is not None:
            encoder.place(device)
    return Encoders(text, audio)
