"""Rows that say who speaks next, for a model that was told in training."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from conftest import toy_recipe
from narrow import present

from ecef_cli.api.dialogue import read_utterances
from ecef_cli.api.errors import DataError
from ecef_cli.corpus.tolerance import RowCount, Tolerance
from ecef_cli.features.encoders import build_encoders
from ecef_cli.prediction.outcomes import Predicted
from ecef_cli.prediction.predictor import Predictor
from ecef_cli.prediction.stream import predictions
from ecef_cli.recipe.model import check_recipe
from ecef_cli.runs.run import Run, build_network, create_run, save_weights
from ecef_cli.workspace import write_json

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ("joy", "anger", "neutral")
TALK = [("A", "I am so happy!"), ("B", "Get out of my house!"), ("A", "The meeting is at ten.")]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Predictor:
    """A model of random weights, to which it matters who speaks next."""
    recipe = check_recipe(toy_recipe(tiny_bert, epc={"next_speaker": True}), where="toy")
    encoders = build_encoders(recipe, device="cpu")
    folder = tmp_path_factory.mktemp("runs") / "told"
    identities = {**encoders.identities, "tagger": recipe.component("tagger").identity()}
    run = create_run(folder, recipe, labels=LABELS, identities=identities, dataset={"name": "toy", "key": ""})
    torch.manual_seed(0)
    network = build_network(recipe, encoders, len(LABELS))
    torch.nn.init.normal_(present(present(network.text_heads).next_speaker).weight)
    save_weights(run.weights, network)
    write_json(folder / "metrics.json", {"finished": True})
    return Predictor(run, device="cpu")


def answers(predictor: Predictor, *following: object, tolerate: str = "0") -> list[dict[str, Any]]:
    """Return the rows of the talk, each saying who speaks next; nothing is said where that is a dot."""
    rows = [
        {"speaker": speaker, "text": text} | ({} if name == "." else {"next_speaker": name})
        for (speaker, text), name in zip(TALK, following, strict=True)
    ]
    lines = [json.dumps(row).encode() for row in rows]
    utterances = read_utterances(lines, name="talk.jsonl", dialogue="talk")
    items = predictions(predictor, utterances, RowCount(Tolerance.parse(tolerate), "talk.jsonl"))
    return [dict(item.row) for item in items if isinstance(item, Predicted)]


def forecasts(found: list[dict[str, Any]]) -> list[tuple[float, ...]]:
    return [tuple(row["forecast"]["probabilities"].values()) for row in found]


def test_who_speaks_next_changes_the_forecast_and_not_what_is_felt_now(told: Predictor) -> None:
    unknown, known = answers(told, ".", ".", "."), answers(told, "B", "A", "A")
    assert all(row["prediction"] == other["prediction"] for row, other in zip(unknown, known, strict=True))
    assert all(one != other for one, other in zip(forecasts(unknown), forecasts(known), strict=True))
    assert [row.get("next_speaker") for row in known] == ["B", "A", "A"]


def test_each_row_speaks_for_itself_alone(told: Predictor) -> None:
    unknown, some = forecasts(answers(told, ".", ".", ".")), forecasts(answers(told, ".", "A", "."))
    assert [one == other for one, other in zip(unknown, some, strict=True)] == [True, False, True]


def test_it_matters_who_of_the_window_it_is_and_not_what_they_are_called(told: Predictor) -> None:
    found = {name: forecasts(answers(told, ".", ".", name))[2] for name in ("A", "B", "C", "Somebody else")}
    assert found["C"] == found["Somebody else"]
    assert len(set(found.values())) == 3


def test_null_is_not_known(told: Predictor) -> None:
    assert forecasts(answers(told, None, None, None)) == forecasts(answers(told, ".", ".", "."))


@pytest.mark.parametrize("name", [3, True, ["A"], "", "  "])
def test_what_is_no_name_is_a_broken_row(told: Predictor, name: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r"talk\.jsonl:2: 'next_speaker' must be a name"):
        answers(told, ".", name, ".")
    assert len(answers(told, ".", name, ".", tolerate="1")) == 2
    assert "left out: talk.jsonl:2" in capsys.readouterr().err


def test_a_model_that_was_not_told_takes_the_key_for_any_other(toy_run: Run) -> None:
    plain = Predictor(toy_run, device="cpu")
    assert forecasts(answers(plain, "A", ["A"], 3)) == forecasts(answers(plain, ".", ".", "."))
