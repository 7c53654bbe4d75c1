"""Read and encode each recording once during prediction."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from ecef_cli.api.errors import DataError
from ecef_cli.audio.level import levelled
from ecef_cli.audio.reading import read_wave
from ecef_cli.features.batches import BATCH_SECONDS, batches
from ecef_cli.features.encoding import encoded

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import numpy.typing as npt

    from ecef_cli.api.components import AudioEncoder
    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.recipe.sections import Audio

    Array = npt.NDArray[np.float32]

_REMEMBERED = 2**28  # bytes of frames to cache for later windows


class Recordings:
    """Read and encode recordings, and cache the latest.

    The cache key is the utterance object, not the file: a recorder may overwrite the file for the next utterance.

    Args:
        encoder: the audio encoder.
        settings: how recordings are read.
    """

    def __init__(self, encoder: AudioEncoder, settings: Audio) -> None:
        self._encoder, self._settings = encoder, settings
        self._waves: dict[int, tuple[Utterance, Array]] = {}
        self._frames: OrderedDict[int, tuple[Utterance, Array]] = OrderedDict()
        self._size = 0

    def listen(self, utterance: Utterance) -> None:
        """Read the recording of an utterance, if it has one that is not read yet.

        Raises:
            DataError: the recording cannot be read; the error names the row.
        """
        if utterance.audio is None or id(utterance) in self._frames or id(utterance) in self._waves:
            return
        try:
            wave = read_wave(
                utterance.audio,
                rate=self._encoder.sample_rate,
                start=utterance.start,
                end=utterance.end,
                longest=self._settings.longest,
                channel=utterance.channel,
            )
        except DataError as error:
            problem = f"recording {utterance.audio}: {error.problem}"
            raise DataError(problem, where=utterance.where, hint=error.hint) from None
        self._waves[id(utterance)] = (utterance, levelled(wave, self._encoder.sample_rate, self._settings.level))

    def frames(self, utterances: Iterable[Utterance]) -> list[Array | None]:
        """Return the frames (T, d) of each utterance; None if it has no recording.

        Raises:
            DataError: a recording cannot be read.
        """
        wanted = list(utterances)
        for utterance in wanted:
            self.listen(utterance)
        self._encode()
        found: list[Array | None] = []
        for utterance in wanted:
            if utterance.audio is None:
                found.append(None)
                continue
            self._frames.move_to_end(id(utterance))
            found.append(self._frames[id(utterance)][1])
        self._forget()
        return found

    def _encode(self) -> None:
        """Encode the recordings read so far, in batches of similar length."""
        waiting, self._waves = self._waves, {}
        lengths = {key: len(wave) for key, (_, wave) in waiting.items()}
        for batch in batches(lengths, BATCH_SECONDS * self._encoder.sample_rate):
            members = [waiting[key] for key in batch]
            asked = f"the recording {members[0][0].audio}" if len(members) == 1 else f"{len(members)} recordings"
            found = encoded(self._encoder, [wave for _, wave in members], asked)
            for key, features in zip(batch, found, strict=True):
                self._frames[key] = (waiting[key][0], features.frames)
                self._size += features.frames.nbytes

    def _forget(self) -> None:
        while self._size > _REMEMBERED and self._frames:
            _, (_, frames) = self._frames.popitem(last=False)
            self._size -= frames.nbytes
