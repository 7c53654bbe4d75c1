"""Distillation: a run learns from the answers of other runs."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from conftest import save_toy_dataset, toy_recipe

from ecef_cli.api.errors import DataError, EcefError
from ecef_cli.evaluation.evaluate import predictions
from ecef_cli.recipe.model import Recipe, check_recipe
from ecef_cli.runs.answers import decide
from ecef_cli.runs.run import open_run
from ecef_cli.samples.windows import NO_TARGET
from ecef_cli.training import distillation
from ecef_cli.training.distillation import find_teachers, soft_targets
from ecef_cli.training.loop import train
from ecef_cli.training.preparation import prepare_training
from ecef_cli.workspace import Workspace, checksum

if TYPE_CHECKING:
    from pathlib import Path

    from ecef_cli.runs.decision import Decided
    from ecef_cli.runs.run import Run


def recipe(model: Path, *teachers: object, changes: dict[str, Any] | None = None, **settings: object) -> Recipe:
    values = toy_recipe(model, history=2, **(changes or {}))
    taught = {"teachers": [str(teacher) for teacher in teachers], **settings}
    values["training"] = {**values["training"], "distillation": taught}
    return check_recipe(values, where="toy")


@pytest.fixture(scope="module")
def teacher(toy_workspace: Workspace, tiny_bert: Path) -> Run:
    """A run with cues and decisions, whose windows are longer than those of the runs that it teaches."""
    values = toy_recipe(tiny_bert, cues={"name": "ngrams"}, decision={"cues": 0.4, "temperature": {"epc": 2.0}})
    return train(toy_workspace, check_recipe(values, where="toy"), name="teacher", device="cpu")


def test_soft_targets_are_the_answers_that_eval_measures(
    toy_workspace: Workspace, tiny_bert: Path, teacher: Run, toy_run: Run
) -> None:
    own = recipe(tiny_bert, "teacher", toy_run.folder, temperature=2.0)
    ready = prepare_training(toy_workspace, own, name="aligned", device="cpu", tolerance=None, force=True)
    for task in ("erc", "epc"):
        answered = [
            predictions(toy_workspace, run, split="train", device="cpu")[task].model.probabilities
            for run in (teacher, toy_run)
        ]
        product = np.sqrt(np.sqrt(answered[0]) * np.sqrt(answered[1]))
        asked = torch.tensor([sample.targets[task] != NO_TARGET for sample in ready.chosen])
        found = ready.soft[task][asked].exp()
        expected = product / product.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)
        assert set(found.argmax(dim=1).tolist()) == {0, 1, 2}  # a mistaken order would show


def test_a_run_learns_from_its_teacher_alone(toy_workspace: Workspace, tiny_bert: Path, teacher: Run) -> None:
    student = train(toy_workspace, recipe(tiny_bert, "teacher", weight=1.0), name="student", device="cpu")
    best = json.loads((student.folder / "metrics.json").read_text())["best"]
    assert best["erc"]["weighted_f1"] > 85
    assert best["epc"]["uar"] > 70
    facts = json.loads((student.folder / "run.json").read_text())
    assert facts["identities"]["teachers"] == checksum(teacher.weights)
    card = (student.folder / "README.md").read_text()
    assert f"- Distilled from `teacher` (weights {checksum(teacher.weights)[:16]}…): 100% of the loss" in card


def test_answers_are_computed_once_until_the_teacher_changes(
    toy_workspace: Workspace, tiny_bert: Path, teacher: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(teacher.folder, tmp_path / "copy")
    counted: list[str] = []

    def counting(run: Run, *arguments: Any) -> Decided:
        counted.append(run.folder.name)
        return decide(run, *arguments)

    monkeypatch.setattr(distillation, "decide", counting)
    own = recipe(tiny_bert, folder)

    def learned() -> torch.Tensor:
        teachers = find_teachers(toy_workspace, own, tmp_path / "run")
        chosen = prepare_training(
            toy_workspace, recipe(tiny_bert), name="windows", device="cpu", tolerance=None, force=True
        ).chosen
        return soft_targets(toy_workspace, own, teachers, chosen, device="cpu")["erc"]

    first = learned()
    (folder / "README.md").write_text("read by people alone")
    assert torch.equal(first, learned())
    assert len(counted) <= 1  # another test may have stored the answers of the same files
    decision = json.loads((folder / "decision.json").read_text())
    decision["erc"]["temperature"] = 3.0
    (folder / "decision.json").write_text(json.dumps(decision))
    before = len(counted)
    assert not torch.equal(first, learned())
    assert len(counted) == before + 1


def test_answers_cut_short_on_disk_are_one_line(
    toy_workspace: Workspace, tiny_bert: Path, teacher: Run, tmp_path: Path
) -> None:
    own = recipe(tiny_bert, shutil.copytree(teacher.folder, tmp_path / "cut"))
    folder = toy_workspace.dataset("toy") / "answers"
    known = set(folder.iterdir()) if folder.is_dir() else set()
    (tmp_path / "cut" / "decision.json").write_text(
        (teacher.folder / "decision.json").read_text().replace("0.4", "0.45", 1)
    )
    prepare_training(toy_workspace, own, name="cut", device="cpu", tolerance=None, force=True)
    (new,) = set(folder.iterdir()) - known
    new.write_bytes(new.read_bytes()[:100])
    with pytest.raises(DataError, match=r"answers are corrupt: .*\(delete this file\)") as caught:
        prepare_training(toy_workspace, own, name="cut", device="cpu", tolerance=None, force=True)
    assert "\n" not in str(caught.value)


OTHER = {"labels": {"name": "two", "emotions": {"joy": [], "neutral": []}}}
REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "missing": ("has no run 'nobody'", {}),
    "itself": ("is the run to train", {}),
    "unfinished": ("is not finished", {}),
    "labels": ("has the emotions joy, anger, neutral, this dataset joy, neutral", OTHER),
    "dataset": (r"was trained on toy \(\w+\), not on other \(\w+\)", {"dataset": "other"}),
    "target": ("predicts the next utterance, by any speaker, not", {"epc": {"target": "own"}}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_teacher_that_does_not_fit_is_one_line(
    toy_workspace: Workspace, tiny_bert: Path, teacher: Run, tmp_path: Path, case: str
) -> None:
    message, changes = REFUSED[case]
    folder, name = tmp_path / "pupil", str(teacher.folder)
    if case == "missing":
        name = "nobody"
    elif case == "itself":
        folder = teacher.folder
    elif case == "unfinished":
        name = str(shutil.copytree(teacher.folder, tmp_path / "half"))
        (tmp_path / "half" / "metrics.json").unlink()
    elif case == "dataset":
        save_toy_dataset(toy_workspace, "other", train=23)
    with pytest.raises(EcefError, match=message) as caught:
        find_teachers(toy_workspace, recipe(tiny_bert, name, changes=changes), folder)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_a_run_without_teachers_stores_no_answers(toy_run: Run, toy_workspace: Workspace) -> None:
    assert "teachers" not in open_run(toy_run.folder).identities
    assert find_teachers(toy_workspace, toy_run.recipe, toy_run.folder) == []
