"""The feature store: what goes in comes out, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killed import kill_when

from ecef_cli.api.components import Options, TextEncoder, TextFeatures, TextWindow
from ecef_cli.api.dialogue import Dialogue, Utterance
from ecef_cli.api.errors import DataError, EcefError, PluginError
from ecef_cli.corpus.manifest import Prepared
from ecef_cli.features import batches
from ecef_cli.features.store import FeatureStore
from ecef_cli.features.text import TextExtraction, ensure_features
from ecef_cli.samples.windows import windows
from ecef_cli.workspace import Workspace, locked

Ends = dict[str, list[TextWindow]]


class Lengths(TextEncoder):
    """A state for each position: the window's length and the position."""

    calls = 0

    @property
    def width(self) -> int:
        return 2

    def encode(self, batch: Sequence[TextWindow]) -> list[TextFeatures]:
        Lengths.calls += len(batch)
        return [self._one(window) for window in batch]

    def _one(self, window: TextWindow) -> TextFeatures:
        places = np.arange(window.positions, dtype=np.int32)
        states = np.stack([np.full(len(places), window.positions), places], axis=1).astype(np.float32)
        return TextFeatures(states, places, places)


def dialogue(count: int) -> Dialogue:
    said = [Utterance("word " * (n % 5 + 1), f"s{n % 2}", "d", n) for n in range(count)]
    return Dialogue("d", tuple(said))


@pytest.fixture
def prepared() -> Prepared:
    return Prepared("talk", ("neutral",), {"train": (dialogue(30),), "dev": (dialogue(4),)}, "manifest-key")


@pytest.fixture
def ends(prepared: Prepared) -> Ends:
    return {split: list(windows(dialogues, 3)) for split, dialogues in prepared.splits.items()}


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SHARD_ROWS", 8)
    Lengths.calls = 0


def what(**changes: object) -> TextExtraction:
    values: dict[str, Any] = {
        "encoder": Lengths(Options()),
        "name": "lengths",
        "options": {},
        "history": 3,
        "dtype": "float16",
    }
    return TextExtraction(**{**values, **changes})


def test_each_window_is_read_as_it_was_encoded(tmp_path: Path, prepared: Prepared, ends: Ends) -> None:
    found = ensure_features(Workspace(tmp_path), prepared, ends, what())
    for split, members in ends.items():
        for number, window in enumerate(members):
            features = found.read(split, number)
            assert features.states.dtype == np.float32
            np.testing.assert_array_equal(features.states, Lengths(Options())._one(window).states)
            np.testing.assert_array_equal(features.first, features.last)


def test_a_second_run_encodes_nothing(
    tmp_path: Path, prepared: Prepared, ends: Ends, capsys: pytest.CaptureFixture[str]
) -> None:
    ensure_features(Workspace(tmp_path), prepared, ends, what())
    assert Lengths.calls == 34
    ensure_features(Workspace(tmp_path), prepared, ends, what())
    assert Lengths.calls == 34
    assert "nothing to do" in capsys.readouterr().err


def test_force_encodes_all_again(tmp_path: Path, prepared: Prepared, ends: Ends) -> None:
    ensure_features(Workspace(tmp_path), prepared, ends, what())
    ensure_features(Workspace(tmp_path), prepared, ends, what(), force=True)
    assert Lengths.calls == 68


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several batches a shard."""
    monkeypatch.setattr(batches, "BATCH_POSITIONS", 30)


class Stopped(Lengths):
    """Raises in place of the batch with a number."""

    def __init__(self, batch: int, error: BaseException) -> None:
        super().__init__(Options())
        self._left = batch
        self._error = error

    def encode(self, batch: Sequence[TextWindow]) -> list[TextFeatures]:
        self._left -= 1
        if self._left < 0:
            raise self._error
        return super().encode(batch)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("batch", [1, 5, 12])
@pytest.mark.usefixtures("small_batches")
def test_an_interrupted_extraction_loses_one_shard_and_goes_on_to_the_same_bytes(
    tmp_path: Path, prepared: Prepared, ends: Ends, batch: int, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = ensure_features(Workspace(tmp_path / "whole"), prepared, ends, what())
    Lengths.calls = 0
    stopped = what(encoder=Stopped(batch, KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        ensure_features(Workspace(tmp_path), prepared, ends, stopped)
    encoded = Lengths.calls
    assert 0 < encoded < 34
    saved = len(list((tmp_path / "talk").rglob("*.safetensors")))
    done = 8 * saved
    assert encoded - 8 < done <= encoded
    again = ensure_features(Workspace(tmp_path), prepared, ends, what())
    assert not done or f"resuming, {done} of 34 windows are done" in capsys.readouterr().err
    assert Lengths.calls == encoded + 34 - done
    assert contents(again.folder) == contents(whole.folder)


SLOW = """
import sys, time
sys.path[:0] = {here!r}
from collections.abc import Sequence
from pathlib import Path
from typing import Any
import test_store
from ecef_cli.features import batches

