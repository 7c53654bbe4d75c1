"""Makes the audio store of a dataset: frames of every utterance whose recording can be read."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ecef_cli import console
from ecef_cli.api.errors import DataError
from ecef_cli.audio.spectrum import NAME
from ecef_cli.features.audio_encoding import AudioExtraction, Encoding, Faults
from ecef_cli.features.audio_plan import AudioPlan
from ecef_cli.features.places import Place, Utterances
from ecef_cli.features.shards import complete, fill, missing_batches, stored_rate
from ecef_cli.features.store import AUDIO, INDEX, AudioStore, Fault, audio_facts, write_index
from ecef_cli.features.waves import lengths, reading_ahead
from ecef_cli.plugin.boundary import identity
from ecef_cli.workspace import locked

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from ecef_cli.corpus.manifest import Prepared
    from ecef_cli.corpus.tolerance import Tolerance
    from ecef_cli.features.blocks import Block
    from ecef_cli.features.shards import Batch
    from ecef_cli.workspace import Workspace

__all__ = ["AudioExtraction", "ensure_audio_features"]


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
        extraction: what computes them.
        tolerance: how many of the utterances with a recording may be left without frames.
        force: compute all of them again.
        tell: whether to warn of each recording that cannot be read; not where another store has been told of them.

    Raises:
        DataError: no utterance has a recording, or too many recordings cannot be read; all others are kept.
        EcefError: another process is computing them.
        PluginError: the encoder fails or breaks its contract; what it gave before is kept.
    """
    folder = workspace.dataset(prepared.name) / "features" / extraction.key(prepared)
    work = _Work(folder, prepared, extraction, tell=tell)
    if not work.heard:
        hint = 'name them under "audio" and prepare it again'
        raise DataError(f"no utterance of the dataset {prepared.name!r} has a recording", hint=hint)
    # Nobody is kept out where nothing is to be written: several trainings may begin with the same features at once.
    if force or not work.is_done():
        with locked(folder, f"the folder {folder}"):
            if force:
                shutil.rmtree(folder, ignore_errors=True)
            work.do()
    else:
        console.note(f"{work.label}: nothing to do, features are in {folder}")
    store = AudioStore.open(folder)
    # Judged anew by every call, since the one that found the faults may have been more tolerant.
    faulty, heard = len(store.faults), len(work.heard)
    if not tolerance.allows(faulty, heard):
        problem = f"{faulty:,} of {heard:,} recordings of utterances cannot be read, more than is tolerated"
        raise DataError(problem, where=str(folder), hint="all others are saved; mend them, or raise --tolerate")
    return store


