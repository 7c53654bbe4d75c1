"""Whisper, with the real model where it is installed, and without it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecef_cli.api.components import TRANSCRIBER_RATE, SpokenSegment
from ecef_cli.api.errors import EcefError, PluginError, RecipeError, UsageProblem
from ecef_cli.audio.reading import read_wave
from ecef_cli.recipe.model import build_component
from ecef_cli.testing import check_transcriber
from ecef_cli.transcription.utterances import split
from ecef_whisper import models

KIDS = "kids are talking by the door"
DOGS = "dogs are sitting by the door"


def whisper(**options: Any) -> Any:
    return build_component("transcriber", "whisper", options)


def clip(data: Path, statement: int, *, actor: int = 1) -> np.ndarray:
    """Return a calm RAVDESS clip of a statement: 1 is of the kids, 2 of the dogs."""
    folder = data / "ravdess" / f"Actor_{actor:02d}"
    paths = sorted(folder.glob(f"03-01-02-01-{statement:02d}-01-{actor:02d}.*"))
    if not paths:
        pytest.skip(f"no RAVDESS clip in {folder}")
    return read_wave(paths[0], rate=TRANSCRIBER_RATE)


def plain(text: str) -> str:
    return " ".join("".join(c if c.isalpha() else " " for c in text.lower()).split())


@pytest.fixture(scope="module")
def tiny(whisper_model: Path) -> Any:
    return whisper(model=str(whisper_model))


def test_the_contract_holds_for_real_speech(tiny: Any, shared_data: Path) -> None:
    check_transcriber(tiny, speech={"kids": clip(shared_data, 1), "dogs": clip(shared_data, 2, actor=2)})


def test_two_sentences_become_two_utterances_at_their_places(tiny: Any, shared_data: Path) -> None:
    kids, dogs = clip(shared_data, 1), clip(shared_data, 2)
    wave = np.concatenate([kids, np.zeros(5 * TRANSCRIBER_RATE, np.float32), dogs])
    first, second = split(tiny.transcribe(wave))
    assert (plain(first.text), plain(second.text)) == (KIDS, DOGS)
    border = (len(kids) / TRANSCRIBER_RATE, len(kids) / TRANSCRIBER_RATE + 5)
    assert first.start < first.end <= border[0]
    assert border[1] <= second.start < second.end <= len(wave) / TRANSCRIBER_RATE


def without_speech() -> Mapping[str, np.ndarray]:
    chance, seconds = np.random.default_rng(0), np.arange(20 * TRANSCRIBER_RATE) / TRANSCRIBER_RATE
    chords = sum(np.sin(2 * np.pi * pitch * seconds) for pitch in (220.0, 277.2, 329.6, 440.0))
    beat = np.exp(-6 * (seconds * 2 % 1))
    return {
        "silence": np.zeros(len(seconds)),
        "quiet noise": 1e-3 * chance.standard_normal(len(seconds)),
        "loud noise": 0.2 * chance.standard_normal(len(seconds)),
        "hum": 0.1 * np.sin(2 * np.pi * 50 * seconds),
        "music": 0.1 * chords * beat,
    }


@pytest.mark.parametrize("name", without_speech())
def test_nothing_is_invented_where_nobody_speaks(tiny: Any, name: str) -> None:
    found: list[SpokenSegment] = list(tiny.transcribe(without_speech()[name].astype(np.float32)))
    assert [segment.text for segment in found] == []


@pytest.mark.parametrize(
    ("options", "kind", "problem"),
    [
        ({"model": "smal"}, PluginError, "'smal' is neither a size of Whisper nor a folder (did you mean 'small'?"),
        ({"model": "./nowhere"}, PluginError, "no folder './nowhere'"),
        ({"model": "{empty}"}, PluginError, "has no model.bin"),
        ({"beam": 0}, RecipeError, "beam"),
    ],
)
def test_a_model_that_cannot_be_had_is_one_clear_line(
    whisper_model: Path, tmp_path: Path, options: dict[str, Any], kind: type[EcefError], problem: str
) -> None:
    given = {key: str(tmp_path) if value == "{empty}" else value for key, value in options.items()}
    with pytest.raises(kind) as raised:
        whisper(**given)
    assert problem in str(raised.value)


def test_corrupt_weights_are_one_clear_line(whisper_model: Path, tmp_path: Path) -> None:
    for file in whisper_model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[:1000])
    with pytest.raises(PluginError, match="cannot be loaded on cpu"):
        next(whisper(model=str(tmp_path)).transcribe(np.zeros(16_000, np.float32)))


def test_a_model_in_the_cache_needs_no_hub_and_one_that_is_not_says_how_to_get_it(
    whisper_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(PluginError, match=r"it is not on this machine, and ecef is offline \(run once with access"):
        models.find_model("tiny.en")
    repository = tmp_path / "models--Systran--faster-whisper-tiny.en"
    snapshot = repository / "snapshots" / "0"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0")
    for file in whisper_model.iterdir():
        (snapshot / file.name).symlink_to(file)
    assert models.find_model("tiny.en") == snapshot


def test_an_english_model_refuses_another_language(whisper_model: Path) -> None:
    german = whisper(model=str(whisper_model), language="de")
    with pytest.raises(UsageProblem, match=r"does not read 'de'; it reads English only"):
        next(german.transcribe(np.zeros(16_000, np.float32)))


def test_without_faster_whisper_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "find_spec", lambda _: None)
    with pytest.raises(
        PluginError, match=r"faster-whisper is not installed .*pip install -c constraints.txt -e .*\[transcribe\]"
    ):
        whisper()
    assert util.find_spec("ecef_whisper") is not None
