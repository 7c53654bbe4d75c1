"""Inputs: samples with their recordings, at the speeds that training hears them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import save_toy_dataset, toy_recipe, voiced_recipe
from narrow import present
from recorded import ensure, extraction, recorded

from ecef_cli.api.errors import DataError
from ecef_cli.corpus.prepare import prepare
from ecef_cli.features.encoders import build_encoders
from ecef_cli.recipe.model import check_recipe
from ecef_cli.samples.batches import AudioShape, collate
from ecef_cli.samples.inputs import Inputs, load_inputs, load_variants
from ecef_cli.samples.windows import samples
from ecef_cli.workspace import Workspace

SPEEDS = (1.0, 0.5, 2.0)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Eight utterances without text that counts, two of them without a recording, heard at three speeds."""
    folder = tmp_path_factory.mktemp("inputs")
    prepared = recorded(folder / "sound", 8)
    stores = [ensure(folder, prepared, extraction(speed=speed)) for speed in SPEEDS]
    found = samples("train", prepared.splits["train"], history=3, tasks=["erc"], labels=["calm"])
    return Inputs(prepared, {"train": found}, None, None, stores[0], AudioShape(3, 2, 100), stores)


def test_a_window_holds_the_recordings_of_its_own_utterances(inputs: Inputs) -> None:
    for number, sample in enumerate(inputs.samples["train"]):
        window = inputs.window(sample)
        expected = [present(inputs.audio).read("train", n) for n in range(max(0, number - 2), number + 1)]
        assert len(present(window.recordings)) == len(expected)
        for found, features in zip(present(window.recordings), expected, strict=True):
            assert (found is None) == (features is None)
            assert found is None or (found == present(features).frames).all()
        assert window.worded


def test_numbers_count_on_over_dialogues_and_windows_do_not(inputs: Inputs) -> None:
    talk = inputs.prepared.splits["train"][0]
    found = samples("train", [talk, talk], history=3, tasks=["erc"], labels=["calm"])
    assert [list(s.numbers) for s in found[:4]] == [[0], [0, 1], [0, 1, 2], [1, 2, 3]]
    assert [list(s.numbers) for s in found[8:11]] == [[8], [8, 9], [8, 9, 10]]


def test_speeds_are_drawn_by_the_generator_of_torch_one_for_each_window(inputs: Inputs) -> None:
    chosen = inputs.samples["train"]
    torch.manual_seed(3)
    found = present(inputs.varied(chosen).audio)
    torch.manual_seed(3)
    drawn = [int(torch.randint(len(SPEEDS), ())) for _ in chosen]
    assert set(drawn) == {0, 1, 2}
    windows = [inputs.window(s, number) for s, number in zip(chosen, drawn, strict=True)]
    assert torch.equal(found.frames, present(collate(windows, inputs.shape).audio).frames)
    later = present(inputs.varied(chosen).audio)
    assert later.frames.shape != found.frames.shape or not torch.equal(later.frames, found.frames)


def test_what_is_heard_slower_has_more_frames(inputs: Inputs) -> None:
    plain, slow, fast = (store.length("train", 0) for store in inputs.variants)
    assert slow == pytest.approx(2 * plain, abs=1)
    assert fast == pytest.approx(plain / 2, abs=1)


def test_without_other_speeds_nothing_is_drawn(inputs: Inputs) -> None:
    plain, chosen = replace(inputs, variants=()), inputs.samples["train"]
    before = torch.get_rng_state()
    found = present(plain.varied(chosen).audio)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(found.frames, present(inputs.batch(chosen).audio).frames)


def test_lengths_are_positions_of_audio_where_text_is_not_read(inputs: Inputs) -> None:
    chosen = inputs.samples["train"]
    assert inputs.lengths(chosen) == present(inputs.batch(chosen).audio).mask.sum(dim=1).tolist()
    assert min(inputs.lengths(chosen)) < max(inputs.lengths(chosen))


@pytest.fixture(scope="module")
def fused(voiced_workspace: Workspace, tiny_bert: Path) -> Inputs:
    recipe = check_recipe(voiced_recipe(tiny_bert, "text", "audio"), where="voiced")
    return load_inputs(voiced_workspace, recipe, build_encoders(recipe, device="cpu"), training=True)


