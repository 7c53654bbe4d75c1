"""Log-mel spectrum of an utterance, the input of the second step of a fusion."""

from __future__ import annotations

from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

import numpy as np
import torch

from ecef_cli.api.components import AudioEncoder, AudioFeatures, Spectrum
from ecef_cli.api.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import Tensor

    Wave = npt.NDArray[np.float32]

NAME = "log-mel"
"""Name of the stored spectrum."""

_FLOOR = 1e-7  # power below which a band is silent
_QUIET = 1e-4  # share of the loudest frame's power (40 dB) below which a frame counts as a pause
_SPREAD = 3.5  # approximate spread of log power within an utterance of speech


class LogMel(AudioEncoder):
    """Log-mel bands, minus the utterance's mean over its frames of speech, scaled to about one.

    Each waveform is computed by itself, so the result does not depend on a batch or on later speech.

    Args:
        options: rate, window, hop and bands.

    Raises:
        RecipeError: the bands are so many that some would be empty.
    """

    Options = Spectrum
    options: Spectrum

    def __init__(self, options: Spectrum) -> None:
        from torchaudio.functional import melscale_fbanks  # text alone does not need torchaudio

        super().__init__(options)
        self._hop = max(1, round(options.hop * options.rate / 1e3))
        size = max(2, round(options.window * options.rate / 1e3))
        self._transform = 2 ** (2 * size - 1).bit_length()  # twice the window, so that low bands are not empty
        edge = (self._transform - size) // 2
        window = torch.hann_window(size)
        self._window = torch.nn.functional.pad(window, (edge, self._transform - size - edge))
        with catch_warnings():
            simplefilter("ignore")  # it warns of empty bands, which are an error here
            self._bands = melscale_fbanks(
                self._transform // 2 + 1, options.low, options.high, options.bins, options.rate
            )
        if not self._bands.any(dim=0).all():
            raise RecipeError(
                f"fusion.spectrum.bins: {options.bins} bands are too many for a window of {options.window:g} ms",
                hint="use fewer bands or a longer window",
            )

    @property
    def width(self) -> int:
        """The number of bands."""
        return self.options.bins

    @property
    def sample_rate(self) -> int:
        """The rate of the recordings, Hz."""
        return self.options.rate

    @torch.inference_mode()
    def encode(self, waves: Sequence[Wave]) -> list[AudioFeatures]:
        """Return the bands (T, bins) of each waveform, one frame per hop."""
        rate = self.options.rate / self._hop
        return [
            AudioFeatures(self._frames(torch.from_numpy(np.ascontiguousarray(wave))).numpy(), rate) for wave in waves
        ]

    def _frames(self, wave: Tensor) -> Tensor:
        waves = torch.stft(
            wave, self._transform, self._hop, window=self._window, pad_mode="constant", return_complex=True
        )
        power = (waves.abs().square().T @ self._bands)[: 1 + len(wave) // self._hop]
        loudness = power.sum(dim=1, keepdim=True)
        speech = (loudness >= _QUIET * loudness.max()).to(power.dtype)
        bands = torch.log(power + _FLOOR)
        found: Tensor = (bands - (bands * speech).sum(dim=0) / speech.sum()) / _SPREAD
        return found
