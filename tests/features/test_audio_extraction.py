"""The frames of recordings: each utterance gets its own, and they are computed once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from narrow import present
from recorded import (
    RATE,
    Broken,
    Energies,
    Waves,
    contents,
    ensure,
    extraction,
    folder_of,
    record,
    recorded,
    spoken,
)

from ecef_cli.api.components import AudioFeatures
from ecef_cli.api.errors import DataError, EcefError, PluginError
from ecef_cli.audio.distortion import distorted
from ecef_cli.audio.level import levelled
from ecef_cli.audio.reading import read_wave
from ecef_cli.corpus.manifest import Prepared
from ecef_cli.workspace import locked

pytestmark = pytest.mark.usefixtures("small_audio_batches")


def test_each_utterance_is_read_as_its_recording_was_encoded(tmp_path: Path, recorded_talk: Prepared) -> None:
    store = ensure(tmp_path, recorded_talk)
    for number, utterance in enumerate(recorded_talk.splits["train"][0].utterances):
        found = store.read("train", number)
        if utterance.audio is None:
            assert found is None
            continue
        alone = Energies(Energies.Options()).frames(read_wave(utterance.audio, rate=RATE), 0)
        np.testing.assert_array_equal(present(found).frames[:, :2], alone[:, :2])
        assert present(found).frames.dtype == np.float32
        assert present(found).rate == store.rate == 10.0
        assert store.length("train", number) == len(present(found).frames)
    assert (store.counts, store.faults) == ({"train": 60}, ())


def test_frames_are_stored_as_the_recipe_says_and_read_as_float32(tmp_path: Path, recorded_talk: Prepared) -> None:
    whole = ensure(tmp_path, recorded_talk)
    halves = ensure(tmp_path, recorded_talk, extraction(dtype="float16"))
    assert halves.size() < whole.size()
    first, second = present(whole.read("train", 0)).frames, present(halves.read("train", 0)).frames
    assert second.dtype == np.float32
    np.testing.assert_allclose(first, second, rtol=1e-3)


def test_utterances_share_a_long_recording_by_start_and_end(tmp_path: Path) -> None:
    long = record(tmp_path / "long.flac", 6.0)
    talk = spoken("d", ("a", long, 0.0, 1.5), ("b", None, None, None), ("c", long, 1.5, 2.0), ("d", long, 5.0, None))
    prepared = Prepared("talk", ("calm",), {"dev": (talk,)}, "manifest", "recordings")
    store = ensure(tmp_path, prepared)
    encoder = Energies(Energies.Options())
    for number, (start, end) in {0: (0, 1.5), 2: (1.5, 2), 3: (5, 6)}.items():
        part = read_wave(long, rate=RATE)[round(start * RATE) : round(end * RATE)]
        np.testing.assert_array_equal(present(store.read("dev", number)).frames[:, 1], encoder.frames(part, 0)[:, 1])
    assert store.read("dev", 1) is None


def test_utterances_with_one_recording_are_encoded_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, gone = record(tmp_path / "one.wav", 1.0), tmp_path / "gone.wav"
    talk = spoken("d", *(("x", path, None, None) for path in (one, gone, one, gone)))
    prepared = Prepared("talk", ("calm",), {"train": (talk,)}, "manifest", "recordings")
    store = ensure(tmp_path, prepared, tolerate="2")
    assert len(Energies.asked) == 1
    assert (present(store.read("train", 0)).frames == present(store.read("train", 2)).frames).all()
    assert [fault.utterance for fault in store.faults] == [1, 3]
    assert capsys.readouterr().err.count("there is no such file") == 2
    record(gone, 0.5)
    assert [ensure(tmp_path, prepared).length("train", n) for n in range(4)] == [10, 5, 10, 5]
    assert len(Energies.asked) == 2


def test_of_a_very_long_utterance_the_end_is_read_and_that_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk = spoken("d", *(("x", record(tmp_path / f"{n}.wav", 1.0 + n, n), None, None) for n in range(4)))
    prepared = Prepared("talk", ("calm",), {"train": (talk,)}, "manifest", "recordings")
    store = ensure(tmp_path, prepared, extraction(longest=1.5))
    assert [store.length("train", n) for n in range(4)] == [10, 15, 15, 15]
    last = Energies(Energies.Options()).frames(read_wave(tmp_path / "3.wav", rate=RATE)[-round(1.5 * RATE) :], 0)
    np.testing.assert_array_equal(present(store.read("train", 3)).frames[:, 1], last[:, 1])
    assert "3 utterances are longer than 1.5 s: only the last 1.5 s are read\n" in capsys.readouterr().err
    ensure(tmp_path, prepared, extraction(longest=1.5))
    assert "longer" not in capsys.readouterr().err


def test_a_number_that_no_utterance_has_is_an_error(tmp_path: Path, recorded_talk: Prepared) -> None:
    with pytest.raises(DataError, match="no features of utterance 60 of train"):
        ensure(tmp_path, recorded_talk).read("train", 60)


def test_a_dataset_without_a_recording_is_an_error(tmp_path: Path) -> None:
    mute = Prepared("talk", ("calm",), {"train": (spoken("d", ("x", None, None, None)),)}, "manifest")
    with pytest.raises(DataError, match="no utterance of the dataset 'talk' has a recording"):
        ensure(tmp_path, mute)


@pytest.mark.parametrize(
    "changes", [{"options": {"a": 1}}, {"longest": 9.0}, {"dtype": "float16"}, {"name": "other"}], ids=str
)
def test_the_key_changes_with_all_that_changes_the_bytes(recorded_talk: Prepared, changes: dict[str, Any]) -> None:
    assert extraction().key(recorded_talk) == extraction().key(recorded_talk)
    assert extraction().key(recorded_talk) != extraction(**changes).key(recorded_talk)
    assert extraction().key(recorded_talk) != extraction().key(replace(recorded_talk, recordings="others"))
    assert extraction().key(recorded_talk) != extraction().key(replace(recorded_talk, key="others"))


# ---------------------------------------------------------------------------------------------------- doing it again


def test_a_second_run_encodes_nothing(
    tmp_path: Path, recorded_talk: Prepared, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ensure(tmp_path, recorded_talk).folder
    before = contents(folder)
    assert len(Energies.asked) == 48
    ensure(tmp_path, recorded_talk)
    assert len(Energies.asked) == 48
    assert contents(folder) == before
    assert capsys.readouterr().err.splitlines()[-1] == f"extract talk: nothing to do, features are in {folder}"


def test_force_encodes_all_again_to_the_same_bytes(tmp_path: Path, recorded_talk: Prepared) -> None:
    folder = ensure(tmp_path, recorded_talk).folder
    before = contents(folder)
    ensure(tmp_path, recorded_talk, force=True)
    assert len(Energies.asked) == 96
    assert contents(folder) == before


def test_a_finished_store_is_few_files(tmp_path: Path, recorded_talk: Prepared) -> None:
    names = sorted(contents(ensure(tmp_path, recorded_talk).folder))
    assert names == ["index.json", *(f"train-{n:05d}.safetensors" for n in range(len(names) - 1))]
    assert 4 <= len(names) - 1 <= 8


def test_a_broken_shard_is_made_again(tmp_path: Path, recorded_talk: Prepared) -> None:
    folder = ensure(tmp_path, recorded_talk).folder
    before = contents(folder)
    shard = folder / "train-00001.safetensors"
    shard.write_bytes(shard.read_bytes()[:100])
    ensure(tmp_path, recorded_talk)
    assert 48 < len(Energies.asked) <= 68
    assert contents(folder) == before


def test_a_lost_shard_is_made_again(tmp_path: Path, recorded_talk: Prepared) -> None:
    folder = ensure(tmp_path, recorded_talk).folder
    before = contents(folder)
    (folder / "train-00002.safetensors").unlink()
    ensure(tmp_path, recorded_talk)
    assert 48 < len(Energies.asked) <= 68
    assert contents(folder) == before


def test_without_its_index_a_store_is_completed_from_its_shards(tmp_path: Path, recorded_talk: Prepared) -> None:
    folder = ensure(tmp_path, recorded_talk).folder
    before = contents(folder)
    for broken in ("", '{"utterances": 3}'):
        (folder / "index.json").write_text(broken)
        ensure(tmp_path, recorded_talk)
        assert contents(folder) == before
    assert len(Energies.asked) == 48


def test_two_processes_do_not_write_one_store(tmp_path: Path, recorded_talk: Prepared) -> None:
    folder = folder_of(tmp_path, recorded_talk)
    with locked(folder, "it"), pytest.raises(EcefError, match="in use by another process"):
        ensure(tmp_path, recorded_talk)
    ensure(tmp_path, recorded_talk)
    with locked(folder, "it"):
        ensure(tmp_path, recorded_talk)  # a finished store can be read whoever has it


# ------------------------------------------------------------------------------------------------------- the encoder


Change = Callable[[list[AudioFeatures]], list[AudioFeatures]]


class Odd(Energies):
    """Changes its answers before it gives them."""

    def __init__(self, change: Change) -> None:
        super().__init__(self.Options())
        self._change = change

    def encode(self, waves: Waves) -> list[AudioFeatures]:
        return self._change(super().encode(waves))


def test_an_encoder_that_fails_is_named_with_the_utterances_and_loses_one_shard(tmp_path: Path) -> None:
    prepared = recorded(tmp_path / "sound", 250)  # 200 of them have a recording
    broken = Broken(at=150, error=ValueError("what is\nthis?"))
    with pytest.raises(
        PluginError, match=r"Broken failed in encode, on train d/\d+, .*: ValueError: what is this\?"
    ) as raised:
        ensure(tmp_path, prepared, extraction(broken))
    assert raised.value.exit_code == 4
    before = len(Energies.asked)
    assert 140 <= before <= 150
    store = ensure(tmp_path, prepared)
    assert 200 <= len(Energies.asked) < 200 + 20
    whole = ensure(tmp_path / "other", prepared)
    assert contents(store.folder) == contents(whole.folder)


def frames(found: list[AudioFeatures], value: object) -> list[AudioFeatures]:
    return [AudioFeatures(np.asarray(value, dtype=np.float32), f.rate) for f in found]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found[1:], r"gave \d+ results for \d+, on train d/"),
        (lambda found: frames(found, [[1, 2, np.nan]]), "gave values that are not finite, on train d/"),
        (lambda found: frames(found, [[1, 2, 1e5]]), "too large for float16, on train d/.*features.dtype to float32"),
        (lambda found: frames(found, [[1, 2]]), r"gave the shape \(1, 2\) and not \(N, 3\)"),
        (lambda found: frames(found, [1, 2, 3]), r"gave the shape \(3,\)"),
        (lambda found: frames(found, np.zeros((0, 3))), "gave no frame at all, on train d/"),
        (lambda found: [AudioFeatures(f.frames, 0.0) for f in found], "gave 0 frames a second"),
        (
            lambda found: [AudioFeatures(f.frames, 10.0 + len(f.frames)) for f in found],
            r"gave 14 frames a second after 12, on .*the same for every recording",
        ),
    ],
)
def test_an_answer_that_cannot_be_stored_is_refused(
    tmp_path: Path, recorded_talk: Prepared, change: Change, said: str
) -> None:
    with pytest.raises(PluginError, match=said):
        ensure(tmp_path, recorded_talk, extraction(Odd(change), dtype="float16"))


def test_errors_of_ecef_itself_pass_unchanged(tmp_path: Path, recorded_talk: Prepared) -> None:
    with pytest.raises(EcefError, match="no such model"):
        ensure(tmp_path, recorded_talk, extraction(Broken(0, EcefError("no such model"))))


def test_a_level_and_a_distortion_change_what_is_encoded_and_the_key(tmp_path: Path, recorded_talk: Prepared) -> None:
    plain, quiet = extraction(), extraction(level=-40.0)
    telephone = extraction(level=-40.0, distortion="telephone")
    assert len({what.key(recorded_talk) for what in (plain, quiet, telephone)}) == 3
    wave = read_wave(present(recorded_talk.splits["train"][0].utterances[0].audio), rate=RATE)
    for what in (plain, quiet, telephone):
        heard = levelled(distorted(wave, RATE, what.distortion, seed=0), RATE, what.level)
        expected = Energies(Energies.Options()).frames(heard, 0)
        found = present(ensure(tmp_path, recorded_talk, what).read("train", 0)).frames
        np.testing.assert_array_equal(found[:, :2], expected[:, :2])


def test_features_from_before_levels_existed_keep_their_key(recorded_talk: Prepared) -> None:
    what = extraction()
    assert what.key(recorded_talk) == what._key(
        recorded_talk, longest=None, speed=1.0, recordings=recorded_talk.recordings
    )
