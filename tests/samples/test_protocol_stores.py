"""What a protocol changes in the workspace: tags and text features by the windows that it makes, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from conftest import save_voice, toy_dialogue, toy_recipe, voiced_recipe
from narrow import present

from ecef_cli.api.components import Corpus
from ecef_cli.api.dialogue import Dialogue
from ecef_cli.cli.main import main
from ecef_cli.corpus.manifest import save_prepared
from ecef_cli.corpus.scan import scan_recordings
from ecef_cli.features.encoders import build_encoders
from ecef_cli.recipe.model import Recipe, check_recipe
from ecef_cli.runs.run import open_run
from ecef_cli.samples.inputs import Inputs, load_inputs, load_variants
from ecef_cli.samples.windows import NO_TARGET, windows
from ecef_cli.training.loop import train
from ecef_cli.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping

LABELS = ("joy", "anger", "neutral")


def gappy(name: str, seed: int, folder: Path | None = None) -> Dialogue:
    """Return a toy dialogue whose third utterance has no emotion; with recordings where there is a folder."""
    said = list(toy_dialogue(name, seed).utterances)
    said[2] = replace(said[2], emotion=None)
    if folder is not None:
        said = [
            replace(u, audio=save_voice(folder / f"{name}{n}.flac", u.emotion or "joy", 10 * seed + n))
            for n, u in enumerate(said)
        ]
    return Dialogue(name, tuple(said))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with two datasets, one of text and one with recordings; a sixth of both has no emotion."""
    found = Workspace(tmp_path_factory.mktemp("protocols"))
    for dataset, folder in (("toy", None), ("voiced", found.root / "sound")):
        splits = {
            split: tuple(gappy(f"{split}{n}", first + n, folder) for n in range(count))
            for split, count, first in (("train", 12, 0), ("dev", 3, 1000), ("test", 3, 2000))
        }
        heard = scan_recordings(Corpus(LABELS, splits, ()))
        save_prepared(found, dataset, heard.corpus, {"recordings": heard.facts} if folder else {})
    return found


def recipe_of(model: Path, *modalities: str, **changes: Any) -> Recipe:
    values = voiced_recipe(model, *modalities, **changes) if modalities else toy_recipe(model, **changes)
    return check_recipe(values, where="toy")


def inputs_of(workspace: Workspace, recipe: Recipe) -> Inputs:
    return load_inputs(workspace, recipe, build_encoders(recipe, device="cpu"))


@pytest.mark.parametrize(
    "protocol", [{"target": "own"}, {"min_history": 3}, {"last_only": True}, {"next_speaker": True}], ids=str
)
def test_what_is_asked_changes_no_store(workspace: Workspace, tiny_bert: Path, protocol: Mapping[str, Any]) -> None:
    plain, other = (inputs_of(workspace, recipe_of(tiny_bert, "text", "audio", epc=epc)) for epc in ({}, protocol))
    assert (present(other.tags).folder, present(other.features).folder) == (
        present(plain.tags).folder,
        present(plain.features).folder,
    )
    assert present(other.audio).folder == present(plain.audio).folder
    assert other.samples != plain.samples


def test_dropping_changes_tags_and_text_features_and_no_recording(workspace: Workspace, tiny_bert: Path) -> None:
    plain, other = (
        inputs_of(workspace, recipe_of(tiny_bert, "text", "audio", epc=epc)) for epc in ({}, {"others": "drop"})
    )
    assert present(other.tags).folder != present(plain.tags).folder
    assert present(other.features).folder != present(plain.features).folder
    assert present(other.audio).folder == present(plain.audio).folder
    assert present(other.whole).key == plain.prepared.key


def test_dropping_where_nothing_is_dropped_changes_no_store(toy_workspace: Workspace, tiny_bert: Path) -> None:
    plain, other = (inputs_of(toy_workspace, recipe_of(tiny_bert, epc=epc)) for epc in ({}, {"others": "drop"}))
    assert (present(other.tags).folder, present(other.features).folder) == (
        present(plain.tags).folder,
        present(plain.features).folder,
    )
    assert other.samples == plain.samples


def test_windows_of_both_tasks_are_without_what_is_dropped(workspace: Workspace, tiny_bert: Path) -> None:
    inputs = inputs_of(workspace, recipe_of(tiny_bert, epc={"others": "drop"}))
    assert [len(inputs.samples[split]) for split in ("train", "dev", "test")] == [60, 15, 15]
    assert all(s.targets["erc"] != NO_TARGET for s in inputs.samples["train"])
    every = windows(inputs.prepared.splits["dev"], 3)
    for sample, window in zip(inputs.samples["dev"], every, strict=True):
        assert len(sample.numbers) <= 3
        assert sample.positions == window.positions
        assert all(number % 6 != 2 for number in sample.numbers)  # each dialogue's third is gone


