"""Check the contract of a transcriber."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ecef_cli.api.components import TRANSCRIBER_RATE, SpokenSegment, SpokenWord
from ecef_cli.testing.audio import odd_waves
from ecef_cli.testing.requirements import check_identity, require

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from ecef_cli.api.components import Transcriber

    Wave = npt.NDArray[np.float32]

_SLACK = 0.1  # seconds by which a segment may end after its wave


def check_transcriber(transcriber: Transcriber, *, speech: Mapping[str, Wave] | None = None) -> None:
    """Check a transcriber: times, words and their text, and that the result depends on the wave alone.

    Args:
        transcriber: the transcriber, on the CPU.
        speech: waveforms with speech, mono at `TRANSCRIBER_RATE`, by description; the transcriber must find words in
            each. Without them, only waves without speech are tried.

    Raises:
        AssertionError: the transcriber breaks its contract.
    """
    check_identity(transcriber)
    waves = {**_quiet(), **(speech or {})}
    found = {name: _transcribe(transcriber, wave, name) for name, wave in waves.items()}
    for name in speech or {}:
        require(found[name], f"{name}: no speech was found")
    require(not found["digital silence"], "digital silence: text was found where nobody speaks")
    for name, wave in reversed(waves.items()):
        again = _transcribe(transcriber, wave, name)
        require(again == found[name], f"{name}: the result differs when computed again, after other waves")


def _quiet() -> dict[str, Wave]:
    import numpy as np

    return {**odd_waves(TRANSCRIBER_RATE), "digital silence": np.zeros(3 * TRANSCRIBER_RATE, np.float32)}


def _transcribe(transcriber: Transcriber, wave: Wave, name: str) -> list[SpokenSegment]:
    import numpy as np

    given = wave.copy()
    try:
        found = list(transcriber.transcribe(given))
    except Exception as error:
        raise AssertionError(f"{name}: transcribe() raises {type(error).__name__}: {error}") from error
    require(np.array_equal(given, wave), f"{name}: transcribe() changes its input")
    length = len(wave) / TRANSCRIBER_RATE
    for segment in found:
        _check_segment(segment, length, name)
    for one, other in pairwise(found):
        require(one.start <= other.start, f"{name}: the segments are not in order of time")
    return found


def _check_segment(segment: SpokenSegment, length: float, name: str) -> None:
    require(isinstance(segment, SpokenSegment), f"{name}: transcribe() must yield SpokenSegment")
    require(segment.text.strip(), f"{name}: a segment has no text")
    within = 0 <= segment.start <= segment.end <= length + _SLACK  # false for numbers that are not finite
    require(within, f"{name}: a segment from {segment.start} s to {segment.end} s, in a wave of {length:.2f} s")
    confidence = segment.confidence
    require(confidence is None or 0 <= confidence <= 1, f"{name}: confidence must be 0 to 1, not {confidence}")
    if not segment.words:
        return
    require(all(isinstance(word, SpokenWord) for word in segment.words), f"{name}: words must be SpokenWord")
    joined = "".join(word.text for word in segment.words)
    require(joined.strip() == segment.text.strip(), f"{name}: the words joined are {joined!r}, not {segment.text!r}")
    for word in segment.words:
        inside = segment.start <= word.start <= word.end <= segment.end
        require(inside, f"{name}: the word {word.text!r} from {word.start} s to {word.end} s is not in its segment")
    for one, other in pairwise(segment.words):
        require(one.start <= other.start, f"{name}: the words are not in order of time")
