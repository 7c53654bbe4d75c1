"""Recordings that cannot be read cost themselves alone, and are tried again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from narrow import present
from recorded import (
    RATE,
    Broken,
    Energies,
    contents,
    ensure,
    extraction,
    folder_of,
    noise,
    one_of_each_fault,
    record,
    with_faults,
)

from ecef_cli.api.errors import DataError
from ecef_cli.corpus.manifest import Prepared
from ecef_cli.features.store import AudioStore

pytestmark = pytest.mark.usefixtures("small_audio_batches")


@pytest.fixture
def faulty(tmp_path: Path) -> Prepared:
    return with_faults(tmp_path)


def test_faulty_recordings_are_named_and_all_others_are_saved(
    tmp_path: Path, faulty: Prepared, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError, match=r"7 of 14 recordings of utterances cannot be read.*raise --tolerate") as raised:
        ensure(tmp_path, faulty)
    assert raised.value.exit_code == 3
    warned = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert len(warned) == 7
    for number, (problem, (path, *_)) in enumerate(one_of_each_fault(tmp_path).items()):
        [line] = [line for line in warned if f" d/{2 * number}: " in line]
        assert line.startswith(f"warning: train d/{2 * number}: {path}: ")
        assert problem in line
    store = AudioStore.open(folder_of(tmp_path, faulty))
    assert [store.read("train", n) is None for n in range(14)] == [True, False] * 7
    assert [(fault.dialogue, fault.utterance) for fault in store.faults] == [("d", n) for n in range(0, 14, 2)]
    stated = json.loads((store.folder / "index.json").read_text())["faults"][0]
    assert stated == {
        "split": "train",
        "dialogue": "d",
        "utterance": 0,
        "audio": str(tmp_path / "gone.wav"),
        "problem": "there is no such file",
    }


@pytest.mark.parametrize(
    ("tolerate", "enough"), [("0", False), ("6", False), ("49%", False), ("7", True), ("50%", True)]
)
def test_every_call_judges_the_faults_by_its_own_tolerance(
    tmp_path: Path, faulty: Prepared, tolerate: str, enough: bool
) -> None:
    ensure(tmp_path, faulty, tolerate="100%")
    assert len(Energies.asked) == 7
    if enough:
        assert len(ensure(tmp_path, faulty, tolerate=tolerate).faults) == 7
    else:
        with pytest.raises(DataError, match="more than is tolerated"):
            ensure(tmp_path, faulty, tolerate=tolerate)
    assert len(Energies.asked) == 7


def test_a_tolerated_fault_is_tried_again_and_changes_nothing(
    tmp_path: Path, faulty: Prepared, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ensure(tmp_path, faulty, tolerate="50%").folder
    before = contents(folder)
    capsys.readouterr()
    ensure(tmp_path, faulty, tolerate="50%")
    said = capsys.readouterr().err
    assert said.count("warning: ") == 7
    assert "nothing to do" in said
    assert contents(folder) == before


def test_a_mended_recording_is_encoded_alone(
    tmp_path: Path, faulty: Prepared, capsys: pytest.CaptureFixture[str]
) -> None:
    ensure(tmp_path, faulty, tolerate="50%")
    record(tmp_path / "gone.wav", 0.7, seed=5)
    record(tmp_path / "silent.wav", 0.9, seed=6)
    Energies.asked.clear()
    store = ensure(tmp_path, faulty, tolerate="5")
    assert sorted(Energies.asked) == [round(0.7 * RATE), round(0.9 * RATE)]
    assert "recordings of 2 utterances have become readable" in capsys.readouterr().err
    assert store.length("train", 0) == 7
    peaks = [abs(hop).max() for hop in np.split(noise(0.7, 5), 7)]
    np.testing.assert_allclose(present(store.read("train", 0)).frames[:, 1], peaks, atol=1e-4)
    assert len(store.faults) == 5
    ensure(tmp_path, faulty, tolerate="5")
    assert len(Energies.asked) == 2


def test_recordings_that_were_all_out_of_reach_are_encoded_once_they_are_back(
    tmp_path: Path, recorded_talk: Prepared
) -> None:
    (tmp_path / "sound").rename(tmp_path / "away")
    with pytest.raises(DataError, match="48 of 48 recordings"):
        ensure(tmp_path, recorded_talk)
    assert ensure(tmp_path, recorded_talk, tolerate="100%").rate is None
    (tmp_path / "away").rename(tmp_path / "sound")

    broken = Broken(at=20, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        ensure(tmp_path, recorded_talk, extraction(broken))
    ensure(tmp_path, recorded_talk)
    assert len(Energies.asked) < 48 + 20
    store = ensure(tmp_path, recorded_talk)
    assert (store.faults, store.rate) == ((), 10.0)
    assert all(store.read("train", n) is None for n in range(3, 60, 5))
