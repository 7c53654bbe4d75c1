"""Sets of labels: the names of corpora, sets of one's own, and datasets that take their labels."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ecef_cli.api.components import Corpus
from ecef_cli.api.dialogue import Dialogue, Utterance
from ecef_cli.api.errors import DataError, RecipeError
from ecef_cli.cli.main import run
from ecef_cli.corpus.manifest import load_prepared, save_prepared
from ecef_cli.corpus.relabel import relabel, without_label
from ecef_cli.recipe.labels import LabelSet, label_sets, read_label_set
from ecef_cli.recipe.model import Recipe, check_recipe, load_recipe
from ecef_cli.samples.protocol import recipe_dataset, recipe_samples, windowed
from ecef_cli.samples.windows import NO_TARGET
from ecef_cli.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from ecef_cli.corpus.manifest import Prepared

CORPORA = {
    "meld": ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"),
    "iemocap": (
        *("neutral", "happy", "excited", "sad", "angry", "frustrated", "surprised", "fearful", "disgusted", "other"),
    ),
    "emorynlp": ("neutral", "joyful", "peaceful", "powerful", "scared", "mad", "sad"),
    "dailydialog": ("no emotion", "anger", "disgust", "fear", "happiness", "sadness", "surprise"),
}
"""The emotions that the readers give; IEMOCAP's are all ten of its release."""

# In the order of CORPORA; a dot is no label.
EXPECTED = {
    "meld7": {
        "meld": "neutral surprise fear sadness joy disgust anger",
        "iemocap": "neutral joy joy sadness anger . surprise fear disgust .",
        "emorynlp": "neutral joy . . fear anger sadness",
        "dailydialog": "neutral anger disgust fear joy sadness surprise",
    },
    "iemocap4": {
        "meld": "neutral . . sad happy . angry",
        "iemocap": "neutral happy happy sad angry . . . . .",
        "emorynlp": "neutral happy . . . angry sad",
        "dailydialog": "neutral angry . . happy sad .",
    },
    "iemocap6": {
        "meld": "neutral . . sad happy . angry",
        "iemocap": "neutral happy excited sad angry frustrated . . . .",
        "emorynlp": "neutral happy . . . angry sad",
        "dailydialog": "neutral angry . . happy sad .",
    },
    "sentiment3": {
        "meld": "neutral . negative negative positive negative negative",
        "iemocap": "neutral positive positive negative negative negative . negative negative .",
        "emorynlp": "neutral positive positive positive negative negative negative",
        "dailydialog": "neutral negative negative negative positive negative .",
    },
    "ekman6": {
        "meld": ". surprise fear sadness joy disgust anger",
        "iemocap": ". joy joy sadness anger . surprise fear disgust .",
        "emorynlp": ". joy . . fear anger sadness",
        "dailydialog": ". anger disgust fear joy sadness surprise",
    },
}


@pytest.mark.parametrize("corpus", CORPORA)
@pytest.mark.parametrize("name", EXPECTED)
def test_every_corpus_has_its_place_in_every_set(name: str, corpus: str) -> None:
    found = [label_sets()[name].label(emotion) or "." for emotion in CORPORA[corpus]]
    assert " ".join(found) == EXPECTED[name][corpus]


def test_the_emotions_above_are_those_that_the_readers_give() -> None:
    from ecef_datasets import dailydialog, emorynlp, iemocap, meld

    found = {
        "meld": meld.LABELS,
        "iemocap": tuple(iemocap.LABELS["all"].values()),
        "emorynlp": emorynlp.LABELS,
        "dailydialog": dailydialog.LABELS,
    }
    assert found == CORPORA
    for labels in iemocap.LABELS.values():
        assert set(labels.values()) <= set(CORPORA["iemocap"])


def test_the_sets_of_a_corpus_name_its_labels_in_its_order() -> None:
    assert set(label_sets()) == set(EXPECTED)
    assert label_sets()["meld7"].labels == CORPORA["meld"]
    assert label_sets()["iemocap6"].labels == ("happy", "sad", "neutral", "angry", "excited", "frustrated")
    assert all(found.summary for found in label_sets().values())


def said(emotion: str | None, **row: object) -> Utterance:
    return Utterance("yes", "A", "d", 0, emotion=emotion, row=row)


def test_a_sentiment_that_the_row_states_decides_and_nothing_else_in_its_place() -> None:
    found = label_sets()["sentiment3"]
    assert found.label_of(said("surprise", sentiment="Positive")) == "positive"
    assert found.label_of(said("surprise", sentiment="negative")) == "negative"
    assert found.label_of(said("surprise")) is None
    assert found.label_of(said("joy", sentiment="unsure")) == "positive"
    assert found.label_of(said("joy", sentiment=3)) == "positive"
    assert found.label_of(said(None)) is None
    assert label_sets()["meld7"].label_of(said("surprise", sentiment="positive")) == "surprise"


