"""Features of audio: the frames of every utterance whose recording can be read."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ecef_cli import console
from ecef_cli.api.errors import DataError, PluginError
from ecef_cli.audio import reading
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

_SAME = 1e-6  # relative difference of two frame rates that count as one


@dataclass(frozen=True, slots=True)
class AudioExtraction(Extraction):
    """An audio encoder, how recordings are read for it, and the form in which its frames are stored.

    Attributes:
        longest: seconds that are read of an utterance at most, its last ones; None for all.
        speed: the factor by which utterances are heard faster and higher.
    """

    encoder: AudioEncoder
    longest: float | None
    speed: float = 1.0

    @property
    def rate(self) -> int:
        """Samples that are read per second (Hz): played at the encoder's own rate, they are heard at the speed."""
        return round(self.encoder.sample_rate / self.speed)

    def key(self, prepared: Prepared) -> str:
        """Return the hash of everything that changes the stored bytes."""
        return self._key(prepared, longest=self.longest, speed=self.speed, recordings=prepared.recordings)


def ensure_audio_features(
    workspace: Workspace,
    prepared: Prepared,
    extraction: AudioExtraction,
    *,
    tolerance: Tolerance,
    force: bool = False,
    tell: bool = True,
) -> AudioStore:
    """Return the frames of all utterances of a dataset, computing those that are not there.

    A recording, or a segment of one, that several utterances name is encoded once. An utterance whose recording
    cannot be read is stored without frames, and tried again by every later call.

    Args:
        workspace: where features are stored.
        prepared: the dataset.
        extraction: the encoder.
        tolerance: how many of the utterances with a recording may be left without frames.
        force: compute all of them again.
        tell: whether to warn of each recording that cannot be read; false if another store has warned of them.

    Raises:
        DataError: no utterance has a recording, or too many recordings cannot be read; all others are kept.
        EcefError: another process is computing them.
        PluginError: the encoder fails or breaks its contract; the shards before are saved.
    """
    units = _Recordings(prepared, extraction, tell=tell)
    if not units.heard:
        hint = 'name them under "audio" and prepare it again'
        raise DataError(f"no utterance of the dataset {prepared.name!r} has a recording", hint=hint)
    folder = workspace.dataset(prepared.name) / "features" / extraction.key(prepared)
    ensure(folder, units, force=force)
    store = AudioStore.open(folder)
    # Every call judges by its own tolerance: the one that found the faults may have had a higher one.
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
        """Return the seconds of the recordings that can be opened; the others are faults. Leave out repeats."""
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
        return reading.read_wave(said.audio, rate=what.rate, start=said.start, end=said.end, longest=what.longest)

    def arrays(self, features: AudioFeatures, asked: str) -> Arrays:
        name, rate = origin(self.extraction.encoder), float(features.rate)
        if not (math.isfinite(rate) and rate > 0):
            raise PluginError(f"{name} gave {rate:g} frames a second, on {asked}")
        self.rate = self.rate or rate
        if not math.isclose(rate, self.rate, rel_tol=_SAME):
            problem = f"{name} gave {rate:g} frames a second after {self.rate:g}, on {asked}"
            raise PluginError(problem, hint="it must be the same for every recording")
        if not len(features.frames):
            # Stored so, it would look like a recording that cannot be read.
            raise PluginError(f"{name} gave no frame at all, on {asked}")
        width, dtype = self.extraction.encoder.width, self.extraction.dtype
        return {"frames": as_stored(name, asked, features.frames, width, dtype)}

    def extent(self, lengths: Iterable[float]) -> str:
        return f", {sum(lengths) / 3600:,.2f} h"

    def refuse(self, place: Place, error: DataError) -> None:
        # Those that share the recording share the fault.
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
        """Return the utterances with a recording and without frames."""
        return [place for place in self.heard if not store.length(*self._repeats.get(place, place))]