def test_each_window_has_the_features_tags_and_recordings_of_its_own_utterances(
    workspace: Workspace, tiny_bert: Path
) -> None:
    recipe = recipe_of(tiny_bert, "text", "audio", epc={"others": "drop"}, features={"dtype": "float32"})
    encoders = build_encoders(recipe, device="cpu")
    inputs = load_inputs(workspace, recipe, encoders)
    every = list(windows(inputs.prepared.splits["train"], recipe.history))
    for sample in inputs.samples["train"][:12]:
        found = inputs.window(sample)
        expected = present(encoders.text).encode([every[sample.number]])[0]
        assert torch.allclose(
            torch.from_numpy(present(found.features).states), torch.from_numpy(expected.states), atol=1e-5
        )
        assert len(found.importance) == sample.positions
        for number, frames in zip(sample.numbers, present(found.recordings), strict=True):
            assert (present(frames) == present(present(inputs.audio).read("train", number)).frames).all()


def test_other_speeds_are_heard_of_the_whole_dataset(workspace: Workspace, tiny_bert: Path) -> None:
    values = voiced_recipe(tiny_bert, epc={"others": "drop"})
    values["training"] = {**values["training"], "speeds": [0.8, 1.0]}
    recipe = check_recipe(values, where="toy")
    encoders = build_encoders(recipe, device="cpu")
    inputs = load_variants(workspace, recipe, load_inputs(workspace, recipe, encoders), encoders)
    assert inputs.variants[0].counts == {"train": 72}
    assert present(inputs.varied(inputs.samples["train"]).audio).recorded.all()


def test_a_history_of_all_is_stored_as_that_of_the_longest_dialogue(workspace: Workspace, tiny_bert: Path) -> None:
    whole, six = (inputs_of(workspace, recipe_of(tiny_bert, history=history)) for history in ("all", 6))
    assert present(whole.features).folder == present(six.features).folder
    assert present(whole.tags).folder == present(six.tags).folder
    assert whole.samples == six.samples
    assert [len(s.numbers) for s in whole.samples["dev"][:6]] == [1, 2, 3, 4, 5, 6]


def test_what_extract_and_tag_make_is_what_training_reads(
    workspace: Workspace, tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {"epc": {"others": "drop"}, "history": "all", "features": {"dtype": "float32"}}
    path = tmp_path / "dropping.yaml"
    path.write_text(recipe_of(tiny_bert, **changes).to_yaml(), encoding="utf-8")
    for command in (["extract", str(path)], ["tag", "--recipe", str(path)]):
        with pytest.raises(SystemExit) as ended:
            main(["--workspace", str(workspace.root), *command])
        assert not ended.value.code
    capsys.readouterr()
    inputs_of(workspace, recipe_of(tiny_bert, **changes))
    said = capsys.readouterr().err
    assert said.count("nothing to do") == 2


def test_emotions_that_are_not_asked_for_are_named(
    workspace: Workspace, tiny_bert: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipe_of(tiny_bert)
    inputs = load_inputs(workspace, recipe, build_encoders(recipe, device="cpu"), labels=["joy", "anger"])
    neutral = sum(u.emotion == "neutral" for ds in inputs.prepared.splits.values() for d in ds for u in d.utterances)
    assert f"emotions that are not labels; their utterances are context only: neutral ({neutral})" in (
        capsys.readouterr().err
    )
    assert {s.targets["erc"] for s in inputs.samples["train"]} == {NO_TARGET, 0, 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"epc": {"target": "own", "min_history": 2, "others": "drop"}},
        {"epc": {"next_speaker": True, "last_only": True}, "history": "all"},
    ],
    ids=str,
)
def test_a_run_is_trained_by_its_protocol_and_says_so(
    workspace: Workspace, tiny_bert: Path, changes: Mapping[str, Any], request: pytest.FixtureRequest
) -> None:
    recipe = recipe_of(tiny_bert, **changes)
    recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update={"epochs": 1})})
    run = train(workspace, recipe, name=f"run{len(changes)}", device="cpu")
    assert open_run(run.folder).recipe == recipe
    card = (run.folder / "README.md").read_text(encoding="utf-8")
    assert f"EPC asks for {recipe.epc.in_words()}." in card
    assert ("- Window: the whole dialogue so far;" in card) == (recipe.history is None)
    assert run.network(build_encoders(recipe, device="cpu")).tasks == ("erc", "epc")