def test_case_and_spacing_make_no_difference() -> None:
    assert label_sets()["meld7"].label("  No   Emotion ") == "neutral"
    assert LabelSet(emotions={"Happy": [], "Sad": ["low spirits"]}).label("LOW SPIRITS") == "Sad"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A dataset of emotions as IEMOCAP and others have them, an utterance each."""
    found = Workspace(tmp_path / "work")
    emotions = ["happy", "excited", "frustrated", "sad", None, "angry"]
    train = tuple(Utterance("yes", "AB"[n % 2], "d", n, emotion=emotion) for n, emotion in enumerate(emotions))
    test = tuple(replace(u, dialogue="t") for u in train[2:4])
    labels = ("happy", "excited", "frustrated", "sad", "angry")
    save_prepared(
        found, "calls", Corpus(labels, {"train": (Dialogue("d", train),), "test": (Dialogue("t", test),)}, ()), {}
    )
    return found


def emotions(prepared: Prepared, split: str = "train") -> list[str | None]:
    return [u.emotion for dialogue in prepared.splits[split] for u in dialogue.utterances]


def recipe(**changes: object) -> Recipe:
    values = {
        "name": "calls",
        "dataset": "calls",
        "tasks": ["erc", "epc"],
        "text_encoder": {"name": "huggingface", "model": "anything"},
    }
    return check_recipe({**values, **changes}, where="calls")


def test_a_recipe_takes_the_labels_of_a_set(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    asked = recipe(labels="meld7")
    prepared = recipe_dataset(workspace, asked, tell=True)
    assert "calls has emotions that are not labels; their utterances are context only: frustrated (2)" in (
        capsys.readouterr().err
    )
    assert prepared.labels == label_sets()["meld7"].labels
    assert emotions(prepared) == ["joy", "joy", None, "sadness", None, "anger"]
    assert prepared.key == load_prepared(workspace, "calls").key, "what is read is the same, so features are shared"
    found = recipe_samples(asked, windowed(asked, prepared, prepared.labels), prepared.labels)["train"]
    assert [s.targets["erc"] for s in found] == [4, 4, NO_TARGET, 3, NO_TARGET, 6]
    assert [s.targets["epc"] for s in found] == [4, NO_TARGET, 3, NO_TARGET, 6, NO_TARGET]
    assert capsys.readouterr().err == ""


def test_a_recipe_without_a_set_has_the_labels_of_the_dataset(workspace: Workspace) -> None:
    assert recipe_dataset(workspace, recipe()) == load_prepared(workspace, "calls")


def test_what_has_no_label_may_be_dropped_before_windows_are_made(workspace: Workspace) -> None:
    asked = recipe(labels="iemocap4", epc={"others": "drop"})
    prepared = windowed(asked, recipe_dataset(workspace, asked))
    assert emotions(prepared) == ["happy", "happy", "sad", "angry"]
    assert emotions(prepared, "test") == ["sad"]
    assert prepared.key != load_prepared(workspace, "calls").key


def test_a_dataset_without_any_of_the_labels_is_refused(workspace: Workspace) -> None:
    odd = LabelSet(name="odd", emotions={"bored": [], "curious": []})
    prepared = load_prepared(workspace, "calls")
    with pytest.raises(DataError, match=r"no emotion of calls \(happy, excited"):
        relabel(prepared, odd)
    assert without_label(prepared, odd) == {"happy": 1, "excited": 1, "frustrated": 2, "sad": 2, "angry": 1}


def test_taking_the_labels_of_a_set_twice_changes_nothing(workspace: Workspace) -> None:
    once = relabel(load_prepared(workspace, "calls"), label_sets()["iemocap4"])
    assert relabel(once, label_sets()["iemocap4"]) == once


def test_a_resolved_recipe_says_what_its_labels_are_and_reads_the_same_again() -> None:
    asked = recipe(labels="sentiment3")
    assert asked.dumped()["labels"]["emotions"]["neutral"] == ["no emotion", "calm"]
    again = check_recipe(asked.dumped(), where="again")
    assert again == asked
    assert again.labels == label_sets()["sentiment3"]
    own = recipe(labels={"emotions": {"up": ["happy", "excited"], "down": "sad", "cross": None}})
    assert own.labels is not None
    assert own.labels.emotions == {"up": ["happy", "excited"], "down": ["sad"], "cross": []}


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ("meld8", "labels: must be 'meld7' or .*, not 'meld8' \\(did you mean 'meld7'\\?\\)"),
        ({"emotions": {"happy": ["joy"]}}, "labels.emotions: give at least two labels"),
        ({"emotions": {"happy": ["joy"], "sad": ["Joy"]}}, "labels.emotions: 'Joy' names both 'happy' and 'sad'"),
        ({"emotions": {"happy": [3], "sad": []}}, r"labels.emotions.happy.0: input should be a valid string, not 3"),
        ({"emotoins": {}}, r"labels.emotoins: no such setting \(did you mean 'emotions'\?\)"),
        (7, "labels: must be a block of settings, not 7"),
        ("nowhere.yaml", "labels: nowhere.yaml: cannot be read: No such file or directory"),
    ],
)
def test_a_wrong_set_in_a_recipe_is_named(labels: object, problem: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe(labels=labels)
    assert any(re.search(problem, line) for line in caught.value.problems), caught.value.problems


def test_a_set_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "moods.yaml"
    path.write_text("up: [happy, excited]\ndown: sad\n")
    found = read_label_set(str(path))
    assert recipe(labels=str(path)).labels == found
    assert (found.name, found.labels, found.label("sad")) == ("moods", ("up", "down"), "down")
    path.write_text(label_sets()["sentiment3"].to_yaml())
    assert read_label_set(str(path)) == label_sets()["sentiment3"]
    path.write_text("labels:\n  column: mood\n  emotions: {up: [happy], down: [sad]}\n")
    assert read_label_set(str(path)).column == "mood"
    odd = path.rename(tmp_path / "my Sätze!.yaml")
    assert read_label_set(str(odd)).name == "my-S-tze"


def test_a_set_of_another_content_may_not_have_the_name_of_one_that_comes_with_ecef(tmp_path: Path) -> None:
    path = tmp_path / "sentiment3.yaml"
    path.write_text("good: [joy]\nbad: [sadness]\n")
    with pytest.raises(RecipeError, match="sentiment3 is the name of a different set"):
        read_label_set(str(path))


def test_a_column_that_no_row_has_is_told(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    recipe_dataset(workspace, recipe(labels="sentiment3"), tell=True)
    said = "no row of calls has 'sentiment': using emotions alone for sentiment3"
    assert said in capsys.readouterr().err
    recipe_dataset(workspace, recipe(labels="meld7"), tell=True)
    assert "no row of calls" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("up: [happy]\ndown: {a: b}\n", "{path}:2: emotions.down: input should be a valid list"),
        (
            "name: x\nemotions:\n  up: []\n  down: []\ncolum: y\n",
            "{path}:5: colum: no such setting (did you mean 'column'?)",
        ),
        ("- up\n", "a label set must be a block of settings"),
        ("yes: [joy]\nno: [anger]\n", "emotions: a label that YAML reads as True must be in quotes"),
        ("up: [", "{path}:1: not YAML"),
        ("name: my set\nemotions: {up: [], down: []}\n", "{path}:1: name: use letters, digits, '.', '_' and '-'"),
        ("labels:\n  emotions: {up: [], down: []}\n  colum: y\n", "{path}:3: colum: no such setting"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(
    tmp_path: Path, text: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "moods.yaml"
    path.write_text(text)
    assert run(["recipes", "labels", str(path)]) == 2
    assert problem.format(path=path) in capsys.readouterr().err


def test_the_command_lists_sets_and_prints_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "labels", "--format", "jsonl"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in rows] == list(label_sets())
    assert rows[1]["labels"] == ["neutral", "happy", "angry", "sad"]
    assert run(["recipes", "labels", "--format", "table"]) == 0
    assert "neutral, positive, negative" in capsys.readouterr().out
    assert run(["recipes", "labels", "ekman6"]) == 0
    path = tmp_path / "ekman.yaml"
    path.write_text(capsys.readouterr().out)
    assert read_label_set(str(path)) == label_sets()["ekman6"]
    assert run(["recipes", "labels", "ekman"]) == 2
    assert "did you mean 'ekman6'?" in capsys.readouterr().err
    assert run(["recipes", "labels", "ekman6", "--format", "json"]) == 2
    assert run(["recipes", "labels", str(tmp_path / "none.yaml")]) == 2


def test_a_set_by_name_can_be_set_on_a_recipe_that_comes_with_ecef() -> None:
    assert load_recipe("meld-mini").labels is None
    assert load_recipe("meld-mini", ["labels=iemocap4"]).labels == label_sets()["iemocap4"]
