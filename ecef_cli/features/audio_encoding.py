"""What an audio encoder gives for batches of utterances, checked and as it is stored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecef_cli import console
from ecef_cli.api.errors import DataError, PluginError
from ecef_cli.audio import reading
from ecef_cli.features.blocks import make_block
from ecef_cli.features.encoding import SAVED, as_stored, encoded
from ecef_cli.features.store import AUDIO
from ecef_cli.features.waves import reading_ahead
from ecef_cli.plugin.boundary import identity, origin
from ecef_cli.workspace import content_key

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    import numpy.typing as npt

    from ecef_cli.api.components import AudioEncoder, AudioFeatures
    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.corpus.manifest import Prepared
    from ecef_cli.features.blocks import Block
    from ecef_cli.features.places import Place, Utterances
    from ecef_cli.features.shards import Batch
    from ecef_cli.features.waves import Wave

_SAME = 1e-6  # relative difference of two frame rates that are one


@dataclass(frozen=True, slots=True)
class AudioExtraction:
    """What is to be extracted.

    Attributes:
        encoder: the frozen encoder.
        name: the encoder's name in the recipe.
        options: the encoder's options, all of them.
        dtype: type on disk, `float16` or `float32`.
        longest: seconds that are read of an utterance at most, its last ones; None for all.
        speed: how many times as fast utterances are heard, and as many times as high.
    """

    encoder: AudioEncoder
    name: str
    options: Mapping[str, Any]
    dtype: str
    longest: float | None
    speed: float = 1.0

    @property
    def rate(self) -> int:
        """Samples that are read of a second (Hz): played at the encoder's own rate, they are heard at the speed."""
        return round(self.encoder.sample_rate / self.speed)

    def key(self, prepared: Prepared) -> str:
        """Return the hash of all that changes the stored bytes."""
        return content_key(
            {
                "component": self.name,
                "version": self.encoder.version,
                "options": self.options,
                "identity": identity(self.encoder),
                "dtype": self.dtype,
                "longest": self.longest,
                "speed": self.speed,
                "manifest": prepared.key,
                "recordings": prepared.recordings,
            }
        )


class Faults:
    """The utterances whose recordings turn out to be faulty, and what is wrong with each.

    Args:
        utterances: what the utterances are.
        tell: whether every one is warned of.
    """

    def __init__(self, utterances: Utterances, *, tell: bool) -> None:
        self._utterances, self._tell = utterances, tell
        self._problems: dict[Place, str] = {}

    def add(self, place: Place, error: DataError) -> None:
        """Note what is wrong with the recording of an utterance."""
        self._problems[place] = error.problem
        if self._tell:
            console.warn(f"{self._utterances.name(place)}: {self._utterances.at(place).audio}: {error.problem}")

    def __contains__(self, place: Place) -> bool:
        return place in self._problems

    def __getitem__(self, place: Place) -> str:
        return self._problems[place]


class Encoding:
    """Reads the recordings of utterances and has them encoded.

    Args:
        extraction: the encoder and what is stored of its frames.
        utterances: what the utterances are.
        faults: where recordings go that cannot be read.
    """

    def __init__(self, extraction: AudioExtraction, utterances: Utterances, faults: Faults) -> None:
        self._what = extraction
        self._utterances = utterances
        self._faults = faults
        self._rate: float | None = None

    def blocks(self, batches: Sequence[Batch]) -> Generator[Block, None, None]:
        """Yield the frames of each batch; a row whose recording cannot be read has none.

        Raises:
            PluginError: the encoder fails or breaks its contract.
        """
        wanted = [[] if batch.empty else [self._utterances.at(place) for place in batch.places] for batch in batches]
        with reading_ahead(self.read, wanted) as read:
            for batch, waves in zip(batches, read, strict=True):
                yield self._block(batch, waves)

    def read(self, utterance: Utterance) -> Wave:
        """Return the waveform of an utterance that has a recording, at the encoder's rate.

        Raises:
            DataError: the recording cannot be read.
        """
        assert utterance.audio is not None  # noqa: S101 - for the type checker
        return reading.read_wave(
            utterance.audio,
            rate=self._what.rate,
            start=utterance.start,
            end=utterance.end,
            longest=self._what.longest,
        )

    def _block(self, batch: Batch, waves: Sequence[Wave | DataError]) -> Block:
        sound: dict[Place, Wave] = {}
        for place, wave in zip(batch.places, waves, strict=not batch.empty):
            if isinstance(wave, DataError):
                self._faults.add(place, wave)
            else:
                sound[place] = wave
        frames = self._frames(sound) if sound else {}
        silence = np.zeros((0, self._what.encoder.width), dtype=self._what.dtype)
        arrays = {AUDIO.wide: [frames.get(place, silence) for place in batch.places]}
        return make_block(batch.rows, arrays, self._rate if frames else None)

    def _frames(self, sound: Mapping[Place, Wave]) -> dict[Place, npt.NDArray[Any]]:
        found = encoded(self._what.encoder, list(sound.values()), self._utterances.names(sound), hint=SAVED)
        return {place: self._checked(place, features) for place, features in zip(sound, found, strict=True)}

    def _checked(self, place: Place, features: AudioFeatures) -> npt.NDArray[Any]:
        name, asked, rate = origin(self._what.encoder), self._utterances.name(place), float(features.rate)
        if not (math.isfinite(rate) and rate > 0):
            raise PluginError(f"{name} gave {rate:g} frames a second, on {asked}")
        self._rate = self._rate or rate
        if not math.isclose(rate, self._rate, rel_tol=_SAME):
            problem = f"{name} gave {rate:g} frames a second after {self._rate:g}, on {asked}"
            raise PluginError(problem, hint="it must be the same for every recording")
        if not len(features.frames):
            # Stored so, it would look like a recording that cannot be read.
            raise PluginError(f"{name} gave no frame at all, on {asked}")
        return as_stored(name, asked, features.frames, self._what.encoder.width, self._what.dtype)
