"""The two-step fusion from a recipe to a prediction: what is trained, what is stored, what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import save_tiny_model, save_voiced_dataset, voiced_recipe
from narrow import present
from safetensors.torch import load_file

from ecef_cli.api.errors import PluginError
from ecef_cli.evaluation.evaluate import evaluate
from ecef_cli.features.encoders import build_encoders
from ecef_cli.prediction.predictor import Predictor
from ecef_cli.recipe.model import Recipe, check_recipe
from ecef_cli.runs.run import Run, build_network
from ecef_cli.samples.inputs import load_inputs, load_variants
from ecef_cli.training.loop import train
from ecef_cli.workspace import Workspace


def values(bert: Path, *modalities: str, training: dict[str, Any] | None = None, **fusion: Any) -> dict[str, Any]:
    found = voiced_recipe(bert, *modalities)
    found["fusion"] = {
        "name": "mfm",
        "layers": 1,
        "heads": 4,
        "language": {"model": str(bert)},
        "vision": {"model": "none", "width": 16, "heads": 2},
        "spectrum": {"bins": 32, "hop": 20.0},
        "patch": 8,
        **fusion,
    }
    found["training"] = {**found["training"], **(training or {})}
    return found


def recipe_of(bert: Path, *modalities: str, **changes: Any) -> Recipe:
    return check_recipe(values(bert, *modalities, **changes), where="voiced")


@pytest.fixture(scope="module")
def two_steps(voiced_workspace: Workspace, tiny_bert: Path) -> Run:
    """A run of text and recordings, fused in two steps."""
    return train(voiced_workspace, recipe_of(tiny_bert, "text", "audio"), name="two-steps", device="cpu")


def test_it_learns_from_both(voiced_workspace: Workspace, two_steps: Run) -> None:
    report = evaluate(voiced_workspace, two_steps, split="test", device="cpu")
    assert report.tasks["erc"].model.accuracy > 80  # text alone knows a third, and guesses a third of the rest


def test_frozen_layers_are_not_stored_and_their_checksum_is(two_steps: Run, tiny_bert: Path) -> None:
    stored = load_file(two_steps.weights)
    assert not [key for key in stored if ".language." in key]
    assert [key for key in stored if key.startswith("second.blocks.0.vision.")]
    identity = recipe_of(tiny_bert, "text", "audio").component("fusion").identity()
    assert json.loads((two_steps.folder / "run.json").read_text())["identities"]["fusion"] == identity
    assert f"frozen layers are not stored here (checksum {identity})" in (two_steps.folder / "README.md").read_text()


def test_other_frozen_layers_are_refused(two_steps: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(two_steps.folder, folder)
    other = save_tiny_model(tmp_path / "other", "bert", seed=3)
    recipe = two_steps.recipe
    fusion = present(recipe.fusion).model_copy(update={"language": {"model": str(other), "layers": None}})
    run = Run(
        folder, recipe.model_copy(update={"fusion": fusion}), two_steps.labels, two_steps.identities, two_steps.dataset
    )
    with pytest.raises(PluginError, match="the weights of 'mfm' differ from those that run was trained on"):
        run.network(build_encoders(run.recipe, device="cpu"))


def test_predictions_agree_with_the_evaluation(voiced_workspace: Workspace, two_steps: Run) -> None:
    encoders = build_encoders(two_steps.recipe, device="cpu")
    inputs = load_inputs(voiced_workspace, two_steps.recipe, encoders)
    predictor, network = Predictor(two_steps, device="cpu"), two_steps.network(encoders)
    talk = inputs.prepared.splits["test"][0].utterances
    samples = inputs.samples["test"][: len(talk)]
    with torch.inference_mode():
        expected = network(inputs.batch(samples))["erc"].softmax(dim=1).numpy()
    answers = predictor.predict([talk[s.first : s.last + 1] for s in samples])
    found = np.stack([answer.probabilities["erc"] for answer in answers])
    np.testing.assert_allclose(found, expected, atol=5e-3)  # stored features are float16


@pytest.mark.parametrize("modalities", [("audio",), ("text", "audio")])
def test_every_trained_weight_moves_and_no_frozen_one(
    voiced_workspace: Workspace, tiny_bert: Path, tiny_vit: Path, tmp_path: Path, modalities: tuple[str, ...]
) -> None:
    recipe = recipe_of(tiny_bert, *modalities, vision={"model": str(tiny_vit)}, patch=16, training={"epochs": 1})
    encoders = build_encoders(recipe, device="cpu")
    torch.manual_seed(recipe.training.seed)
    before = build_network(recipe, encoders, 3)
    frozen = {name: value.clone() for name, value in before.named_buffers() if name.startswith("second.")}
    assert len(frozen) > 40
    run = train(voiced_workspace, recipe, name=f"moves-{'-'.join(modalities)}", device="cpu")
    after = run.network(encoders)
    for name, value in after.named_buffers():
        if name.startswith("second."):
            assert torch.equal(value, frozen[name]), name
    own = dict(before.named_parameters())
    still = [name for name, value in after.named_parameters() if torch.equal(value, own[name])]
    assert still in ([], ["audio.absent", "second.embedding.absent"])


def test_without_the_second_step_no_spectrum_is_made(tmp_path: Path, tiny_bert: Path) -> None:
    workspace = Workspace(tmp_path / "work")
    save_voiced_dataset(workspace, tmp_path / "sound", train=2)
    for second, count in (("none", 1), ("mfm", 2)):
        recipe = recipe_of(tiny_bert, "audio", second_step=second)
        inputs = load_inputs(workspace, recipe, build_encoders(recipe, device="cpu"), training=True)
        assert (inputs.spectrum is None) == (second == "none")
        assert len(list((workspace.dataset("voiced") / "features").glob("*/index.json"))) == count


def test_training_hears_frames_and_spectrum_at_one_speed(tmp_path: Path, tiny_bert: Path) -> None:
    workspace = Workspace(tmp_path / "work")
    save_voiced_dataset(workspace, tmp_path / "sound", train=2)
    recipe = recipe_of(tiny_bert, "audio", training={"speeds": [0.5, 1.0, 2.0]})
    encoders = build_encoders(recipe, device="cpu")
    inputs = load_inputs(workspace, recipe, encoders, training=True)
    inputs = load_variants(workspace, recipe, inputs, encoders)
    [sample] = [s for s in inputs.samples["train"] if present(inputs.audio).length("train", s.number)][:1]
    plain = present(inputs.audio).length("train", sample.number)
    for variant, factor in enumerate((2.0, 1.0, 0.5)):
        window = inputs.window(sample, variant)
        recording, spectrum = present(present(window.recordings)[-1]), present(present(window.spectra)[-1])
        assert len(recording) == pytest.approx(factor * plain, abs=2)
        assert len(spectrum) == pytest.approx(len(recording), abs=2)  # both are 50 a second


def test_a_spectrum_is_computed_once_however_much_of_it_is_read(tmp_path: Path, tiny_bert: Path) -> None:
    workspace = Workspace(tmp_path / "work")
    save_voiced_dataset(workspace, tmp_path / "sound", train=1)
    shapes = []
    for longest in (1.0, 9.0):
        recipe = recipe_of(tiny_bert, "audio", spectrum={"bins": 32, "hop": 20.0, "longest": longest})
        inputs = load_inputs(workspace, recipe, build_encoders(recipe, device="cpu"), training=True)
        batch = inputs.batch(inputs.samples["dev"])
        shapes.append(present(batch.spectrum).mask.shape[1])
    assert shapes[0] == 6  # a second, in patches of 8 frames of 20 ms
    assert shapes[1] > 6
    assert len(list((workspace.dataset("voiced") / "features").glob("*/index.json"))) == 2


def test_stopped_and_resumed_it_ends_at_the_same_weights(
    voiced_workspace: Workspace, tiny_bert: Path, two_steps: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecef_cli.training.loop import Trainer

    def stop_after(epochs: int) -> Callable[..., None]:
        kept = Trainer._save

        def save(self: Trainer) -> None:
            kept(self)
            if len(self.progress.log) == epochs and not self.progress.finished:
                raise KeyboardInterrupt

        return save

    recipe = recipe_of(tiny_bert, "text", "audio")
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save", stop_after(4))
        with pytest.raises(KeyboardInterrupt):
            train(voiced_workspace, recipe, name="stopped", device="cpu")
    resumed = train(voiced_workspace, recipe, name="stopped", device="cpu")
    found, expected = load_file(resumed.weights), load_file(two_steps.weights)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_a_run_without_the_models_at_hand_says_which_setting_names_them(two_steps: Run, tmp_path: Path) -> None:
    recipe = two_steps.recipe
    fusion = present(recipe.fusion).model_copy(update={"language": {"model": str(tmp_path / "gone"), "layers": None}})
    run = Run(
        two_steps.folder,
        recipe.model_copy(update={"fusion": fusion}),
        two_steps.labels,
        two_steps.identities,
        two_steps.dataset,
    )
    with pytest.raises(PluginError, match=r"fusion\.language\.model: no folder"):
        Predictor(run, device="cpu")
