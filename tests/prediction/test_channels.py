"""Recordings of calls: each row is read from its own channel, in prediction and in prepared datasets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import save_voice
from prepared import Prepare

from ecef_cli.api.dialogue import read_utterances
from ecef_cli.audio.reading import read_wave
from ecef_cli.corpus.manifest import load_prepared
from ecef_cli.corpus.tolerance import RowCount, Tolerance
from ecef_cli.features.places import Utterances
from ecef_cli.prediction.outcomes import Predicted, Rejected
from ecef_cli.prediction.predictor import Predictor
from ecef_cli.prediction.stream import predictions
from ecef_cli.runs.run import Run
from ecef_cli.workspace import Workspace

RATE = 16_000


@pytest.fixture
def call(tmp_path: Path) -> Path:
    """A call whose caller is angry on the left, and whose agent is joyful on the right."""
    voices = [soundfile.read(save_voice(tmp_path / f"{name}.flac", name, seed=7))[0] for name in ("anger", "joy")]
    length = min(map(len, voices))
    soundfile.write(tmp_path / "call.wav", np.stack([voice[:length] for voice in voices], axis=1), RATE)
    return tmp_path / "call.wav"


def predicted(run: Run, folder: Path, *rows: dict[str, Any]) -> list[Predicted | Rejected]:
    lines = [json.dumps(row).encode() for row in rows]
    utterances = read_utterances(lines, name="call.jsonl", dialogue="call", folder=folder)
    count = RowCount(Tolerance.parse("100%"), "call.jsonl")
    return list(predictions(Predictor(run, device="cpu"), utterances, count))


def test_each_speaker_is_read_from_their_own_channel(heard_run: Run, call: Path) -> None:
    rows = [{"speaker": name, "audio": "call.wav", "channel": name, "dialogue": name} for name in ("left", "right")]
    alone = [{**row, "audio": f"{name}.flac"} for row, name in zip(rows, ("anger", "joy"), strict=True)]
    alone = [{key: value for key, value in row.items() if key != "channel"} for row in alone]
    found = [item.row for item in predicted(heard_run, call.parent, *rows) if isinstance(item, Predicted)]
    expected = [item.row for item in predicted(heard_run, call.parent, *alone) if isinstance(item, Predicted)]
    assert [row["prediction"]["emotion"] for row in found] == [row["prediction"]["emotion"] for row in expected]
    assert found[0]["prediction"] != found[1]["prediction"]
    assert [row["channel"] for row in found] == ["left", "right"]


def test_a_channel_that_the_recording_lacks_is_an_error_of_the_row(heard_run: Run, call: Path) -> None:
    rows = [{"speaker": "A", "audio": "call.wav", "channel": channel} for channel in (1, 3)]
    fine, broken = predicted(heard_run, call.parent, *rows)
    assert isinstance(fine, Predicted)
    assert isinstance(broken, Rejected)
    assert broken.problem.where == "call.jsonl:2"
    assert broken.problem.problem.endswith("call.wav: there is no channel 3: the recording has 2 channels")


@pytest.mark.parametrize(("channel", "code"), [(2, 0), (3, 3)])
def test_prepare_checks_channels_and_keeps_them(
    prepare: Prepare, work: Path, tmp_path: Path, call: Path, channel: int, code: int
) -> None:
    rows = [{"speaker": "A", "audio": "call.wav", "emotion": "joy", "channel": number} for number in (1, channel, 1)]
    rows += [{"speaker": "A", "audio": "call.wav", "emotion": "joy"}]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = prepare("jsonl", "--source", tmp_path / "train.jsonl")
    assert done.code == code
    if code:
        assert "train.jsonl:2: " in done.err
        assert "there is no channel 3: the recording has 2 channels" in done.err
        return
    utterances = Utterances(load_prepared(Workspace(work), "jsonl"))
    assert [utterances.at(place).channel for place in utterances.places] == [1, 2, 1, None]
    places = utterances.places
    assert utterances.repeats() == {places[2]: places[0]}


def test_the_decoder_is_part_of_the_key_of_recordings(prepare: Prepare, work: Path, tmp_path: Path, call: Path) -> None:
    soundfile.write(tmp_path / "call.mp3", read_wave(call, rate=RATE), RATE, format="MP3")
    for name in ("call.wav", "call.mp3"):
        row = {"speaker": "A", "audio": name, "emotion": "joy"}
        (tmp_path / "train.jsonl").write_text(json.dumps(row) + "\n")
        assert prepare("jsonl", "--source", tmp_path / "train.jsonl", "--force").code == 0
        stated = json.loads((work / "jsonl" / "dataset.json").read_text())["recordings"]
        assert stated.get("decoders", []) == ([] if name == "call.wav" else ["ffmpeg-1"])
        key = " ".join([stated["digest"], *stated.get("decoders", [])])
        assert load_prepared(Workspace(work), "jsonl").recordings == key


def test_a_length_from_an_earlier_version_is_corrected_without_force(
    prepare: Prepare, work: Path, tmp_path: Path, call: Path
) -> None:
    row = {"speaker": "A", "audio": "call.wav", "emotion": "joy"}
    (tmp_path / "train.jsonl").write_text(json.dumps(row) + "\n")
    assert prepare("jsonl", "--source", tmp_path / "train.jsonl").code == 0
    path = work / "jsonl" / "dataset.json"
    stated = json.loads(path.read_text())
    path.write_text(json.dumps({**stated, "recordings": {**stated["recordings"], "seconds": 0.1}}))
    assert prepare("jsonl", "--source", tmp_path / "train.jsonl").code == 0
    assert json.loads(path.read_text())["recordings"] == stated["recordings"]
