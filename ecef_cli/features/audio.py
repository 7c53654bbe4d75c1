"""Audio features: frames of every utterance with a readable recording."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ecef_cli import console
from ecef_cli.api.errors import DataError, PluginError
from ecef_cli.audio import reading
from ecef_cli.audio.distortion import distorted
from ecef_cli.audio.level import levelled
from ecef_cli.audio.spectrum import NAME
from ecef_cli.corpus.scan import each_file, segment_seconds
from ecef_cli.features import batches
from ecef_cli.features.encoding import as_stored
from ecef_cli.features.extraction import Extraction, Units, ensure, reading_ahead
from ecef_cli.features.store import AudioStore, Fault
from ecef_cli.plugin.boundary import origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    import numpy.typing as npt

    from ecef_cli.api.components import AudioEncoder, AudioFeatures
    from ecef_cli.corpus.manifest import Prepared
    from ecef_cli.corpus.tolerance import Tolerance
    from ecef_cli.features.extraction import Arrays
    from ecef_cli.features.places import Place
    from ecef_cli.features.store import Store
    from ecef_cli.workspace import Workspace

_SAME = 1e-6  # relative difference up to which two frame rates count as equal


@dataclass(frozen=True, slots=True)
class AudioExtraction(Extraction):
    """An audio encoder, with the settings for reading recordings and storing frames.

    Attributes:
        longest: maximum seconds per utterance, keeping the last ones; None for all.
        level: level of each utterance's speech, dBFS; None to read recordings as they are.
        speed: playback speed of utterances; above 1, they are faster and higher.
        distortion: distortion of utterances, or None.
    """

    encoder: AudioEncoder
    longest: float | None
    level: float | None = None
    speed: float = 1.0
    distortion: str | None = None

    @property
    def rate(self) -> int:
        """Sampling rate for reading (Hz): played at the encoder's own rate, the samples have the playback speed."""
        return round(self.encoder.sample_rate / self.speed)

    def key(self, prepared: Prepared) -> str:
        """Return the hash of everything that changes the stored bytes."""
        # Settings that are not used are left out, so that features from before they existed keep their keys.
        optional = {"level": self.level, "distortion": self.distortion}
        used = {name: value for name, value in optional.items() if value is not None}
        return self._key(prepared, longest=self.longest, speed=self.speed, recordings=prepared.recordings, **used)


def ensure_audio_features(
    workspace: Workspace,
    prepared: Prepared,
    extraction: AudioExtraction,
    *,
    tolerance: Tolerance,
    force: bool = False,
    tell: bool = True,
) -> AudioStore:
    """Return the frames of all utterances of a dataset, computing the missing ones.

    A recording or segment shared by several utterances is encoded once. An utterance with an unreadable recording is
    stored without frames, and every later call retries it.

    Args:
        workspace: the workspace to store features in.
        prepared: the dataset.
        extraction: the encoder.
        tolerance: how many utterances with a recording may remain without frames.
        force: recompute all of them.
        tell: whether to warn of each unreadable recording; false if another store has warned already.

    Raises:
        DataError: no utterance has a recording, or too many recordings are unreadable; the frames of others are kept.
        EcefError: another process is computing them.
        PluginError: the encoder fails or breaks its contract; earlier shards are kept.
    """
    units = _Recordings(prepared, extraction, tell=tell)
    if not units.heard:
        hint = 'name them under "audio" and prepare it again'
        raise DataError(f"no utterance of the dataset {prepared.name!r} has a recording", hint=hint)
    folder = workspace.dataset(prepared.name) / "features" / extraction.key(prepared)
    ensure(folder, units, force=force)
    store = AudioStore.open(folder)
    # Every call applies its own tolerance: the call that found the faults may have had a higher one.
    faulty, heard = len(store.faults), len(units.heard)
    if not tolerance.allows(faulty, heard):
        problem = f"{faulty:,} of {heard:,} recordings of utterances cannot be read, more than is tolerated"
        raise DataError(problem, where=str(folder), hint="all others are saved; mend them, or raise --tolerate")
    return store


