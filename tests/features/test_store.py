"""The feature store: what goes in comes out, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ecef_cli.components import Options, TextEncoder, TextFeatures, TextWindow
from ecef_cli.dialogue import Dialogue, Utterance
from ecef_cli.errors import DataError
from ecef_cli.features import extraction, store
from ecef_cli.features.extraction import (
    BATCH_POSITIONS,
    Extraction,
    batches_of_similar_length,
    ensure_features,
)
from ecef_cli.features.store import FeatureStore
from ecef_cli.manifest import Prepared
from ecef_cli.samples.windows import text_window, windows
from ecef_cli.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path


class Lengths(TextEncoder):
    """A state for each position: the window's length and the position."""

    calls = 0

    @property
    def width(self) -> int:
        return 2

    def encode(self, batch):
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
def ends(prepared: Prepared) -> dict[str, list[TextWindow]]:
    return {split: list(windows(dialogues, 3)) for split, dialogues in prepared.splits.items()}


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "SHARD", 8)
    Lengths.calls = 0


def what(**changes: object) -> Extraction:
    values = {
        "encoder": Lengths(Options()),
        "name": "lengths",
        "options": {},
        "history": 3,
        "dtype": "float16",
    }
    return Extraction(**{**values, **changes})


def test_each_window_is_read_as_it_was_encoded(tmp_path: Path, prepared: Prepared, ends) -> None:
    found = ensure_features(Workspace(tmp_path), prepared, ends, what())
    for split, members in ends.items():
        for number, window in enumerate(members):
            features = found.read(split, number)
            assert features.states.dtype == np.float32
            np.testing.assert_array_equal(features.states, Lengths(Options())._one(window).states)
            np.testing.assert_array_equal(features.first, features.last)


def test_a_second_run_encodes_nothing(tmp_path: Path, prepared: Prepared, ends, capsys) -> None:
    ensure_features(Workspace(tmp_path), prepared, ends, what())
    assert Lengths.calls == 34
    ensure_features(Workspace(tmp_path), prepared, ends, what())
    assert Lengths.calls == 34
    assert "nothing to do" in capsys.readouterr().err


def test_force_encodes_all_again(tmp_path: Path, prepared: Prepared, ends) -> None:
    ensure_features(Workspace(tmp_path), prepared, ends, what())
    ensure_features(Workspace(tmp_path), prepared, ends, what(), force=True)
    assert Lengths.calls == 68


def test_a_killed_extraction_goes_on_with_the_shard_it_was_in(
    tmp_path: Path, prepared: Prepared, ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(Exception):
        pass

    def fail_at_third(path, rows, features, dtype, written=[]) -> None:  # noqa: B006
        if len(written) == 2:
            raise KilledError
        written.append(path)
        store.write_shard(path, rows, features, dtype)

    with monkeypatch.context() as patch:
        patch.setattr(extraction, "write_shard", fail_at_third)
        with pytest.raises(KilledError):
            ensure_features(Workspace(tmp_path), prepared, ends, what())
    before = Lengths.calls
    found = ensure_features(Workspace(tmp_path), prepared, ends, what())
    assert Lengths.calls - before == 34 - 16
    assert len({found.read("train", n).states.tobytes() for n in range(30)}) > 1


def test_a_broken_shard_is_made_again(tmp_path: Path, prepared: Prepared, ends) -> None:
    found = ensure_features(Workspace(tmp_path), prepared, ends, what())
    shard = sorted(found.folder.glob("train-*.safetensors"))[1]
    shard.write_bytes(shard.read_bytes()[:40])
    again = ensure_features(Workspace(tmp_path), prepared, ends, what())
    assert Lengths.calls == 34 + 8
    assert again.read("train", 29).states.shape == (ends["train"][29].positions, 2)


@pytest.mark.parametrize(
    "changes", [{"options": {"a": 1}}, {"history": 2}, {"dtype": "float32"}, {"name": "other"}], ids=str
)
def test_the_key_changes_with_all_that_changes_the_bytes(prepared: Prepared, changes) -> None:
    assert what().key(prepared) != what(**changes).key(prepared)
    assert what().key(prepared) == what().key(prepared)


def test_a_window_that_is_not_there_is_an_error(tmp_path: Path, prepared: Prepared, ends) -> None:
    found = ensure_features(Workspace(tmp_path), prepared, ends, what())
    with pytest.raises(DataError, match="no features of window 99 of train"):
        FeatureStore.open(found.folder).read("train", 99)


def test_batches_keep_within_their_positions_and_lose_no_window() -> None:
    several = [text_window([Utterance("word " * n, "s", "d", 0)]) for n in (1, 5, 800, 900, 4000, 9000)]
    batches = list(batches_of_similar_length(several))
    assert [w for b in batches for w in b] == several
    assert all(len(b) == 1 or max(w.positions for w in b) * len(b) <= BATCH_POSITIONS for b in batches)
    assert len(batches) < len(several)