batches.BATCH_POSITIONS, batches.SHARD_ROWS = 30, 8

class Slow(test_store.Lengths):
    def encode(self, batch):
        time.sleep(0.05)
        return super().encode(batch)

test_store.extract_all(Path({root!r}), Slow(test_store.Options()))
"""
"""Encodes with a pause at each batch, so that the test can kill it between any two."""


def extract_all(root: Path, encoder: TextEncoder) -> FeatureStore:
    splits = {"train": (dialogue(30),), "dev": (dialogue(4),)}
    ends = {split: list(windows(dialogues, 3)) for split, dialogues in splits.items()}
    prepared = Prepared("talk", ("neutral",), splits, "manifest-key")
    return ensure_features(Workspace(root), prepared, ends, what(encoder=encoder))


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.usefixtures("small_batches")
def test_a_killed_extraction_goes_on_to_the_same_bytes(tmp_path: Path, prepared: Prepared, parts: int) -> None:
    whole = contents(extract_all(tmp_path / "whole", Lengths(Options())).folder)
    folder = Workspace(tmp_path).dataset("talk") / "features" / what().key(prepared)
    script = SLOW.format(here=[str(Path(__file__).parents[n]) for n in (0, 1)], root=str(tmp_path))
    kill_when(lambda: len(list(folder.glob("train-*"))) >= parts, script)
    assert not (folder / "index.json").exists()
    Lengths.calls = 0
    assert contents(extract_all(tmp_path, Lengths(Options())).folder) == whole
    assert 0 < Lengths.calls < 34


@pytest.mark.usefixtures("small_batches")
def test_an_encoder_that_fails_is_named_with_the_windows(tmp_path: Path, prepared: Prepared, ends: Ends) -> None:
    broken = what(encoder=Stopped(3, RuntimeError("out of\nmemory")))
    said = r"Stopped failed in encode, on the windows that end at train d/\d+.*: RuntimeError: out of memory \("
    with pytest.raises(PluginError, match=said):
        ensure_features(Workspace(tmp_path), prepared, ends, broken)


@pytest.mark.parametrize(
    ("value", "said"), [(np.nan, "not finite"), (np.inf, "not finite"), (1e6, "too large for float16")]
)
def test_states_that_cannot_be_stored_are_refused(
    tmp_path: Path, prepared: Prepared, ends: Ends, monkeypatch: pytest.MonkeyPatch, value: float, said: str
) -> None:
    places = np.zeros(1, dtype=np.int32)
    odd = TextFeatures(np.full((1, 2), value, dtype=np.float32), places, places)
    monkeypatch.setattr(Lengths, "_one", lambda *_: odd)
    with pytest.raises(PluginError, match=f"{said}.*, on the windows that end at train d/0"):
        ensure_features(Workspace(tmp_path), prepared, ends, what())


def test_two_processes_do_not_write_one_store(tmp_path: Path, prepared: Prepared, ends: Ends) -> None:
    folder = Workspace(tmp_path).dataset("talk") / "features" / what().key(prepared)
    with locked(folder, "it"), pytest.raises(EcefError, match="in use by another process"):
        ensure_features(Workspace(tmp_path), prepared, ends, what())
    ensure_features(Workspace(tmp_path), prepared, ends, what())
    with locked(folder, "it"):
        ensure_features(Workspace(tmp_path), prepared, ends, what())  # nothing is written


def test_an_index_that_says_nothing_is_an_error(tmp_path: Path, prepared: Prepared, ends: Ends) -> None:
    folder = ensure_features(Workspace(tmp_path), prepared, ends, what()).folder
    (folder / "index.json").write_text("[]")
    with pytest.raises(DataError, match=r"index\.json: is the index of no finished extraction"):
        FeatureStore.open(folder)


def test_a_broken_shard_is_made_again(tmp_path: Path, prepared: Prepared, ends: Ends) -> None:
    found = ensure_features(Workspace(tmp_path), prepared, ends, what())
    shard = sorted(found.folder.glob("train-*.safetensors"))[1]
    shard.write_bytes(shard.read_bytes()[:40])
    again = ensure_features(Workspace(tmp_path), prepared, ends, what())
    assert Lengths.calls == 34 + 8
    assert again.read("train", 29).states.shape == (ends["train"][29].positions, 2)


@pytest.mark.parametrize(
    "changes", [{"options": {"a": 1}}, {"history": 2}, {"dtype": "float32"}, {"name": "other"}], ids=str
)
def test_the_key_changes_with_all_that_changes_the_bytes(prepared: Prepared, changes: dict[str, Any]) -> None:
    assert what().key(prepared) != what(**changes).key(prepared)
    assert what().key(prepared) == what().key(prepared)


def test_a_window_that_is_not_there_is_an_error(tmp_path: Path, prepared: Prepared, ends: Ends) -> None:
    found = ensure_features(Workspace(tmp_path), prepared, ends, what())
    with pytest.raises(DataError, match="no features of window 99 of train"):
        FeatureStore.open(found.folder).read("train", 99)
