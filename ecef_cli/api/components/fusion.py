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
    """What a fusion module is given; the masks are true where a position is real.

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

    rate: int = Field(16_000, ge=2_000, description="samples a second of the recordings it is of, Hz")
    window: float = Field(25.0, gt=0, description="what a frame looks at, ms")
    hop: float = Field(10.0, gt=0, description="from one frame to the next, ms")
    bins: int = Field(80, ge=1, description="mel bands")
    low: float = Field(50.0, ge=0, description="where the lowest band begins, Hz")
    high: float = Field(7_600.0, gt=0, description="where the highest band ends, Hz")
    longest: float = Field(40.0, gt=0, description="seconds of a window that are read at most, its last")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.high > self.rate / 2:
            raise ValueError(f"high is above {self.rate / 2:g} Hz, half the rate")
        if self.low >= self.high:
            raise ValueError("low is not below high")
        if self.hop > self.window:
            raise ValueError("hop is longer than window, so that parts of a recording would not be seen")
        return self


@dataclass(frozen=True, slots=True)
class SecondStepInput:
    """What the second step of a fusion is given; the masks are true where something is real.

    The spectrum stands in N patches of G frames: no patch holds frames of two utterances, so that the last one of an
    utterance may be filled in part. An utterance without a recording has one patch without a frame.

    Attributes:
        fused: (B, T, d), F_ta, or F_a where nothing was said; with fused_mask (B, T).
        frames: (B, N, G, bins), the spectrum, with frame_mask (B, N, G).
        mask: (B, N), true where a patch is real, from a window's first on.
    """

    fused: Tensor
    fused_mask: Tensor
    frames: Tensor
    frame_mask: Tensor
    mask: Tensor


@dataclass(frozen=True, slots=True)
class FusedStreams:
    """What the second step of a fusion gives.

    Attributes:
        fused: (B, T, d), F_m->ta.
        spectrum: (B, N * R, d), F_ta->m; the R features of a patch of time stand behind one another.
    """

    fused: Tensor
    spectrum: Tensor


class Fusion(Component):
    """Builds the modules that fuse text and audio, in one step or in two."""

    @abstractmethod
    def build(self, width: int) -> nn.Module:
        """Return the first step: a module that maps a `FusionInput` of width d = `width` to features (B, T, d)."""

    @property
    def spectrum(self) -> Spectrum | None:
        """The spectrum that the second step reads; None where there is no second step."""
        return None

    @property
    def patch(self) -> int:
        """Frames of the spectrum in one patch, G."""
        return 16

    def build_second(self, width: int) -> nn.Module | None:
        """Return the second step: a module that maps a `SecondStepInput` to `FusedStreams`, both of width d = `width`.

        Only asked for where `spectrum` is not None. Where audio is read alone, it is the only step.
        """
        del width
        return None
