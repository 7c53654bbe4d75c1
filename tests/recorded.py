"""Small recordings, whole and faulty, and an audio encoder whose frames are easy to compute."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import soundfile

from ecef_cli.api.components import AudioEncoder, AudioFeatures
from ecef_cli.api.dialogue import Dialogue, Utterance
from ecef_cli.corpus.manifest import Prepared
from ecef_cli.corpus.tolerance import Tolerance
from ecef_cli.features import batches
from ecef_cli.features.audio import AudioExtraction, ensure_audio_features
from ecef_cli.features.store import AudioStore
from ecef_cli.workspace import Workspace

RATE = 8000  # Hz, of the recordings and of the encoder


Waves = Sequence[np.ndarray]


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)


def record(path: Path, seconds: float, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, noise(seconds, seed), RATE)
    return path


class Energies(AudioEncoder):
    """Ten frames a second: the energy, the peak, and how many samples the batch is padded to."""

    asked: ClassVar[list[int]] = []  # the samples of each waveform that was ever encoded

    @property
    def width(self) -> int:
        return 3

    @property
    def sample_rate(self) -> int:
        return RATE

    def encode(self, waves: Waves) -> list[AudioFeatures]:
        longest = max(len(wave) for wave in waves)
        Energies.asked += [len(wave) for wave in waves]
        return [AudioFeatures(self.frames(wave, longest), 10.0) for wave in waves]

    def frames(self, wave: np.ndarray, longest: int) -> np.ndarray:
        hops = [wave[start : start + RATE // 10] for start in range(0, len(wave), RATE // 10)]
        return np.asarray([[(hop**2).mean(), abs(hop).max(), longest] for hop in hops], dtype=np.float32)


class Broken(Energies):
    """Raises when it meets the waveform of a number, in the order of asking."""

    def __init__(self, at: int, error: BaseException) -> None:
        super().__init__(self.Options())
        self._left = at
        self._error = error

    def encode(self, waves: Waves) -> list[AudioFeatures]:
        self._left -= len(waves)
        if self._left < 0:
            raise self._error
        return super().encode(waves)


def spoken(name: str, *utterances: tuple[str, Path | None, float | None, float | None]) -> Dialogue:
    """Return a dialogue of utterances given as text, recording, start and end."""
    return Dialogue(
        name,
        tuple(
            Utterance(text, "AB"[n % 2], name, n, audio=path, start=start, end=end)
            for n, (text, path, start, end) in enumerate(utterances)
        ),
    )


def recorded(folder: Path, count: int, *, split: str = "train") -> Prepared:
    """Return a dataset with one recording an utterance, of 0.2 to 1.1 seconds; the 4th of every five has text alone."""
    utterances = [
        ("said", None if n % 5 == 3 else record(folder / f"{n}.flac", 0.2 + n * 7 % 10 / 10, n), None, None)
        for n in range(count)
    ]
    return Prepared("talk", ("calm",), {split: (spoken("d", *utterances),)}, "manifest", "recordings")


@pytest.fixture
def recorded_talk(tmp_path: Path) -> Prepared:
    """A dataset of sixty utterances; their recordings lie in the folder `sound`."""
    return recorded(tmp_path / "sound", 60)


def extraction(encoder: AudioEncoder | None = None, **changes: object) -> AudioExtraction:
    values: dict[str, Any] = {
        "encoder": encoder or Energies(Energies.Options()),
        "name": "energies",
        "options": {},
        "dtype": "float32",
        "longest": None,
    }
    return AudioExtraction(**{**values, **changes})


def ensure(
    folder: Path,
    prepared: Prepared,
    what: AudioExtraction | None = None,
    *,
    tolerate: str = "0",
    force: bool = False,
) -> AudioStore:
    tolerance = Tolerance.parse(tolerate)
    return ensure_audio_features(Workspace(folder), prepared, what or extraction(), tolerance=tolerance, force=force)


def folder_of(root: Path, prepared: Prepared) -> Path:
    return Workspace(root).dataset("talk") / "features" / extraction().key(prepared)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def one_of_each_fault(folder: Path) -> dict[str, tuple[Path, float | None, float | None]]:
    """Return recordings that cannot be read, with start and end, by what is said of them."""
    record(folder / "short.wav", 1.0)
    (folder / "text.wav").write_text("no sound at all")
    (folder / "empty.flac").touch()
    whole = record(folder / "whole.flac", 4.0).read_bytes()
    (folder / "cut.flac").write_bytes(whole[: len(whole) // 2])
    soundfile.write(folder / "silent.wav", np.zeros(RATE), RATE)
    return {
        "there is no such file": (folder / "gone.wav", None, None),
        "is not a readable audio file": (folder / "text.wav", None, None),
        "the file is empty": (folder / "empty.flac", None, None),
        "cut off or damaged": (folder / "cut.flac", None, None),
        "the segment starts at 3 s": (folder / "short.wav", 3.0, None),
        "the segment ends at 9 s": (folder / "short.wav", 0.5, 9.0),
        "is silent": (folder / "silent.wav", None, None),
    }


def with_faults(folder: Path) -> Prepared:
    """Return utterances whose recordings are faulty, each in its own way, in turn with as many that are whole."""
    bad = [("bad", *where) for where in one_of_each_fault(folder).values()]
    good = [("good", record(folder / f"good{n}.flac", 0.5 + n / 10, n), None, None) for n in range(7)]
    pairs = [utterance for pair in zip(bad, good, strict=True) for utterance in pair]
    return Prepared("talk", ("calm",), {"train": (spoken("d", *pairs),)}, "manifest", "recordings")


@pytest.fixture
def small_audio_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have several batches a shard, and several shards; nothing has been encoded yet."""
    monkeypatch.setattr(batches, "BATCH_SECONDS", 2.0)
    monkeypatch.setattr(batches, "SHARD_BATCHES", 3)
    Energies.asked.clear()