class _Work:
    """The work of one call on a store.

    Args:
        folder: where the store is or will be.
        prepared: the dataset.
        extraction: what computes the frames.
        tell: whether to warn of each recording that cannot be read.
    """

    def __init__(self, folder: Path, prepared: Prepared, extraction: AudioExtraction, *, tell: bool) -> None:
        self._folder = folder
        self._what = extraction
        self.label = f"extract {prepared.name}{_told_apart(extraction)}"
        self._utterances = Utterances(prepared)
        self._faults = Faults(self._utterances, tell=tell)
        self._encoding = Encoding(extraction, self._utterances, self._faults)
        self.heard = self._utterances.heard()
        self._repeats = self._utterances.repeats()

    def is_done(self) -> bool:
        """Return whether all is there that can be; recordings that could not be read are tried again."""
        plan = AudioPlan.read(self._folder)
        if plan is None or not (self._folder / INDEX).is_file() or not complete(self._folder, plan.shards):
            return False
        silent = self._silent()
        stated = {(fault.split, fault.dialogue, fault.utterance) for fault in AudioStore.open(self._folder).faults}
        return stated == {self._id(place) for place in silent} and not self._mended(silent)

    def do(self) -> None:
        """Encode what is not there; the caller keeps other processes out of the folder."""
        plan = AudioPlan.read(self._folder) or self._begin()
        self._fill(plan)
        mended = self._mended([place for place in self._silent() if place not in self._faults])
        if mended:
            console.note(f"{self.label}: recordings of {len(mended):,} utterances can be read by now")
            plan = plan.extended(_by_split(mended), self._what.longest)
            plan.write(self._folder)
            self._fill(plan)
        self._close(plan)

    def _begin(self) -> AudioPlan:
        """Return a plan for all utterances, and write it to a new folder."""
        shutil.rmtree(self._folder, ignore_errors=True)  # nobody can go on with what is there without a plan
        nothing = {Place(split, row): 0.0 for split, count in self._utterances.counts.items() for row in range(count)}
        originals = [place for place in self.heard if place not in self._repeats]
        plan = AudioPlan().extended(_by_split(nothing | self._lengths(originals)), self._what.longest)
        plan.write(self._folder)
        return plan

    def _lengths(self, places: Sequence[Place]) -> dict[Place, float]:
        """Return the seconds of the utterances whose recordings can be opened; the others are faults."""
        measured = lengths([self._utterances.at(place) for place in places], f"{self.label}: recordings")
        found = {}
        for place, length in zip(places, measured, strict=True):
            if isinstance(length, DataError):
                self._faults.add(place, length)
            else:
                found[place] = length
        return found

    def _mended(self, places: Sequence[Place]) -> dict[Place, float]:
        """Return the seconds of the utterances whose recordings can be read by now; the others are faults."""
        opened = self._lengths(places)
        with reading_ahead(self._encoding.read, [[self._utterances.at(place)] for place in opened]) as waves:
            for place, [wave] in zip(tuple(opened), waves, strict=True):
                if isinstance(wave, DataError):
                    self._faults.add(place, wave)
                    del opened[place]
        return opened

    def _fill(self, plan: AudioPlan) -> None:
        total = sum(len(batch.rows) for shard in plan.shards for batch in shard.batches if not batch.empty)
        todo = sum(len(batch.rows) for batch in missing_batches(self._folder, plan.shards) if not batch.empty)
        self._announce(plan, total, todo)
        watch = console.Stopwatch()
        with console.Progress(todo, self.label, "utterances") as progress:

            def encode(batches: Sequence[Batch]) -> Generator[Block, None, None]:
                for batch, block in zip(batches, self._encoding.blocks(batches), strict=True):
                    yield block
                    progress.advance(0 if batch.empty else len(batch.rows))

            fill(self._folder, AUDIO, plan.shards, encode)
        size = self._store().size() / 2**20
        console.note(f"{self.label}: {todo:,} utterances in {watch.seconds:.0f} s, {size:,.0f} MiB in {self._folder}")

    def _announce(self, plan: AudioPlan, total: int, todo: int) -> None:
        if todo < total:
            console.note(f"{self.label}: going on, {total - todo:,} of {total:,} utterances are there")
        else:
            console.note(f"{self.label}: {total:,} utterances, {plan.seconds / 3600:,.2f} h; it may take minutes")
        if todo and plan.cut:
            longest = f"{self._what.longest:g} s"
            which = "1 utterance is" if plan.cut == 1 else f"{plan.cut:,} utterances are"
            console.note(f"{which} longer than {longest}: only the last {longest} are read")

    def _close(self, plan: AudioPlan) -> None:
        faults = [
            Fault(*self._id(place), str(self._utterances.at(place).audio), self._faults[place])
            for place in self._silent()
        ]
        facts = {
            "encoder": self._what.name,
            "options": self._what.options,
            "identity": identity(self._what.encoder),
            **audio_facts(stored_rate(self._folder, AUDIO, plan.shards), faults, self._repeats),
        }
        write_index(self._folder, AUDIO, self._utterances.counts, facts)

    def _silent(self) -> tuple[Place, ...]:
        """Return the places of the utterances that have a recording and no frames."""
        store = self._store()
        return tuple(place for place in self.heard if not store.length(*place))

    def _store(self) -> AudioStore:
        """Return the store as it is by now."""
        return AudioStore(self._folder, self._utterances.counts, repeats=self._repeats)

    def _id(self, place: Place) -> tuple[str, str, str | int]:
        utterance = self._utterances.at(place)
        return place.split, utterance.dialogue, utterance.utterance


def _told_apart(extraction: AudioExtraction) -> str:
    """Return what tells a store from that of the recipe's encoder at the recordings' own speed."""
    parts = [NAME] if extraction.name == NAME else []
    if extraction.speed != 1.0:
        parts.append(f"{extraction.speed:g} times as fast")
    return f" ({', '.join(parts)})" if parts else ""


def _by_split(lengths: Mapping[Place, float]) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for place, length in lengths.items():
        found.setdefault(place.split, {})[place.row] = length
    return found
