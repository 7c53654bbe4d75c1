"""Predicting on rows with recordings: what is heard, what is read instead, what is remembered."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml
from conftest import FEELINGS, SAYINGS, save_voice
from narrow import instance, present
from safetensors.torch import load_file, save_file

from ecef_cli.api.components import AudioFeatures
from ecef_cli.api.dialogue import Utterance, read_utterances
from ecef_cli.api.errors import DataError
from ecef_cli.corpus.tolerance import RowCount, Tolerance
from ecef_cli.prediction import recordings
from ecef_cli.prediction.outcomes import Predicted
from ecef_cli.prediction.predictor import Predictor
from ecef_cli.prediction.stream import predictions
from ecef_cli.runs.run import Run, open_run


@pytest.fixture(scope="module")
def fused(fused_run: Run) -> Predictor:
    return Predictor(fused_run, device="cpu")


@pytest.fixture(scope="module")
def heard(heard_run: Run) -> Predictor:
    return Predictor(heard_run, device="cpu")


EMOTIONS = ("joy", "anger", "neutral", "joy", "anger")


@pytest.fixture
def talk(tmp_path: Path) -> list[dict[str, Any]]:
    """Rows whose voices tell what their texts do not."""
    return [
        {
            "speaker": "AB"[n % 2],
            "text": SAYINGS[0],
            "audio": save_voice(tmp_path / f"{n}.flac", emotion, seed=100 + n).name,
        }
        for n, emotion in enumerate(EMOTIONS)
    ]


def mute(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k != "audio"}


def told(rows: Iterable[dict[str, Any]], folder: Path) -> Iterator[Utterance | DataError]:
    lines = (json.dumps(row).encode() + b"\n" for row in rows)
    return read_utterances(lines, name="talk.jsonl", dialogue="talk", folder=folder)


def predicted(
    predictor: Predictor, rows: Iterable[dict[str, Any]], folder: Path, *, tolerate: str = "0"
) -> list[dict[str, Any]]:
    count = RowCount(Tolerance.parse(tolerate), "talk.jsonl")
    items = predictions(predictor, told(rows, folder), count)
    return [dict(item.row) for item in items if isinstance(item, Predicted)]


def emotions(rows: Iterable[dict[str, Any]]) -> list[str]:
    return [row["prediction"]["emotion"] for row in rows]


def right(rows: list[dict[str, Any]]) -> int:
    """Return how many rows are given the emotion of their voice; a small model may miss one of five."""
    return sum(found == voiced for found, voiced in zip(emotions(rows), EMOTIONS, strict=True))


def close(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(
        one[key]["probabilities"] == pytest.approx(other[key]["probabilities"], abs=1e-5)
        for key in ("prediction", "forecast")
    )


def test_a_voice_tells_what_its_text_does_not(
    fused: Predictor, heard: Predictor, talk: list[dict[str, Any]], tmp_path: Path
) -> None:
    for predictor in (fused, heard):
        found = predicted(predictor, talk, tmp_path)
        assert right(found) >= 4
        assert [{k: row[k] for k in talk[0]} for row in found] == talk


def test_a_model_whose_text_is_frozen_reads_as_before_and_hears_besides(
    frozen_run: Run, toy_run: Run, talk: list[dict[str, Any]], tmp_path: Path
) -> None:
    rows = [{"speaker": "AB"[n % 2], "text": FEELINGS[emotion][0]} for n, emotion in enumerate(EMOTIONS)]
    after, before = Predictor(frozen_run, device="cpu"), Predictor(toy_run, device="cpu")
    found = predicted(after, rows, tmp_path)
    assert right(found) >= 4
    assert json.dumps(found) == json.dumps(predicted(before, rows, tmp_path))
    assert right(predicted(after, talk, tmp_path)) >= 4
    assert right(predicted(before, talk, tmp_path)) < 4


@pytest.fixture
def text_alone(fused_run: Run, tmp_path: Path) -> Run:
    """The text part of a run of both modalities, as a run of its own."""
    folder = tmp_path / "text-alone"
    folder.mkdir()
    values = yaml.safe_load((fused_run.folder / "recipe.yaml").read_text())
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**values, "modalities": ["text"]}))
    for name in ("run.json", "metrics.json"):
        (folder / name).write_bytes((fused_run.folder / name).read_bytes())
    stored = load_file(fused_run.weights)
    save_file({k: v for k, v in stored.items() if k.startswith("text")}, folder / "model.safetensors")
    return open_run(folder)


def test_rows_without_a_recording_are_answered_as_by_the_text_alone(
    fused_run: Run, text_alone: Run, talk: list[dict[str, Any]], tmp_path: Path
) -> None:
    rows = [mute(row) for row in talk] + [{"speaker": "A", "text": t} for t in FEELINGS["anger"]]
    both, one = (predicted(Predictor(run, device="cpu"), rows, tmp_path) for run in (fused_run, text_alone))
    assert json.dumps(both) == json.dumps(one)
    spoken = predicted(Predictor(text_alone, device="cpu"), talk, tmp_path)
    assert [r["prediction"] for r in spoken] == [r["prediction"] for r in one[: len(talk)]]


def test_rows_with_and_without_a_recording_do_not_change_one_another(
    fused: Predictor, talk: list[dict[str, Any]], tmp_path: Path
) -> None:
    spoken = [{**row, "dialogue": "spoken"} for row in talk]
    written = [{**mute(row), "dialogue": "written"} for row in talk]
    apart = predicted(fused, spoken, tmp_path), predicted(fused, written, tmp_path)
    mixed = predicted(fused, [row for pair in zip(spoken, written, strict=True) for row in pair], tmp_path)
    for before, after in zip([row for pair in zip(*apart, strict=True) for row in pair], mixed, strict=True):
        assert close(before, after)
    assert not close(mixed[2], mixed[3])


def test_a_model_of_audio_alone_reads_no_text(heard: Predictor, talk: list[dict[str, Any]], tmp_path: Path) -> None:
    others = [{**row, "text": f"{FEELINGS['anger'][0]} " * n} for n, row in enumerate(talk)]
    for row, other in zip(predicted(heard, talk, tmp_path), predicted(heard, others, tmp_path), strict=True):
        assert close(row, other)


# ------------------------------------------------------------------------------------------- broken recordings


@pytest.fixture
def broken(talk: list[dict[str, Any]], tmp_path: Path) -> list[dict[str, Any]]:
    """Rows of which the third has a recording that is cut off."""
    path = tmp_path / talk[2]["audio"]
    path.write_bytes(path.read_bytes()[:300])
    return talk


def test_a_broken_recording_is_named_with_its_row_and_the_rows_before_it_come_out(
    fused: Predictor, broken: list[dict[str, Any]], tmp_path: Path
) -> None:
    rows = predictions(fused, told(broken, tmp_path), RowCount(Tolerance.parse("0"), "talk.jsonl"))
    assert [instance(Predicted, next(rows)).row["audio"] for _ in range(2)] == ["0.flac", "1.flac"]
    with pytest.raises(DataError) as caught:
        next(rows)
    assert str(caught.value).startswith(f"talk.jsonl:3: recording {tmp_path}/2.flac: ")
    assert "cut off or damaged" in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_a_recording_that_is_not_there_is_named_with_its_row(
    fused: Predictor, talk: list[dict[str, Any]], tmp_path: Path
) -> None:
    talk[1]["audio"] = "gone.flac"
    with pytest.raises(DataError, match=r"^talk\.jsonl:2: recording \S*/gone\.flac: there is no such file"):
        predicted(fused, talk, tmp_path)


def test_a_broken_recording_within_the_tolerance_is_as_none(
    fused: Predictor, broken: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = predicted(fused, broken, tmp_path, tolerate="1")
    assert "talk.jsonl:3: recording" in capsys.readouterr().err
    assert len(found) == len(broken)
    assert found[2]["audio"] == "2.flac"
    expected = predicted(fused, [mute(row) if n == 2 else row for n, row in enumerate(broken)], tmp_path)
    assert all(close(one, other) for one, other in zip(found, expected, strict=True))
    with pytest.raises(DataError, match="1 of 5 rows are invalid"):
        predicted(fused, broken, tmp_path, tolerate="10%")


def test_alone_it_is_answered_from_its_text(
    frozen_run: Run, toy_run: Run, broken: list[dict[str, Any]], tmp_path: Path
) -> None:
    row = {**broken[2], "text": FEELINGS["anger"][0]}
    (found,) = predicted(Predictor(frozen_run, device="cpu"), [row], tmp_path, tolerate="1")
    (expected,) = predicted(Predictor(toy_run, device="cpu"), [mute(row)], tmp_path)
    assert found["prediction"] == expected["prediction"]


def test_a_row_that_has_neither_text_nor_a_recording_that_can_be_read_is_left_out(
    fused: Predictor, broken: list[dict[str, Any]], tmp_path: Path
) -> None:
    broken[2]["text"] = ""
    found = predicted(fused, broken, tmp_path, tolerate="1")
    without = predicted(fused, [row for n, row in enumerate(broken) if n != 2], tmp_path)
    assert [row["audio"] for row in found] == ["0.flac", "1.flac", "3.flac", "4.flac"]
    assert all(close(one, other) for one, other in zip(found, without, strict=True))


def test_a_model_that_reads_no_audio_does_not_look_at_recordings(
    text_alone: Run, broken: list[dict[str, Any]], tmp_path: Path
) -> None:
    broken[0]["audio"] = "nowhere.flac"
    assert len(predicted(Predictor(text_alone, device="cpu"), broken, tmp_path)) == len(broken)


# ---------------------------------------------------------------------------------------- what is remembered


@pytest.fixture
def counted(fused_run: Run, monkeypatch: pytest.MonkeyPatch) -> tuple[Predictor, list[int]]:
    """A predictor, and the number of samples of every waveform that it encodes."""
    predictor = Predictor(fused_run, device="cpu")
    encoded: list[int] = []
    encoder = present(predictor._recordings)._encoder
    original = encoder.encode

    def counting(waves: Sequence[np.ndarray]) -> list[AudioFeatures]:
        encoded.extend(len(wave) for wave in waves)
        return original(waves)

    monkeypatch.setattr(encoder, "encode", counting)
    return predictor, encoded


def test_each_recording_is_encoded_once_whatever_windows_it_is_in(
    counted: tuple[Predictor, list[int]], talk: list[dict[str, Any]], tmp_path: Path
) -> None:
    predictor, encoded = counted
    whole = predicted(predictor, talk, tmp_path)
    assert len(encoded) == len(talk)
    encoded.clear()
    asked = [found for found in told(talk, tmp_path) if isinstance(found, Utterance)]
    one_by_one = [predictor.predict([asked[max(0, n - 2) : n + 1]])[0].as_dict() for n in range(len(asked))]
    assert len(encoded) == len(talk)
    assert all(close(one, other) for one, other in zip(whole, one_by_one, strict=True))


def test_a_file_that_is_written_anew_for_each_row_is_heard_as_it_was(
    fused: Predictor, talk: list[dict[str, Any]], tmp_path: Path
) -> None:
    path, answered = tmp_path / "now.flac", threading.Event()

    def speaking() -> Iterator[dict[str, Any]]:
        for row in talk:
            path.write_bytes((tmp_path / row["audio"]).read_bytes())
            yield {**row, "audio": path.name}
            assert answered.wait(30)
            answered.clear()

    found = []
    for item in predictions(fused, told(speaking(), tmp_path), RowCount(Tolerance.parse("0"), "stdin")):
        found.append(dict(instance(Predicted, item).row))
        answered.set()
    path.unlink()
    expected = predicted(fused, talk, tmp_path)
    assert all(close(one, other) for one, other in zip(found, expected, strict=True))


def test_a_file_is_heard_as_it_was_when_its_row_came(
    fused: Predictor, talk: list[dict[str, Any]], tmp_path: Path
) -> None:
    path, waiting = tmp_path / "now.flac", []
    for row in talk:
        path.write_bytes((tmp_path / row["audio"]).read_bytes())
        (read,) = told([{**row, "audio": path.name}], tmp_path)
        utterance = instance(Utterance, read)
        fused.listen(utterance)
        waiting.append(utterance)
    path.unlink()
    found = fused.predict([[utterance] for utterance in waiting])
    expected = predicted(fused, [{**row, "dialogue": str(n)} for n, row in enumerate(talk)], tmp_path)
    assert all(close(one.as_dict(), other) for one, other in zip(found, expected, strict=True))


def test_what_does_not_fit_into_memory_is_read_again(
    fused_run: Run,
    counted: tuple[Predictor, list[int]],
    talk: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = predicted(Predictor(fused_run, device="cpu"), talk, tmp_path)
    monkeypatch.setattr(recordings, "_REMEMBERED", 3_000)  # bytes: frames of one recording
    predictor, encoded = counted
    asked = [found for found in told(talk, tmp_path) if isinstance(found, Utterance)]
    found = [predictor.predict([asked[max(0, n - 2) : n + 1]])[0].as_dict() for n in range(len(asked))]
    assert len(encoded) > len(talk)
    assert present(predictor._recordings)._size <= 3_000
    assert all(close(one, other) for one, other in zip(found, expected, strict=True))


def test_segments_of_one_recording_are_told_apart(heard: Predictor, tmp_path: Path) -> None:
    waves = [soundfile.read(save_voice(tmp_path / f"{e}.flac", e, seed=7))[0][:6400] for e in FEELINGS]
    soundfile.write(tmp_path / "long.flac", np.concatenate(waves), 16_000)
    rows = [{"speaker": "A", "text": "", "dialogue": str(n)} for n in range(3)]
    parts = [{**row, "audio": "long.flac", "start": n * 0.4, "end": (n + 1) * 0.4} for n, row in enumerate(rows)]
    whole = [{**row, "audio": f"{e}.flac", "end": 0.4} for e, row in zip(FEELINGS, rows, strict=True)]
    found = predicted(heard, parts, tmp_path)
    assert all(close(one, other) for one, other in zip(found, predicted(heard, whole, tmp_path), strict=True))
    assert not any(close(found[n], found[n - 1]) for n in range(3))