class _Recordings(Units):
    store = AudioStore
    extraction: AudioExtraction

    def __init__(self, prepared: Prepared, extraction: AudioExtraction, *, tell: bool) -> None:
        super().__init__(prepared, extraction)
        self.budget = batches.BATCH_SECONDS
        distinct = [NAME] if extraction.name == NAME else []
        if extraction.speed != 1.0:
            distinct.append(f"{extraction.speed:g} times as fast")
        if extraction.distortion is not None:
            distinct.append(f"with {extraction.distortion}")
        self.label += f" ({', '.join(distinct)})" if distinct else ""
        self.heard = self.utterances.heard()
        self._repeats = self.utterances.repeats()
        self._faults: dict[Place, str] = {}
        self._tell = tell
        self._longest = extraction.longest or math.inf

    def lengths(self, places: Sequence[Place]) -> dict[Place, float]:
        measured = self._seconds(places)
        if cut := sum(seconds > self._longest for seconds in measured.values()):
            which = "1 utterance is" if cut == 1 else f"{cut:,} utterances are"
            console.note(f"{which} longer than {self._longest:g} s: only the last {self._longest:g} s are read")
        return {place: min(measured.get(place, 0.0), self._longest) for place in places}

    def _seconds(self, places: Sequence[Place]) -> dict[Place, float]:
        """Return the seconds of the recordings that open, without repeats; note the others as faults."""
        own = [place for place in places if place not in self._repeats]
        wanted = {place: path for place in own if (path := self.utterances.at(place).audio) is not None}
        files = each_file(wanted.values(), reading.inspect, f"{self.label}: recordings")
        found = {}
        for place, path in wanted.items():
            recording = files[path]
            try:
                if isinstance(recording, DataError):
                    raise recording
                found[place] = segment_seconds(recording, self.utterances.at(place))
            except DataError as error:
                self.refuse(place, error)
        return found

    def read(self, place: Place) -> npt.NDArray[np.float32]:
        said, what = self.utterances.at(place), self.extraction
        assert said.audio is not None  # noqa: S101 - for the type checker
        wave = reading.read_wave(
            said.audio, rate=what.rate, start=said.start, end=said.end, longest=what.longest, channel=said.channel
        )
        rate = what.encoder.sample_rate
        return levelled(distorted(wave, rate, what.distortion, seed=place.row), rate, what.level)

    def arrays(self, features: AudioFeatures, asked: str) -> Arrays:
        name, rate = origin(self.extraction.encoder), float(features.rate)
        if not (math.isfinite(rate) and rate > 0):
            raise PluginError(f"{name} gave {rate:g} frames a second, on {asked}")
        self.rate = self.rate or rate
        if not math.isclose(rate, self.rate, rel_tol=_SAME):
            problem = f"{name} gave {rate:g} frames a second after {self.rate:g}, on {asked}"
            raise PluginError(problem, hint="it must be the same for every recording")
        if not len(features.frames):
            # Stored without frames, it would look like an unreadable recording.
            raise PluginError(f"{name} gave no frame at all, on {asked}")
        width, dtype = self.extraction.encoder.width, self.extraction.dtype
        return {"frames": as_stored(name, asked, features.frames, width, dtype)}

    def extent(self, lengths: Iterable[float]) -> str:
        return f", {sum(lengths) / 3600:,.2f} h"

    def refuse(self, place: Place, error: DataError) -> None:
        # Utterances that share the recording share the fault.
        for same in (place, *(repeat for repeat, original in self._repeats.items() if original == place)):
            self._faults[same] = error.problem
            if self._tell:
                console.warn(f"{self.utterances.name(same)}: {self.utterances.at(same).audio}: {error.problem}")

    def mended(self, store: Store) -> dict[Place, float]:
        found = self._seconds([place for place in self._silent(store) if place not in self._faults])
        with closing(reading_ahead(self.read, [[place] for place in found])) as waves:
            for place, [wave] in zip(tuple(found), waves, strict=True):
                if isinstance(wave, DataError):
                    self.refuse(place, wave)
                    del found[place]
        return {place: min(seconds, self._longest) for place, seconds in found.items()}

    def facts(self, store: Store) -> dict[str, Any]:
        faults = []
        for place in self._silent(store):
            said = self.utterances.at(place)
            fault = Fault(place.split, said.dialogue, said.utterance, str(said.audio), self._faults[place])
            faults.append(asdict(fault))
        return {"faults": faults, "repeats": [[*place, *original] for place, original in self._repeats.items()]}

    def _silent(self, store: Store) -> list[Place]:
        """Return the utterances that have a recording but no frames."""
        return [place for place in self.heard if not store.length(*self._repeats.get(place, place))]
