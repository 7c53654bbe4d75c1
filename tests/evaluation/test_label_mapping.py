"""Runs that are measured on another corpus, by labels that both are made into."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ecef_cli.api.components import Corpus
from ecef_cli.api.errors import DataError, UsageProblem
from ecef_cli.cli.main import run as run_cli
from ecef_cli.corpus.manifest import load_prepared, save_prepared
from ecef_cli.evaluation.evaluate import evaluate
from ecef_cli.evaluation.label_mapping import LabelMapping
from ecef_cli.recipe.labels import LabelSet, label_sets
from ecef_cli.runs.run import Run, open_run

if TYPE_CHECKING:
    from pathlib import Path

    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.workspace import Workspace

MELD = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")


def test_probabilities_of_labels_that_become_one_are_added_and_others_left_out() -> None:
    label_mapping = LabelMapping.of(MELD, label_sets()["sentiment3"])
    assert label_mapping.labels == ("neutral", "positive", "negative")
    folded, outside = label_mapping.fold(np.array([[0.1, 0.2, 0.05, 0.15, 0.3, 0.1, 0.1]], dtype=np.float32))
    assert outside == pytest.approx([0.2])
    assert folded == pytest.approx(np.array([[0.1, 0.3, 0.4]]) / 0.8)
    assert folded.dtype == np.float32
    assert label_mapping.sentence() == (
        "Labels of sentiment3; the run's joy as positive, fear + sadness + disgust + anger as negative; "
        "its probability of surprise is left out"
    )


def test_a_run_that_is_wholly_sure_of_what_is_left_out_says_nothing_of_the_rest() -> None:
    label_mapping = LabelMapping.of(MELD, label_sets()["sentiment3"])
    folded, outside = label_mapping.fold(np.eye(7, dtype=np.float32)[[1]])
    assert outside == pytest.approx([1])
    assert folded == pytest.approx(np.full((1, 3), 1 / 3))


def test_a_label_that_the_run_cannot_give_is_not_asked_for() -> None:
    label_mapping = LabelMapping.of(MELD, label_sets()["iemocap6"])
    assert label_mapping.labels == ("happy", "sad", "neutral", "angry")
    assert label_mapping.never == ("excited", "frustrated")
    assert label_mapping.sentence().startswith("Labels of iemocap6, without excited, frustrated; the run's joy as")


def test_labels_that_are_the_same_cross_as_they_are() -> None:
    label_mapping = LabelMapping.of(MELD, label_sets()["meld7"])
    values = np.random.default_rng(0).dirichlet(np.ones(7), 5).astype(np.float32)
    folded, outside = label_mapping.fold(values)
    assert folded == pytest.approx(values, abs=1e-6)
    assert outside == pytest.approx(np.zeros(5), abs=1e-6)
    assert label_mapping.sentence() == "Labels of meld7"


@pytest.mark.parametrize(
    ("labels", "given"), [(("anger", "calm", "x"), "can predict only neutral of"), (("a", "b"), "can predict none of")]
)
def test_fewer_than_two_labels_are_nothing_to_measure(labels: tuple[str, ...], given: str) -> None:
    odd = LabelSet(name="odd", emotions={"neutral": ["calm"], "curious": []})
    with pytest.raises(UsageProblem, match=given):
        LabelMapping.of(labels, odd)


OTHER = {"joy": "excited", "anger": "mad", "neutral": "no emotion"}
"""What another corpus calls the emotions of the toy dialogues."""


def save_renamed(workspace: Workspace, name: str, names: dict[str, str], first: str | None = None) -> str:
    """Save the toy dialogues with other names of emotions, and of each dialogue's first utterance yet another."""

    def renamed(utterance: Utterance, number: int) -> Utterance:
        emotion = str(utterance.emotion)
        return replace(utterance, emotion=first if first and number == 0 else names.get(emotion, emotion))

    toy = load_prepared(workspace, "toy")
    splits = {
        split: tuple(
            replace(dialogue, utterances=tuple(renamed(u, n) for n, u in enumerate(dialogue.utterances)))
            for dialogue in dialogues
        )
        for split, dialogues in toy.splits.items()
    }
    labels = (*(names.get(label, label) for label in toy.labels), *([first] if first else []))
    save_prepared(workspace, name, Corpus(labels, splits, ()), {})
    return name


@pytest.fixture(scope="module")
def cousin(toy_workspace: Workspace) -> str:
    """The toy dialogues as another corpus has them: other names, and one emotion more, at the start of each."""
    return save_renamed(toy_workspace, "cousin", OTHER, first="frustrated")


@pytest.fixture
def run(toy_run: Run, tmp_path: Path) -> Run:
    """A copy of the toy run, so that what is written beside it is this test's own."""
    return open_run(shutil.copytree(toy_run.folder, tmp_path / "run"))


