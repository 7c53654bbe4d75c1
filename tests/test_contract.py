"""Every installed component but a dataset reader keeps its contract, whoever wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from speech_models import save_speech_model

from ecef_cli.plugin.manager import KINDS, get_registry
from ecef_cli.recipe.model import build_component
from ecef_cli.testing import (
    check_audio_encoder,
    check_cue_classifier,
    check_fusion,
    check_prosody_encoder,
    check_tagger,
    check_text_encoder,
    check_transcriber,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _pytest.mark import ParameterSet

    from ecef_cli.plugin.manager import Entry

CHECKS: dict[str, Callable[..., None]] = {
    "tagger": check_tagger,
    "text_encoder": check_text_encoder,
    "audio_encoder": check_audio_encoder,
    "prosody_encoder": check_prosody_encoder,
    "fusion": check_fusion,
    "cue": check_cue_classifier,
    "transcriber": check_transcriber,
}

# Options to try beside the defaults, or instead of them where a model is needed: `{…}` is the folder of a small one.
OPTIONS: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("text_encoder", "huggingface"): [
        {"model": "{bert}"},
        {"model": "{bert}", "trainable_layers": 1},
        {"model": "{roberta}"},
        {"model": "{roberta}", "trainable_layers": 1},
        {"model": "{mpnet}", "trainable_layers": 1},
    ],
    ("audio_encoder", "huggingface"): [
        {"model": "{wavlm}"},
        {"model": "{wav2vec2-large}", "weights": [1, 0, 2, 1]},
        {"model": "{whisper}"},
    ],
    ("audio_encoder", "logmel-prosody"): [{}, {"mels": 8, "pool": 3}],
    ("prosody_encoder", "srdvc"): [{}, {"frequency": 3, "pitch_layers": 1}, {"resampling": False}],
    ("fusion", "mfm"): [
        {"language": {"model": "{bert}"}, "vision": {"model": "{vit}"}},
        {"language": {"model": "{roberta}", "layers": [2]}, "vision": {"model": "none", "width": 16}, "blocks": 1},
        {
            "language": {"model": "none"},
            "vision": {"model": "{vit}", "layers": [0, 0]},
            "first_step": "concat",
            "bridge": 1,
        },
        {"second_step": "none"},
    ],
    ("transcriber", "whisper"): [{"model": "{tiny.en}"}],
    ("cue", "ngrams"): [{}, {"words": 1, "characters": 4, "least": 1}],
    ("fusion", "cross-attention"): [{}, {"layers": 1, "heads": 1, "feedforward": 1, "dropout": 0.5}],
}


def cases() -> Iterator[ParameterSet]:
    """Yield each component that can be checked, with the options that it is built with."""
    for entry in get_registry().entries():
        for options in OPTIONS.get((entry.kind, entry.name), [{}]) if entry.kind in CHECKS else []:
            described = ",".join(f"{key}={value}" for key, value in options.items())
            yield pytest.param(entry, options, id="-".join(filter(None, [entry.kind, entry.name, described])))


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Path]:
    """Return the folder of a small model with random weights, by its name."""

    def find(name: str) -> Path:
        if name in {"bert", "mpnet", "roberta", "vit"}:
            return cast("Path", request.getfixturevalue(f"tiny_{name}"))
        if name == "tiny.en":
            return cast("Path", request.getfixturevalue("whisper_model"))
        return save_speech_model(tmp_path / name, name)

    return find


@pytest.mark.parametrize(("entry", "options"), [*cases()])
def test_a_component_keeps_its_contract(entry: Entry, options: dict[str, Any], folder: Callable[[str], Path]) -> None:
    fields = entry.load().Options.model_fields
    missing = [name for name, field in fields.items() if field.is_required() and name not in options]
    if missing:
        pytest.skip(f"{entry} cannot be built without {', '.join(missing)}")
    CHECKS[entry.kind](build_component(entry.kind, entry.name, _with_folders(options, folder)))


def _with_folders(options: dict[str, Any], folder: Callable[[str], Path]) -> dict[str, Any]:
    """Return options with the folders of small models in them."""
    found = dict(options)
    for key, value in options.items():
        if isinstance(value, dict):
            found[key] = _with_folders(value, folder)
        elif isinstance(value, str) and value.startswith("{"):
            found[key] = str(folder(value.strip("{}")))
    return found


def test_what_is_built_with_other_options_is_installed() -> None:
    assert set(OPTIONS) <= {(entry.kind, entry.name) for entry in get_registry().entries()}


def test_every_kind_is_checked_but_readers_which_need_files() -> None:
    assert {entry.kind for entry in get_registry().entries() if entry.kind in CHECKS} == set(KINDS) - {
        "dataset",
        "transcript",
    }
