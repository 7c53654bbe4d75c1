"""The forecaster: what it reads of the past, what it learns, the same in eval, predict and a stream."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import toy_recipe
from narrow import instance, present

from ecef_cli.api.dialogue import Utterance
from ecef_cli.api.errors import DataError, RecipeError
from ecef_cli.corpus.manifest import load_prepared
from ecef_cli.corpus.tolerance import RowCount, Tolerance
from ecef_cli.evaluation.audit.audit import audit_recipe, audit_run
from ecef_cli.evaluation.evaluate import evaluate
from ecef_cli.evaluation.evaluate import predictions as evaluated
from ecef_cli.prediction.outcomes import Predicted
from ecef_cli.prediction.predictor import Predictor
from ecef_cli.prediction.stream import Windows, predictions, window_probabilities
from ecef_cli.recipe.model import Recipe, check_recipe
from ecef_cli.runs.decision import FILE as DECISION
from ecef_cli.runs.decision import open_decisions
from ecef_cli.runs.forecaster import FILE, REACH, Forecaster, Past
from ecef_cli.runs.run import open_run
from ecef_cli.samples.windows import SAME, SOMEBODY_NEW
from ecef_cli.training.loop import train

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from ecef_cli.runs.run import Run
    from ecef_cli.workspace import Workspace

RNG = np.random.default_rng(0)
EIGHT = RNG.dirichlet(np.ones(3), size=8).astype(np.float32)


def recipe(model: Path, **changes: object) -> Recipe:
    decision = {"forecaster": 0.6, "prior_shift": {"epc": "dev"}}
    values = {**toy_recipe(model, cues={"name": "ngrams"}, decision=decision), **changes}
    values["training"] = {**values["training"], "epochs": 2}
    return check_recipe(values, where="toy")


@pytest.fixture(scope="module")
def run(toy_workspace: Workspace, tiny_bert: Path) -> Run:
    return train(toy_workspace, recipe(tiny_bert), name="foreseeing", device="cpu")


def said(run: Run, talk: list[Utterance], *, singly: bool = False) -> list[dict[str, Any]]:
    """Return the rows of a stream; `singly`: each row arrives only after the one before was answered."""
    predictor = Predictor(run, device="cpu")
    if not singly:
        items = predictions(predictor, talk, RowCount(Tolerance(0, relative=False), "talk"))
        return [dict(instance(Predicted, item).row) for item in items]
    windows, found = Windows(predictor.history), []
    for utterance in talk:
        window = windows.ending_at(utterance)
        [answer] = predictor.predict([window], [windows.recognised(utterance)])
        found.append(answer.as_dict())
    return found


def forecasts(rows: list[dict[str, Any]]) -> npt.NDArray[np.float64]:
    """Return (N, labels + 1), the forecast probabilities and that of a change."""
    return np.asarray([[*row["forecast"]["probabilities"].values(), row["forecast"]["change"]] for row in rows])


def test_a_past_beyond_the_reach_and_names_do_not_matter() -> None:
    whole = Past(EIGHT, "ABABABAB").features()
    np.testing.assert_array_equal(whole, Past(EIGHT[-REACH:], "ABABABAB").features())
    np.testing.assert_array_equal(whole, Past(EIGHT, "XYXYXYXY").features())
    changed = EIGHT.copy()
    changed[-REACH] = changed[-REACH, ::-1]
    assert np.abs(whole - Past(changed, "ABABABAB").features()).max() > 0


def test_a_past_tells_who_said_what_and_who_speaks_next() -> None:
    sums = Past(EIGHT[-2:], "AB").features()[3:12]
    np.testing.assert_allclose(sums[:3], EIGHT[-1], rtol=1e-6)
    np.testing.assert_allclose(sums[3:6], np.float32(0.7) * EIGHT[-2], rtol=1e-6)
    assert not sums[6:].any()  # nobody says who speaks next
    other = Past(EIGHT[-2:], "AB", SAME + 1).features()[9:12]
    np.testing.assert_allclose(other, np.float32(0.7) * EIGHT[-2], rtol=1e-6)
    shapes = {Past(EIGHT, "AB" * 4, number).features().shape for number in range(SAME + 8)}
    assert shapes == {(5 * 3 + 7,)}
    assert not Past(EIGHT, "AB" * 4, SOMEBODY_NEW).features()[9:12].any()


def test_it_learns_which_emotion_follows_and_whether_it_changes() -> None:
    pasts = [Past(EIGHT[n : n + 3], "ABA") for n in RNG.integers(0, 6, 400)]
    last = np.asarray([int(past.recognised[-1].argmax()) for past in pasts])
    target = np.where(last == 0, 0, 3 - last)  # 0 stays, 1 and 2 alternate
    found = Forecaster.fit(pasts, target, (last != target).astype(np.int64), 3).foresee(pasts)
    assert (found.probabilities.argmax(axis=1) == target).mean() > 0.9
    assert ((found.change > 0.5) == (last != target)).mean() > 0.9


def test_labels_and_changes_that_training_lacks_are_all_but_impossible() -> None:
    pasts = [Past(EIGHT[n : n + 1], "A") for n in range(8)]
    found = Forecaster.fit(pasts, np.tile([0, 2], 4), np.full(8, -100), 3).foresee(pasts)
    assert found.probabilities[:, 1].max() < 1e-6
    assert np.isfinite(found.change).all()


def test_it_is_kept_as_safetensors(tmp_path: Path) -> None:
    pasts = [Past(EIGHT[: n + 1], "AB" * 4) for n in range(8)]
    fitted = Forecaster.fit(pasts, np.arange(8) % 3, np.arange(8) % 2, 3)
    fitted.save(tmp_path)
    loaded = Forecaster.load(tmp_path)
    np.testing.assert_array_equal(loaded.foresee(pasts).probabilities, fitted.foresee(pasts).probabilities)
    np.testing.assert_array_equal(loaded.foresee(pasts).change, fitted.foresee(pasts).change)
    (tmp_path / FILE).write_bytes(b"no")
    with pytest.raises(DataError, match="no forecaster"):
        Forecaster.load(tmp_path)


def test_what_was_settled_is_in_the_run_and_on_its_card(run: Run) -> None:
    settled = json.loads((run.folder / DECISION).read_text())
    assert settled["epc"]["forecaster"] == 0.6
    assert settled["erc"]["forecaster"] == settled["epc"]["cues"] == 0.0
    card = (run.folder / "README.md").read_text()
    assert "- EPC: share of the forecaster 0.60, prior shift " in card
    assert f"in `{FILE}`" in card
    assert (run.folder / FILE).is_file()


def test_eval_and_predict_forecast_alike(toy_workspace: Workspace, run: Run) -> None:
    found = evaluated(toy_workspace, run, split="dev", device="cpu")["epc"]
    dialogues = load_prepared(toy_workspace, "toy").splits["dev"]
    rows = said(run, [utterance for dialogue in dialogues for utterance in dialogue.utterances])
    targeted = forecasts([row for n, row in enumerate(rows) if n % 6 != 5])  # nothing follows the sixth
    np.testing.assert_allclose(found.model.probabilities, targeted[:, :-1], atol=1e-3)  # features are float16
    np.testing.assert_allclose(present(found.model.deployable), targeted[:, -1], atol=1e-3)


def test_eval_shows_the_network_alone_too(toy_workspace: Workspace, run: Run) -> None:
    found = evaluate(toy_workspace, run, split="dev", device="cpu", draws=50, keep=False).tasks
    assert any(verdict.baseline == "network alone" for verdict in found["epc"].verdicts)
    assert "network alone" not in found["erc"].baselines


def test_a_batch_and_a_stream_of_mixed_dialogues_answer_alike(toy_workspace: Workspace, run: Run) -> None:
    first, second = (d.utterances for d in load_prepared(toy_workspace, "toy").splits["test"][:2])
    mixed = [utterance for pair in zip(first, second, strict=True) for utterance in pair]
    together, singly = forecasts(said(run, mixed)), forecasts(said(run, mixed, singly=True))
    apart = [forecasts(said(run, list(talk))) for talk in (first, second)]
    np.testing.assert_allclose(together, singly, atol=1e-5)
    np.testing.assert_allclose(together[0::2], apart[0], atol=1e-5)
    np.testing.assert_allclose(together[1::2], apart[1], atol=1e-5)


def test_an_earlier_emotion_matters_although_the_last_line_is_the_same(run: Run) -> None:
    def talk(opening: str) -> list[Utterance]:
        texts = [opening, "The meeting is at ten.", "I put the keys on the table."]
        return [Utterance(text, "AB"[n % 2], "d", n) for n, text in enumerate(texts)]

    one, other = (forecasts(said(run, talk(opening))) for opening in ("We won! I love it.", "How dare you lie!"))
    assert np.abs(one[-1] - other[-1]).max() > 1e-3


def test_nothing_of_a_later_utterance_reaches_a_forecast(toy_workspace: Workspace, run: Run, tiny_bert: Path) -> None:
    talk = [Utterance(text, f"s{n % 2}", "d", n) for n, text in enumerate(["I hate this!", "We won!", "At ten."] * 2)]
    changed = [*talk[:3], *(replace(u, text="Get out of my house! " * 9, speaker="s9") for u in talk[3:])]
    np.testing.assert_allclose(forecasts(said(run, talk))[:3], forecasts(said(run, changed))[:3], atol=1e-5)
    alone, changed_alone = (forecasts(said(run, part[:3], singly=True)) for part in (talk, changed))
    np.testing.assert_array_equal(alone, changed_alone)
    names = ("training: batches of windows up to n", "prediction: windows one at a time")
    for checks in (
        audit_run(toy_workspace, run, window_probabilities, device="cpu"),
        audit_recipe(toy_workspace, recipe(tiny_bert), window_probabilities, device="cpu"),
    ):
        status = {check.name: check.status for check in checks}
        assert {status[name] for name in (*names, "prediction: all windows at once")} == {"passed"}
        assert status["no prediction depends on labels and other columns"] == "passed"


def test_a_forecaster_that_reads_ahead_fails_the_audit(
    toy_workspace: Workspace, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecef_cli.runs import decision

    honest = decision.pasts

    def ahead(recognised: npt.NDArray[np.float32], *given: Any) -> list[Past]:
        return honest(np.roll(recognised, -1, axis=0), *given)

    monkeypatch.setattr(decision, "pasts", ahead)
    checks = audit_run(toy_workspace, run, window_probabilities, device="cpu")
    assert next(c for c in checks if c.name == "training: batches of windows up to n").status == "failed"


def test_a_forecaster_knows_the_next_speaker_if_the_row_names_one(toy_workspace: Workspace, tiny_bert: Path) -> None:
    alone = recipe(tiny_bert, epc={"next_speaker": True}, decision={"forecaster": 1.0})
    told = train(toy_workspace, alone, name="foreseeing-told", device="cpu")
    talk = [Utterance(text, "AB"[n], "d", n) for n, text in enumerate(["I hate this!", "The meeting is at ten."])]
    named = [replace(u, row={"next_speaker": name}) for u, name in zip(talk, "BA", strict=True)]
    unknown, known = (forecasts(said(told, rows)) for rows in (talk, named))
    assert np.abs(unknown - known)[1].max() > 1e-3  # the forecaster alone forecasts, without the network


def test_a_missing_or_broken_forecaster_is_named(run: Run, tmp_path: Path) -> None:
    copied = tmp_path / "run"
    shutil.copytree(run.folder, copied)
    (copied / FILE).unlink()
    with pytest.raises(DataError, match="no forecaster"):
        open_decisions(open_run(copied))


def test_a_forecaster_needs_both_tasks(tiny_bert: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe(tiny_bert, tasks=["epc"], cues="none")
    assert "decision.forecaster: needs the tasks erc and epc; set it to 0" in str(caught.value.problems)
