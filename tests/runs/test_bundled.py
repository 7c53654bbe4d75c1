"""The models that come with ecef: one copy of the text layers, and the terms of each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from ecef_cli.api.errors import DataError
from ecef_cli.cli.main import run as run_cli
from ecef_cli.runs.run import BUNDLED, BUNDLED_SPEECH, bundled_run, open_run

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "moving-day.jsonl"
TEXT_TERMS = "the model bundled was trained on meld (GPL-3.0)\n"


def rows(*, recorded: range) -> str:
    """Return the rows of the example; those in a range keep their recording."""
    found = []
    for number, line in enumerate(EXAMPLE.read_text(encoding="utf-8").splitlines()[:6]):
        row = json.loads(line)
        audio = str(EXAMPLE.parent / row.pop("audio"))
        found.append(json.dumps({**row, "audio": audio} if number in recorded else row))
    return "\n".join(found) + "\n"


def answers(out: str) -> list[tuple[object, object]]:
    return [(row["prediction"], row["forecast"]) for row in map(json.loads, out.splitlines())]


def test_the_speech_model_stores_only_what_the_text_model_lacks() -> None:
    text, speech = bundled_run(), bundled_run(BUNDLED_SPEECH)
    own, shared = load_file(speech.weights), load_file(text.weights)
    assert not own.keys() & shared.keys()
    assert speech.stored().keys() == own.keys() | shared.keys()
    assert not any(key.startswith("text") for key in own)


def test_each_model_names_the_terms_of_its_data() -> None:
    text, speech = bundled_run(), bundled_run(BUNDLED_SPEECH)
    assert text.terms == "meld (GPL-3.0)"
    assert "RAVDESS: CC BY-NC-SA 4.0, no commercial use" in speech.terms
    for run in (text, speech):
        assert run.terms in (run.folder / "README.md").read_text(encoding="utf-8")


def test_weights_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    for name in (BUNDLED, BUNDLED_SPEECH):
        shutil.copytree(bundled_run(name).folder, tmp_path / name)
    shutil.copy(tmp_path / BUNDLED_SPEECH / "model.safetensors", tmp_path / BUNDLED / "model.safetensors")
    with pytest.raises(DataError, match="the weights that this run adds to have changed"):
        open_run(tmp_path / BUNDLED_SPEECH).stored()


def test_text_is_answered_by_the_text_model_and_recordings_by_the_speech_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "talk.jsonl"

    def predicted(recorded: range, *model: str) -> tuple[list[tuple[object, object]], str]:
        file.write_text(rows(recorded=recorded), encoding="utf-8")
        assert run_cli(["predict", str(file), "--format", "jsonl", *model]) == 0
        out, err = capsys.readouterr()
        return answers(out), err

    text, said = predicted(range(0))
    assert said == TEXT_TERMS
    mixed, said = predicted(range(3, 6))
    assert said == f"the model bundled-speech was trained on {bundled_run(BUNDLED_SPEECH).terms}\n"
    assert mixed[:3] == text[:3]
    assert mixed[3:] != text[3:]
    named, said = predicted(range(3, 6), "--model", BUNDLED_SPEECH)
    assert named == mixed
    assert said.count("was trained on") == 1
    silent, _ = predicted(range(3, 6), "--model", BUNDLED)
    assert silent == text