def test_another_corpus_of_the_same_dialogues_gives_the_same_answers(
    toy_workspace: Workspace, run: Run, cousin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own = evaluate(toy_workspace, run, split="test", device="cpu", draws=20)
    capsys.readouterr()
    other = evaluate(
        toy_workspace, run, split="test", device="cpu", draws=20, dataset=cousin, labels=label_sets()["iemocap4"]
    )
    assert "emotions that are not labels; their utterances are context only: frustrated (36)" in capsys.readouterr().err
    assert other.labels == ("neutral", "happy", "angry")
    before, after = own.tasks["erc"].targets, other.tasks["erc"].targets
    named = {"joy": "happy", "anger": "angry", "neutral": "neutral"}
    later = [n for n, (_, utterance, _) in enumerate(before.identities) if utterance != 0]
    assert [named[before.labels[before.gold[n]]] for n in later] == [other.labels[g] for g in after.gold]
    probabilities = own.tasks["erc"].forecasts[0].probabilities[later]
    columns = [own.labels.index(label) for label in ("neutral", "joy", "anger")]
    assert other.tasks["erc"].forecasts[0].probabilities == pytest.approx(probabilities[:, columns], abs=1e-5)
    # The present of the first forecast of each dialogue has no label: a change of emotion is told of the others alone.
    assert other.tasks["epc"].model.targets == own.tasks["epc"].model.targets
    assert other.tasks["epc"].model.shift is not None
    assert other.tasks["epc"].model.shift.left_out == 6
    assert other.outside == pytest.approx({"erc": 0, "epc": 0}, abs=1e-6)


def test_what_is_written_down_says_by_which_labels(toy_workspace: Workspace, run: Run, cousin: str) -> None:
    evaluate(toy_workspace, run, split="test", device="cpu", draws=20)
    evaluate(toy_workspace, run, split="test", device="cpu", draws=20, dataset=cousin, labels=label_sets()["ekman6"])
    stored = {path.name: json.loads(path.read_text()) for path in (run.folder / "evaluation").glob("*.json")}
    crossed = stored["cousin-test-ekman6.json"]
    assert crossed["labels"] == ["anger", "joy"]
    assert crossed["label_map"]["mapping"] == {"joy": "joy", "anger": "anger", "neutral": None}
    assert 0 < crossed["label_map"]["outside"]["erc"] < 1
    assert "label_map" not in stored["toy-test.json"], "and the run's own scores are still there"
    assert "| test | cousin by ekman6 | ERC |" in (run.folder / "README.md").read_text()


def test_other_emotions_without_a_set_are_refused_with_the_way_out(
    toy_workspace: Workspace, run: Run, cousin: str
) -> None:
    with pytest.raises(DataError, match=r"its test split has none; it also has .*excited") as caught:
        evaluate(toy_workspace, run, split="test", device="cpu", dataset=cousin)
    assert "--label-map" in str(caught.value.hint)


def test_one_emotion_that_happens_to_be_called_alike_is_nothing_to_measure(
    toy_workspace: Workspace, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    one = save_renamed(toy_workspace, "one-alike", {"joy": "happy", "anger": "mad"})
    capsys.readouterr()
    with pytest.raises(DataError, match=r"its test split has only neutral; it also has happy, mad") as caught:
        evaluate(toy_workspace, run, split="test", device="cpu", dataset=one)
    assert "--label-map" in str(caught.value.hint)
    assert "extract" not in capsys.readouterr().err, "it is told before anything is computed"
    two = save_renamed(toy_workspace, "two-alike", {"joy": "happy"})
    assert evaluate(toy_workspace, run, split="test", device="cpu", dataset=two, draws=20).labels == run.labels
    assert "1 emotion of two-alike not among the run's labels; use `--label-map SET`" in capsys.readouterr().err


def test_the_command_prints_by_which_labels_and_how_much_was_left_out(
    toy_workspace: Workspace, run: Run, cousin: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "moods.yaml"
    path.write_text("up: [joy, excited]\ndown: [anger, mad]\n")
    base = ["--workspace", str(toy_workspace.root), "eval", str(run.folder), "--device", "cpu", "--draws", "20"]
    page = tmp_path / "page.html"
    code = run_cli([*base, "--dataset", cousin, "--label-map", str(path), "--format", "table", "--report", str(page)])
    printed = capsys.readouterr().out
    assert code == 0
    assert "ERC on cousin test by moods, " in printed
    assert "Labels of moods; the run's joy as up, anger as down; its probability of neutral is left out, " in printed
    assert "cousin test by moods" in page.read_text()
    assert run_cli([*base, "--label-map", "moods7"]) == 2
    assert run_cli([*base, "--label-map", "meld7", "--paper", "table1"]) == 2


def test_a_run_is_trained_with_the_labels_of_a_set_and_measured_anywhere(
    toy_workspace: Workspace, cousin: str, tiny_bert: Path
) -> None:
    from conftest import toy_recipe

    from ecef_cli.recipe.model import check_recipe
    from ecef_cli.training.loop import train

    values = toy_recipe(tiny_bert, name="crossed", dataset=cousin, labels="meld7")
    run = train(toy_workspace, check_recipe(values, where="crossed"), name="crossed", device="cpu")
    assert run.labels == MELD
    assert open_run(run.folder).recipe.labels == label_sets()["meld7"]
    report = evaluate(toy_workspace, run, split="test", device="cpu", draws=20, dataset="toy")
    assert report.labels == MELD
    assert report.tasks["erc"].model.targets == 36
    assert report.tasks["erc"].model.weighted_f1 > 60, "of three emotions that are equally frequent"
