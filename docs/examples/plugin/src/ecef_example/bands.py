"""An audio encoder without weights: how loud each band of frequency is, fifty times a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from ecef_cli.api.components import AudioEncoder, AudioFeatures, Options

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_RATE = 16_000  # Hz
_HOP = 320  # samples: 20 ms
_SILENCE = 1e-6  # the energy of a band that counts as none


class BandsOptions(Options):
    """The size of the frames."""

    bands: int = Field(16, ge=1, le=64, description="bands, of equal width, between 0 and 8,000 Hz")


class BandsEncoder(AudioEncoder):
    """Gives each 20 ms the logarithm of the energy in each band."""

    Options = BandsOptions

    def __init__(self, options: BandsOptions) -> None:
        super().__init__(options)
        self._bands = options.bands

    @property
    def width(self) -> int:
        """The number of bands."""
        return self._bands

    @property
    def sample_rate(self) -> int:
        """16,000 Hz; ecef brings every recording to it."""
        return _RATE

    def encode(self, waves: Sequence[npt.NDArray[np.float32]]) -> list[AudioFeatures]:
        """Return the frames (T, bands) of each waveform; no waveform sees another."""
        return [AudioFeatures(self._frames(wave), _RATE / _HOP) for wave in waves]

    def _frames(self, wave: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        # Zeros fill the last frame, so that a wave of a single sample has one too.
        count = -(-len(wave) // _HOP)
        hops = np.pad(wave, (0, count * _HOP - len(wave))).reshape(count, _HOP)
        energy = np.abs(np.fft.rfft(hops * np.hanning(_HOP))) ** 2
        starts = np.arange(self._bands) * energy.shape[1] // self._bands
        return np.log10(np.add.reduceat(energy, starts, axis=1) + _SILENCE).astype(np.float32)