def test_lengths_are_positions_of_text_and_audio_together_where_both_are_read(fused: Inputs) -> None:
    chosen = fused.samples["dev"]
    audio = present(fused.batch(chosen).audio).mask.sum(dim=1).tolist()
    assert fused.lengths(chosen) == [sample.positions + n for sample, n in zip(chosen, audio, strict=True)]


def test_a_batch_of_both_modalities_has_a_row_for_each_sample_in_both(fused: Inputs) -> None:
    chosen = fused.samples["dev"]
    batch = fused.batch(chosen)
    assert len(present(batch.text).states) == len(present(batch.audio).frames) == len(chosen) == 24
    # Frames in a position; 8 mel bands and 9 channels of prosody.
    assert present(batch.audio).frames.shape[2:] == (4, 17)
    assert not present(batch.audio).recorded.all()
    assert present(batch.audio).recorded.any()


def test_other_speeds_and_distortions_are_those_of_the_train_split_alone(
    voiced_workspace: Workspace, tiny_bert: Path
) -> None:
    values = voiced_recipe(tiny_bert)
    values["training"] = {**values["training"], "speeds": [0.8, 1.0], "distortions": ["telephone"]}
    recipe = check_recipe(values, where="voiced")
    encoders = build_encoders(recipe, device="cpu")
    plain = load_inputs(voiced_workspace, recipe, encoders)
    varied = load_variants(voiced_workspace, recipe, plain, encoders)
    slow, same, distorted = varied.variants
    assert same is plain.audio is varied.audio
    assert set(slow.counts) == set(distorted.counts) == {"train"}
    assert distorted.length("train", 1) == plain.audio.length("train", 1)
    assert slow.length("train", 1) > plain.audio.length("train", 1)


def test_a_dataset_without_recordings_is_answered_from_the_text_and_not_trained_on(
    tmp_path: Path, tiny_bert: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(tmp_path)
    save_toy_dataset(workspace)
    recipe = check_recipe(voiced_recipe(tiny_bert, "text", "audio", dataset="toy"), where="voiced")
    encoders = build_encoders(recipe, device="cpu")
    inputs = load_inputs(workspace, recipe, encoders)
    assert "toy has no recordings: predicting from the text alone" in capsys.readouterr().err
    assert inputs.batch(inputs.samples["dev"][:2]).audio is None
    with pytest.raises(DataError, match="no utterance of the dataset 'toy' has a recording"):
        load_inputs(workspace, recipe, encoders, training=True)
    heard = check_recipe(voiced_recipe(tiny_bert, dataset="toy"), where="voiced")
    with pytest.raises(DataError, match="no utterance of the dataset 'toy' has a recording"):
        load_inputs(workspace, heard, build_encoders(heard, device="cpu"))


def test_encoders_of_a_modality_that_is_not_read_are_not_built(tiny_bert: Path) -> None:
    built = {
        modalities: build_encoders(check_recipe(voiced_recipe(tiny_bert, *modalities), where="voiced"), device="cpu")
        for modalities in (("text",), ("audio",), ("text", "audio"))
    }
    assert [(e.text is None, e.audio is None) for e in built.values()] == [(False, True), (True, False), (False, False)]
    assert [list(e.identities) for e in built.values()] == [
        ["text_encoder"],
        ["audio_encoder"],
        ["text_encoder", "audio_encoder"],
    ]
    plain = build_encoders(check_recipe(toy_recipe(tiny_bert), where="toy"), device="cpu")
    assert plain.audio is None


def test_a_dataset_without_labels_cannot_be_trained_on(tmp_path: Path, tiny_bert: Path) -> None:
    source = tmp_path / "calls.csv"
    source.write_text("speaker,text\nA,Hello.\nB,Yes?\n", encoding="utf-8")
    workspace = Workspace(tmp_path / "work")
    prepare(workspace, "csv", [source], name="calls")
    recipe = check_recipe(toy_recipe(tiny_bert, dataset="calls"), where="toy")
    with pytest.raises(DataError, match=r"the dataset 'calls' is unlabelled .training needs gold labels"):
        load_inputs(workspace, recipe, build_encoders(recipe, device="cpu"), training=True)
