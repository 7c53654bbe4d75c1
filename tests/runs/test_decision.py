"""Decisions: cues mixed in, priors shifted, probabilities tempered, the same in eval and predict."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import toy_recipe
from narrow import instance

from ecef_cli.api.dialogue import Utterance
from ecef_cli.api.errors import DataError, RecipeError
from ecef_cli.corpus.manifest import load_prepared
from ecef_cli.corpus.tolerance import RowCount, Tolerance
from ecef_cli.evaluation.evaluate import predictions as evaluated
from ecef_cli.network.inference import Outcome
from ecef_cli.prediction.outcomes import Predicted
from ecef_cli.prediction.predictor import Predictor
from ecef_cli.prediction.stream import predictions
from ecef_cli.recipe.model import Recipe, check_recipe
from ecef_cli.recipe.sections import Decision as DecisionSettings
from ecef_cli.recipe.sections import Selection, Training
from ecef_cli.runs.decision import CUES, FILE, Decision, open_decisions
from ecef_cli.runs.run import open_run
from ecef_cli.training.decisions import _Choice
from ecef_cli.training.loop import train

if TYPE_CHECKING:
    from pathlib import Path

    from ecef_cli.runs.run import Run
    from ecef_cli.workspace import Workspace

PRIOR = (0.8, 0.1, 0.1)
GIVEN = np.asarray([[0.5, 0.3, 0.2], [0.9, 0.05, 0.05]], dtype=np.float32)
BOTH = np.asarray([True, True])


def recipe(model: Path, **changes: object) -> Recipe:
    values = toy_recipe(model, cues={"name": "ngrams"}, **changes)
    values["training"] = {**values["training"], "epochs": 2}
    return check_recipe(values, where="toy")


DECIDED = {"decision": {"cues": 0.5, "prior_shift": {"erc": 0.3, "epc": "dev"}, "temperature": {"erc": "dev"}}}


@pytest.fixture(scope="module")
def run(toy_workspace: Workspace, tiny_bert: Path) -> Run:
    return train(toy_workspace, recipe(tiny_bert, **DECIDED), name="decided", device="cpu")


def said(run: Run, talk: list[Utterance]) -> list[dict[str, Any]]:
    count = RowCount(Tolerance(0, relative=False), "talk")
    items = predictions(Predictor(run, device="cpu"), talk, count)
    return [dict(instance(Predicted, item).row) for item in items]


def test_a_shift_by_the_prior_favours_rare_labels_and_a_temperature_changes_no_answer() -> None:
    shifted = Decision(0.0, 1.0, 1.0, PRIOR).apply(GIVEN)
    expected = GIVEN / np.asarray(PRIOR)
    np.testing.assert_allclose(shifted, expected / expected.sum(axis=1, keepdims=True), rtol=1e-5)
    assert shifted.argmax(axis=1).tolist() == [1, 0]
    warm = Decision(0.0, 0.0, 2.0, PRIOR).apply(GIVEN)
    assert (warm.argmax(axis=1) == GIVEN.argmax(axis=1)).all()
    assert (warm.max(axis=1) < GIVEN.max(axis=1)).all()


def test_a_share_of_the_cues_is_log_linear_and_is_nothing_without_a_word() -> None:
    cues = GIVEN[:, ::-1]
    mixed = Decision(0.5, 0.0, 1.0, PRIOR).apply(GIVEN, cues, np.asarray([True, False]))
    expected = np.sqrt(GIVEN[0] * cues[0])
    np.testing.assert_allclose(mixed[0], expected / expected.sum(), rtol=1e-5)
    np.testing.assert_allclose(mixed[1], GIVEN[1], rtol=1e-5)
    np.testing.assert_allclose(Decision(1.0, 0.0, 1.0, PRIOR).apply(GIVEN, cues, BOTH), cues, rtol=1e-5)


def test_a_row_does_not_depend_on_the_others() -> None:
    decision = Decision(0.4, 0.3, 1.3, PRIOR)
    together = decision.apply(GIVEN, GIVEN[:, ::-1], BOTH)
    alone = [decision.apply(GIVEN[n : n + 1], GIVEN[n : n + 1, ::-1], BOTH[:1])[0] for n in range(2)]
    np.testing.assert_array_equal(together, alone)


def test_a_recipe_without_cues_or_decision_changes_nothing(toy_run: Run) -> None:
    assert not toy_run.recipe.decides
    assert not (toy_run.folder / FILE).exists()
    assert open_decisions(toy_run).apply("erc", GIVEN, []) is GIVEN


def test_what_was_settled_is_in_the_run_and_on_its_card(run: Run) -> None:
    settled = json.loads((run.folder / FILE).read_text())
    assert settled["erc"]["cues"] == 0.5
    assert settled["erc"]["prior_shift"] == 0.3
    assert settled["erc"]["temperature"] != 1.0
    assert settled["epc"]["cues"] == 0.0
    assert sum(settled["epc"]["prior"]) == pytest.approx(1)
    card = (run.folder / "README.md").read_text()
    assert "- ERC: share of the cues 0.50, prior shift 0.30, temperature " in card
    assert "fitted on the train split" in card
    assert {path.suffix for path in run.folder.iterdir() if path.is_file()} <= {
        ".safetensors",
        ".json",
        ".jsonl",
        ".yaml",
        ".md",
    }


def test_eval_and_predict_answer_alike_and_unlike_the_network(
    toy_workspace: Workspace, run: Run, tiny_bert: Path
) -> None:
    found = evaluated(toy_workspace, run, split="dev", device="cpu")["erc"].model.probabilities
    dialogues = load_prepared(toy_workspace, "toy").splits["dev"]
    rows = said(run, [utterance for dialogue in dialogues for utterance in dialogue.utterances])
    predicted = [[row["prediction"]["probabilities"][label] for label in run.labels] for row in rows]
    np.testing.assert_allclose(found, predicted, atol=1e-3)  # features are stored as float16
    plain = replace(run, recipe=check_recipe(toy_recipe(tiny_bert), where="toy"))
    network = evaluated(toy_workspace, plain, split="dev", device="cpu")["erc"].model.probabilities
    assert np.abs(found - network).max() > 0.05


def test_nothing_of_a_later_utterance_reaches_an_answer(run: Run) -> None:
    talk = [Utterance(text, f"s{n % 2}", "d", n) for n, text in enumerate(["I hate this!", "We won!", "At ten."] * 2)]
    changed = [*talk[:3], *(replace(u, text="Get out of my house! " * 9, speaker="s9") for u in talk[3:])]
    before, after = said(run, talk), said(run, changed)
    for one, other in zip(before[:3], after[:3], strict=True):
        for key in ("prediction", "forecast"):
            for label, probability in one[key]["probabilities"].items():
                assert probability == pytest.approx(other[key]["probabilities"][label], abs=1e-5)
    alone = [said(run, talk[: n + 1])[-1]["prediction"] for n in range(3)]
    assert alone == [said(run, changed[: n + 1])[-1]["prediction"] for n in range(3)]


def test_a_training_that_stopped_before_it_was_settled_goes_on(
    toy_workspace: Workspace, run: Run, tiny_bert: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run.folder / FILE).read_bytes(), (run.folder / CUES).read_bytes()
    (run.folder / FILE).unlink()
    with pytest.raises(DataError, match=r"decision\.json: the decision is missing \(train the run again"):
        open_decisions(open_run(run.folder))
    train(toy_workspace, recipe(tiny_bert, **DECIDED), name="decided", device="cpu")
    assert ((run.folder / FILE).read_bytes(), (run.folder / CUES).read_bytes()) == before
    assert "with cues 0.5, prior shift 0.3" in capsys.readouterr().err


def test_broken_cues_are_named(run: Run, tmp_path: Path) -> None:
    for name in ("recipe.yaml", "run.json", "metrics.json", FILE):
        (tmp_path / name).write_bytes((run.folder / name).read_bytes())
    (tmp_path / CUES).write_bytes(b"no")
    with pytest.raises(DataError, match="no cues"):
        open_decisions(open_run(tmp_path))


def test_cues_are_of_text_and_recognition(tiny_bert: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe(tiny_bert, tasks=["epc"])
    assert "cues: needs the modality text and the task erc" in str(caught.value.problems)


def chosen(run: Run, cost: float) -> tuple[Decision, list[float]]:
    """Return the decision on one rare label among frequent ones, and the accuracy at each shift of the grid."""
    draw = np.random.default_rng(0)
    gold = np.repeat([0, 1], [180, 20])
    rare = np.where(gold == 0, draw.uniform(0, 0.35, 200), draw.uniform(0.1, 0.6, 200)).astype(np.float32)
    answers = np.stack([1 - rare, rare, np.full_like(rare, 1e-6)], axis=1)
    values = run.recipe.model_copy(
        update={"decision": DecisionSettings(prior_shift={"erc": "dev"}, prior_shift_cost={"erc": cost})}
    )
    judged = replace(run, recipe=values.model_copy(update={"training": Training(select=Selection(erc="accuracy"))}))
    prior = np.asarray([0.85, 0.1, 0.05])
    outcome = Outcome(np.arange(200), gold, answers)
    made = _Choice(judged, "erc", outcome, prior, None, None).made()
    shifted = [Decision(0.0, n / 10, 1.0, tuple(prior)).apply(answers).argmax(axis=1) for n in range(11)]
    return made, [100 * float((numbers == gold).mean()) for numbers in shifted]


def test_a_larger_shift_is_taken_up_to_what_it_may_cost_on_dev(run: Run) -> None:
    best, scores = chosen(run, 0.0)
    assert scores[round(10 * best.prior_shift)] == max(scores)
    larger, _ = chosen(run, 5.0)
    place = round(10 * larger.prior_shift)
    assert larger.prior_shift > best.prior_shift
    assert scores[place] >= max(scores) - 5 > max(scores[place + 1 :])
