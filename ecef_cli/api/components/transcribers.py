"""Transcribers: speech recognisers that turn a recording into words with times."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecef_cli.api.components.base import Component

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import numpy.typing as npt

TRANSCRIBER_RATE = 16_000
"""Sampling rate of the waveforms that a transcriber receives, Hz."""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A recognised word.

    Attributes:
        text: the word with its punctuation, and with the space before it if the language writes one.
        start: seconds from the start of the waveform.
        end: seconds from the start of the waveform, not before `start`.
    """

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class SpokenSegment:
    """A stretch of recognised speech.

    Attributes:
        text: the text.
        start: seconds from the start of the waveform.
        end: seconds from the start of the waveform, after `start`.
        words: the words, in order; their texts joined are `text`, except for spaces around it. Empty if the transcriber
            has no times of words: the segment is then one utterance.
        confidence: mean probability of the text, 0 to 1; None if unknown.
        language: code of the language, such as `en`; None if unknown.
    """

    text: str
    start: float
    end: float
    words: tuple[SpokenWord, ...] = ()
    confidence: float | None = None
    language: str | None = None


class Transcriber(Component):
    """Recognise speech."""

    @abstractmethod
    def transcribe(self, wave: npt.NDArray[np.float32]) -> Iterable[SpokenSegment]:
        """Return the speech in a waveform, in order of time; nothing if nobody speaks.

        Yield each segment as soon as it is recognised, so that progress is shown. The result depends on this waveform
        alone.

        Args:
            wave: samples (S,), mono, at `TRANSCRIBER_RATE`, at least one; usually a few minutes.
        """

    def place(self, device: str) -> None:
        """Move the recogniser to a device such as `cpu` or `cuda:0`."""
