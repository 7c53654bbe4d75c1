"""Audio encoders and prosody encoders (PE)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecef_cli.api.components.base import Component

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    from torch import nn


@dataclass(frozen=True, slots=True)
class AudioFeatures:
    """Frames of one utterance.

    Attributes:
        frames: (T, d) float32.
        rate: frames per second, Hz.
    """

    frames: npt.NDArray[np.float32]
    rate: float


class AudioEncoder(Component):
    """Turn recordings into frames, without training."""

    @property
    @abstractmethod
    def width(self) -> int:
        """The width d of a frame."""

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """The sampling rate that `encode` expects, Hz."""

    @abstractmethod
    def encode(self, waves: Sequence[npt.NDArray[np.float32]]) -> list[AudioFeatures]:
        """Return the frames of each mono waveform (S,), computed as one batch."""

    def place(self, device: str) -> None:
        """Move the encoder to a device such as `cpu` or `cuda:0`."""


class ProsodyEncoder(Component):
    """Build the module Enc of equation 2, `F_a = h_a + LayerNorm(Enc(h_a))`."""

    @abstractmethod
    def build(self, width: int) -> nn.Module:
        """Return a module that maps h_a (B, T, d) and a mask (B, T) to (B, T, d), with d = `width`."""
