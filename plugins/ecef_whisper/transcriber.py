"""Recognise speech with Whisper through faster-whisper."""

from __future__ import annotations

import math
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ecef_cli.api.components import TRANSCRIBER_RATE, Options, SpokenSegment, SpokenWord, Transcriber
from ecef_cli.api.errors import UsageProblem
from ecef_whisper.models import find_model, load_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

_SEED = 0  # of the sampling at higher temperatures, which Whisper uses if its first answer repeats itself
_SILENCE = 1000  # ms without speech that divide one stretch of speech from the next
_MARGIN = 300  # ms that belong to a stretch before and after its speech
_NO_SPEECH = 0.6  # probability of silence above which an improbable text is left out
_IMPROBABLE = -1.0  # mean log probability of a text


class WhisperOptions(Options):
    """Options of the transcriber."""

    model: str = Field(
        "small",
        min_length=1,
        description="a size (tiny, base, small, medium, large-v3), a folder, or a name on the hub",
    )
    language: str | None = Field(None, description="code of the language, such as en; detected if left out")
    prompt: str | None = Field(None, description="names and terms as they should be spelled")
    beam: int = Field(5, ge=1, description="beams of the search; 1 is faster and less accurate")
    compute_type: str = Field("auto", description="numbers to compute with: auto, int8, float16, float32, …")


class Whisper(Transcriber):
    """Whisper (Radford et al., 2023), run by CTranslate2.

    Silero's voice activity detection finds the stretches with speech first, because Whisper invents text elsewhere.
    Each stretch is recognised by itself: faster-whisper's own filter joins them, and words at a joint then land in the
    wrong one.
    """

    Options = WhisperOptions
    options: WhisperOptions

    def __init__(self, options: WhisperOptions) -> None:
        super().__init__(options)
        self._folder = find_model(options.model)
        self._device, self._model = "cpu", None

    def identity(self) -> str:
        """Return the size of the weights, and the version of faster-whisper."""
        return f"{(self._folder / 'model.bin').stat().st_size} faster-whisper {version('faster-whisper')}"

    def place(self, device: str) -> None:
        """Compute on `cuda` or `cpu`; CTranslate2 does not support other devices, and the CPU takes their place."""
        self._device, self._model = device if device.startswith("cuda") else "cpu", None

    def transcribe(self, wave: npt.NDArray[np.float32]) -> Iterator[SpokenSegment]:
        """Yield the segments of a waveform."""
        import ctranslate2

        model, stretches = self._loaded(), _stretches(wave)
        if not stretches:
            return
        ctranslate2.set_random_seed(_SEED)
        segments, information = model.transcribe(
            wave,
            language=self.options.language,
            initial_prompt=self.options.prompt,
            beam_size=self.options.beam,
            word_timestamps=True,
            clip_timestamps=stretches,
            condition_on_previous_text=False,  # else it repeats itself over and over
            no_speech_threshold=_NO_SPEECH,
            log_prob_threshold=_IMPROBABLE,
        )
        length = len(wave) / TRANSCRIBER_RATE
        for segment in segments:
            words = [_word(word, length) for word in segment.words or ()]
            if words:
                yield SpokenSegment(
                    text="".join(word.text for word in words),
                    start=words[0].start,
                    end=words[-1].end,
                    words=tuple(words),
                    confidence=min(1.0, math.exp(segment.avg_logprob)),
                    language=information.language,
                )

    def _loaded(self) -> Any:
        if self._model is None:
            model = load_model(self._folder, device=self._device, compute_type=self.options.compute_type)
            language, known = self.options.language, model.supported_languages
            if language is not None and language not in known:
                readable = "English only" if known == ["en"] else ", ".join(known)
                problem = f"language: the model {self.options.model!r} does not read {language!r}; it reads {readable}"
                raise UsageProblem(problem, hint="leave the language out, or choose another model")
            self._model = model
        return self._model


def _stretches(wave: npt.NDArray[np.float32]) -> list[float]:
    """Return the seconds at which each stretch of speech begins and ends, in one list."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    found = get_speech_timestamps(wave, VadOptions(min_silence_duration_ms=_SILENCE, speech_pad_ms=_MARGIN))
    return [sample / TRANSCRIBER_RATE for stretch in found for sample in (stretch["start"], stretch["end"])]


def _word(word: Any, length: float) -> SpokenWord:
    start = min(max(float(word.start), 0.0), length)
    return SpokenWord(str(word.word), start, min(max(float(word.end), start), length))
