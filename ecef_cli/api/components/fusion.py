"""Fusion of text, audio and the mel spectrum (TMF), in one step or in two."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from ecef_cli.api.components.base import Component, Options

if TYPE_CHECKING:
    from typing import Self

    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class FusionInput:
    """Input of a fusion module; the masks are true at real positions.

    Attributes:
        text: (B, K, d), with text_mask (B, K).
        audio: (B, T, d), with audio_mask (B, T).
    """

    text: Tensor
    text_mask: Tensor
    audio: Tensor
    audio_mask: Tensor


class Spectrum(Options):
    """The log-mel spectrum that the second step of a fusion reads."""

    rate: int = Field(16_000, ge=2_000, description="sampling rate of the recordings, Hz")
    window: float = Field(25.0, gt=0, description="window length, ms")
    hop: float = Field(10.0, gt=0, description="hop length, ms")
    bins: int = Field(80, ge=1, description="number of mel bands")
    low: float = Field(50.0, ge=0, description="lower edge of the lowest band, Hz")
    high: float = Field(7_600.0, gt=0, description="upper edge of the highest band, Hz")
    longest: float = Field(40.0, gt=0, description="seconds of a window to read at most, counted from its end")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.high > self.rate / 2:
            raise ValueError(f"high must not be above {self.rate / 2:g} Hz, half the rate")
        if self.low >= self.high:
            raise ValueError("low must be below high")
        if self.hop > self.window:
            raise ValueError("hop must not be longer than window, or parts of a recording would be skipped")
        return self


@dataclass(frozen=True, slots=True)
class SecondStepInput:
    """Input of the second step of a fusion; the masks are true at real positions, frames and patches.

    The spectrum is split into N patches of G frames. A patch never holds frames of two utterances, so the last patch
    of an utterance may be partly empty. An utterance without a recording has one empty patch.

    Attributes:
        fused: (B, T, d), F_ta, or F_a if the window has no text; with fused_mask (B, T).
        frames: (B, N, G, bins), the spectrum, with frame_mask (B, N, G).
        mask: (B, N), true at real patches, which come first in a window.
    """

    fused: Tensor
    fused_mask: Tensor
    frames: Tensor
    frame_mask: Tensor
    mask: Tensor


@dataclass(frozen=True, slots=True)
class FusedStreams:
    """Output of the second step of a fusion.

    Attributes:
        fused: (B, T, d), F_m->ta.
        spectrum: (B, N * R, d), F_ta->m; the R features of a patch of time are adjacent.
    """

    fused: Tensor
    spectrum: Tensor


class Fusion(Component):
    """Build the modules that fuse text and audio, in one step or in two."""

    @abstractmethod
    def build(self, width: int) -> nn.Module:
        """Return the first step: a module that maps a `FusionInput` of width d = `width` to features (B, T, d)."""

    @property
    def spectrum(self) -> Spectrum | None:
        """The spectrum that the second step reads; None if there is no second step."""
        return None

    @property
    def patch(self) -> int:
        """Frames of the spectrum in one patch, G."""
        return 16

    def build_second(self, width: int) -> nn.Module | None:
        """Return the second step: a module that maps a `SecondStepInput` to `FusedStreams`, both of width d = `width`.

        Called only if `spectrum` is not None. If audio is the only modality, it is the only step.
        """
        del width
        return None
