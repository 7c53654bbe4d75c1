"""Sizes of a Hugging Face speech encoder, without its weights."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.api.components import AudioEncoder, AudioFeatures
from ecef_cli.api.configurations import WithoutWeights, build_empty, read_configuration
from ecef_speech.huggingface import HuggingFaceSpeechOptions, mixture_of
from ecef_speech.huggingface_models import SETTING, WHISPER, check_kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from ecef_cli.api.configurations import Kept

_WAVLM: Kept = {"model_type": "wavlm"}
KEPT: Mapping[str, Kept] = {"microsoft/wavlm-base": _WAVLM, "microsoft/wavlm-base-plus": _WAVLM}
"""Configurations of speech encoders that ship with this plugin, by name on the hub."""

_WHISPER_HOP = 320  # samples: a mel spectrum of 10 ms, and a convolution of stride 2


class SpeechSizes(WithoutWeights, AudioEncoder):
    """An encoder with shapes but no weights, for `ecef recipes inspect` only.

    Raises:
        PluginError: the model's configuration cannot be read, is of another kind of model, or has no such layer.
    """

    Options = HuggingFaceSpeechOptions
    options: HuggingFaceSpeechOptions
    sample_rate = 16_000

    def __init__(self, options: HuggingFaceSpeechOptions) -> None:
        super().__init__(options)
        name = options.model
        config, self.notes = read_configuration(name, KEPT, plugin="ecef_speech", setting=SETTING)
        check_kind(name, config)
        used = max(mixture_of(options, int(config.num_hidden_layers) + 1))
        whisper = config.model_type == WHISPER
        setattr(config, "encoder_layers" if whisper else "num_hidden_layers", used)
        config.add_adapter = False
        model = build_empty(config, name, setting=SETTING)
        self._model = model.encoder if whisper else model
        self._hop = _WHISPER_HOP if whisper else prod(config.conv_stride)

    @property
    def width(self) -> int:
        """The width of the model's hidden states."""
        return int(self._model.config.hidden_size)

    def encode(self, waves: Sequence[npt.NDArray[np.float32]]) -> list[AudioFeatures]:
        """Return zeros (T, d) for each mono waveform (S,), one frame per hop."""
        rate = self.sample_rate / self._hop
        return [
            AudioFeatures(np.zeros((max(1, len(wave) // self._hop), self.width), dtype=np.float32), rate)
            for wave in waves
        ]
