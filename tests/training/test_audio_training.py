"""Training on recordings: it learns from them, resumes, and starts from another run."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import save_voiced_dataset, toy_recipe, voiced_recipe
from narrow import instance, present
from safetensors.torch import load_file

from ecef_cli.api.dialogue import Utterance
from ecef_cli.api.errors import DataError, EcefError, RecipeError, UsageProblem
from ecef_cli.corpus.tolerance import Tolerance
from ecef_cli.evaluation.evaluate import evaluate
from ecef_cli.features.encoders import build_encoders
from ecef_cli.prediction.predictor import Predictor
from ecef_cli.recipe.model import check_recipe
from ecef_cli.recipe.sections import ModalityDropout
from ecef_cli.runs.run import Run, build_network, find_run, open_run
from ecef_cli.samples.inputs import load_inputs
from ecef_cli.training import loop, preparation
from ecef_cli.training.loop import train
from ecef_cli.workspace import Workspace

AUGMENTED = {
    "epochs": 2,
    "masking": {"times": 1, "channels": 1},
    "modality_dropout": {"audio": 0.2, "text": 0.2},
    "speeds": [1.0, 0.8],
    "distortions": ["noise", "telephone", "pitch"],
}


@pytest.fixture
def trained(voiced_workspace: Workspace, tiny_bert: Path) -> Callable[..., Run]:
    """Train on the toy recordings, with settings of the training and other changes of the recipe."""

    def run(name: str, *modalities: str, training: dict[str, Any] | None = None, **changes: object) -> Run:
        values = voiced_recipe(tiny_bert, *modalities, **changes)
        values["training"] = {**values["training"], **(training or {})}
        return train(voiced_workspace, check_recipe(values, where="voiced"), name=name, device="cpu")

    return run


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.weights)


def same(one: Run, other: Run) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def best(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.folder / "metrics.json").read_text())["best"]
    return found


def test_it_learns_from_recordings_alone(voiced_workspace: Workspace, heard_run: Run) -> None:
    assert best(heard_run)["erc"]["weighted_f1"] > 85
    assert best(heard_run)["epc"]["uar"] > 80
    report = evaluate(voiced_workspace, heard_run, split="test", device="cpu")
    assert report.tasks["erc"].model.weighted_f1 > 85
    assert {key.split(".")[0] for key in weights(heard_run)} == {"audio", "audio_heads"}


def test_it_learns_from_text_and_recordings_what_neither_tells_alone(
    voiced_workspace: Workspace, fused_run: Run, trained: Callable[..., Run]
) -> None:
    report = evaluate(voiced_workspace, fused_run, split="test", device="cpu")
    assert report.tasks["erc"].model.weighted_f1 > 85
    text = trained("text", "text", training={"epochs": 4})
    assert best(text)["erc"]["weighted_f1"] < 75
    assert {key.split(".")[0] for key in weights(fused_run)} == {
        "text",
        "text_heads",
        "audio",
        "audio_heads",
        "fusion",
    }


def interrupted(monkeypatch: pytest.MonkeyPatch, at: int, run: Callable[[], Run]) -> None:
    """Train up to a step and interrupt it there."""
    original, steps = loop.Trainer._step, 0

    def interrupting(self: loop.Trainer, members: Sequence[int], step: int) -> float:
        nonlocal steps
        steps += 1
        if steps == at:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, members, step)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Trainer, "_step", interrupting)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert steps == at


def test_an_interrupted_training_goes_on_to_the_same_weights(
    trained: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(name: str) -> Run:
        return trained(name, "text", "audio", training=AUGMENTED)

    whole = run("augmented")
    interrupted(monkeypatch, 5, lambda: run("augmented-stopped"))
    interrupted(monkeypatch, 12, lambda: run("augmented-stopped"))
    assert same(whole, run("augmented-stopped"))


@pytest.mark.parametrize("left_out", ["masking", "modality_dropout", "speeds", "distortions"])
def test_every_augmentation_changes_what_is_learned(trained: Callable[..., Run], left_out: str) -> None:
    short = {**AUGMENTED, "epochs": 1}
    whole = trained("one-epoch", "text", "audio", training=short)
    less = {k: v for k, v in short.items() if k != left_out}
    assert not same(whole, trained(f"without-{left_out}", "text", "audio", training=less))


# ---------------------------------------------------------------------------------- starting from another run


def test_frozen_layers_are_those_of_the_start_bit_for_bit(frozen_run: Run, toy_run: Run) -> None:
    before, after = weights(toy_run), weights(frozen_run)
    assert {key for key in after if key.startswith("text")} == before.keys()
    for key, value in before.items():
        assert torch.equal(after[key], value), key
    fresh = build_network(frozen_run.recipe, build_encoders(frozen_run.recipe, device="cpu"), 3)
    assert any(not torch.equal(after[k], v) for k, v in fresh.state_dict().items() if k.startswith("audio."))


def test_without_recordings_a_run_with_frozen_text_scores_as_its_start(
    tmp_path: Path, toy_workspace: Workspace, frozen_run: Run, toy_run: Run
) -> None:
    copies = [shutil.copytree(run.folder, tmp_path / run.folder.name) for run in (toy_run, frozen_run)]
    reports = [evaluate(toy_workspace, open_run(f), split="test", device="cpu", dataset="toy") for f in copies]
    for task in ("erc", "epc"):
        assert reports[0].tasks[task].model == reports[1].tasks[task].model


def test_what_is_not_frozen_starts_from_the_run_and_changes(trained: Callable[..., Run], toy_run: Run) -> None:
    settings = {"epochs": 1, "start": str(toy_run.folder), "learning_rate": 1e-12, "encoder_learning_rate": 1e-12}
    near = trained("near", "text", "audio", training=settings)
    far = trained("far", "text", "audio", training={**settings, "learning_rate": 1e-3})
    for key, value in weights(toy_run).items():
        assert torch.allclose(weights(near)[key], value, atol=1e-5), key
    assert any(not torch.allclose(weights(far)[key], value, atol=1e-5) for key, value in weights(toy_run).items())


def test_a_run_names_its_start_and_is_begun_anew_with_another(
    trained: Callable[..., Run], heard_run: Run, toy_run: Run, voiced_workspace: Workspace
) -> None:
    other = voiced_workspace.run("other-start")
    shutil.copytree(heard_run.folder, other)
    run = trained("from-heard", training={"epochs": 1, "start": "other-start"})
    card = (run.folder / "README.md").read_text()
    assert f"Started from the run `other-start` (weights {run.identities['start'][:16]}…)." in card
    shutil.copy(toy_run.weights, other / "model.safetensors")
    with pytest.raises(UsageProblem, match="started with other data or other frozen weights"):
        trained("from-heard", training={"epochs": 1, "start": "other-start"})


def test_layers_cannot_stay_as_they_are_without_a_start(trained: Callable[..., Run]) -> None:
    with pytest.raises(RecipeError, match=r"recipe voiced: training\.freeze needs training\.start"):
        trained("frozen", "text", "audio", training={"freeze": ["text"]})


def test_a_start_must_be_there_and_trained_to_its_end(
    trained: Callable[..., Run], voiced_workspace: Workspace, heard_run: Run
) -> None:
    with pytest.raises(UsageProblem, match="has no run 'haerd' \\(did you mean 'heard'\\?\\)"):
        trained("lost", training={"start": "haerd"})
    half = voiced_workspace.run("half")
    shutil.copytree(heard_run.folder, half)
    metrics = json.loads((half / "metrics.json").read_text())
    (half / "metrics.json").write_text(json.dumps({**metrics, "finished": False}))
    with pytest.raises(UsageProblem, match="the run 'half' is not finished \\(train it to its end first\\)"):
        trained("early", training={"start": "half"})


def test_a_start_must_know_the_same_emotions(
    trained: Callable[..., Run], voiced_workspace: Workspace, heard_run: Run
) -> None:
    glad = voiced_workspace.run("glad")
    shutil.copytree(heard_run.folder, glad)
    facts = json.loads((glad / "run.json").read_text())
    (glad / "run.json").write_text(json.dumps({**facts, "labels": ["glad", "anger", "neutral"]}))
    said = "the run 'glad' has the emotions glad, anger, neutral, this dataset joy, anger, neutral"
    with pytest.raises(UsageProblem, match=said):
        trained("labels", training={"start": "glad"})


def test_a_start_of_another_shape_is_named_with_a_weight(trained: Callable[..., Run], heard_run: Run) -> None:
    with pytest.raises(RecipeError, match=r"has another shape, in \d+ weights such as audio\.absent: \(32,\), not \("):
        trained("wide", training={"start": "heard"}, network={"width": 64, "heads": 4, "layers": 1})


def test_a_start_with_another_encoder_is_refused(
    trained: Callable[..., Run], voiced_workspace: Workspace, heard_run: Run
) -> None:
    other = voiced_workspace.run("other-encoder")
    shutil.copytree(heard_run.folder, other)
    facts = json.loads((other / "run.json").read_text())
    facts["identities"]["audio_encoder"] = "0" * 32
    (other / "run.json").write_text(json.dumps(facts))
    with pytest.raises(UsageProblem, match="the run 'other-encoder' was trained on another audio_encoder"):
        trained("encoder", training={"start": "other-encoder"})


def test_only_what_the_start_has_can_stay_as_it_is(
    trained: Callable[..., Run], heard_run: Run, toy_workspace: Workspace, tiny_bert: Path
) -> None:
    expected = r"'heard' has no text\.\S+, unlike this network, so text cannot be frozen"
    with pytest.raises(RecipeError, match=expected):
        trained("no-text", "text", "audio", training={"start": "heard", "freeze": ["text"]})
    values = toy_recipe(tiny_bert, tasks=["erc"])
    values["training"] = {**values["training"], "epochs": 1}
    one = train(toy_workspace, check_recipe(values, where="toy"), name="erc-alone", device="cpu")
    with pytest.raises(RecipeError, match=r"'erc-alone' has no text_heads\.\S*epc"):
        trained("no-epc", "text", "audio", training={"start": str(one.folder), "freeze": ["text"]})


def test_a_start_is_looked_at_before_an_older_run_is_thrown_away(
    voiced_workspace: Workspace, tiny_bert: Path, heard_run: Run
) -> None:
    old = voiced_workspace.run("old")
    shutil.copytree(heard_run.folder, old)
    values = voiced_recipe(tiny_bert)
    values["training"] = {**values["training"], "start": "nowhere"}
    recipe = check_recipe(values, where="voiced")
    with pytest.raises(UsageProblem, match="has no run 'nowhere'"):
        train(voiced_workspace, recipe, name="old", device="cpu", force=True)
    assert find_run(voiced_workspace, "old").finished


# --------------------------------------------------------------------------------------- broken recordings, card


def test_broken_recordings_within_the_tolerance_cost_themselves_alone(
    tmp_path: Path, tiny_bert: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(tmp_path)
    save_voiced_dataset(workspace, tmp_path / "sound", train=4)
    broken = sorted((tmp_path / "sound").glob("train*.flac"))[3]
    broken.write_bytes(broken.read_bytes()[:200])
    values = voiced_recipe(tiny_bert, "text", "audio")
    values["training"] = {**values["training"], "epochs": 1, "speeds": [1.0, 0.9]}
    recipe = check_recipe(values, where="voiced")
    with pytest.raises(DataError, match=r"1 of 48 recordings of utterances cannot be read, more than is tolerated"):
        train(workspace, recipe, name="strict", device="cpu")
    assert str(broken) in capsys.readouterr().err
    run = train(workspace, recipe, name="lenient", device="cpu", tolerance=Tolerance.parse("1"))
    assert run.finished
    with pytest.raises(DataError, match="1 of 48 recordings"):
        evaluate(workspace, run, split="test", device="cpu")
    report = evaluate(workspace, run, split="test", device="cpu", tolerance=Tolerance.parse("3%"))
    assert report.tasks["erc"].model.targets == 24


def test_the_card_names_what_the_audio_goes_through(fused_run: Run, heard_run: Run, frozen_run: Run) -> None:
    fused, heard, frozen = ((run.folder / "README.md").read_text() for run in (fused_run, heard_run, frozen_run))
    for card, run in ((fused, fused_run), (heard, heard_run)):
        assert "- Audio encoder: `logmel-prosody`, frozen; what is frozen is not stored here" in card
        assert run.identities["audio_encoder"] in card
        assert "- Prosody enhancement: `srdvc`." in card
    assert "- Fusion: `cross-attention`." in fused
    assert "- Word relations: `conceptnet`" in fused
    assert not any(word in heard for word in ("Fusion", "Text encoder", "Word relations"))
    assert "; its text layers stay as they were." in frozen


def test_a_model_that_cannot_learn_to_do_without_recordings_is_warned_of(
    voiced_workspace: Workspace, tiny_bert: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = check_recipe(voiced_recipe(tiny_bert, "text", "audio"), where="voiced")
    inputs = load_inputs(voiced_workspace, recipe, build_encoders(recipe, device="cpu"))
    samples = list(inputs.samples["train"])
    heard = [s for s in samples if any(present(inputs.audio).length("train", number) for number in s.numbers)]
    assert len(heard) < len(samples)
    dropping = recipe.model_copy(
        update={"training": recipe.training.model_copy(update={"modality_dropout": ModalityDropout(audio=0.2)})}
    )
    for case, chosen, expected in ((recipe, heard, True), (recipe, samples, False), (dropping, heard, False)):
        capsys.readouterr()
        preparation.warn_of_silence(inputs, case, chosen)
        assert ("every training window has a recording" in capsys.readouterr().err) is expected


@pytest.mark.parametrize(
    ("modalities", "freeze", "start", "expected"),
    [
        (("audio",), ["text"], "heard", "text is not among the modalities"),
        (("text",), ["text"], "heard", "leaves nothing to train"),
        (("text", "audio"), [], "itself", "the run 'itself' cannot start from itself"),
    ],
)
def test_a_start_that_makes_no_sense_costs_nothing(
    trained: Callable[..., Run],
    heard_run: Run,
    voiced_workspace: Workspace,
    modalities: tuple[str, ...],
    freeze: list[str],
    start: str,
    expected: str,
) -> None:
    itself = voiced_workspace.run("itself")
    if not itself.is_dir():
        shutil.copytree(heard_run.folder, itself)
    before = sorted(path.name for path in itself.iterdir())
    with pytest.raises(EcefError, match=expected):
        trained("itself", *modalities, training={"start": start, "freeze": freeze})
    assert sorted(path.name for path in itself.iterdir()) == before


def test_frozen_text_brings_the_settings_of_its_run(
    trained: Callable[..., Run], toy_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    training = {"epochs": 1, "start": str(toy_run.folder), "freeze": ["text"]}
    network = {"width": 64, "heads": 8, "layers": 2, "dropout": 0.3}
    run = trained("adopted", "text", "audio", training=training, history=2, tagger="none", network=network)
    assert "the settings of text are those of shared: history was 2, not 3" in capsys.readouterr().err
    assert (run.recipe.history, run.recipe.tagger) == (toy_run.recipe.history, toy_run.recipe.tagger)
    assert (run.recipe.network.width, run.recipe.network.dropout) == (32, 0.3)
    assert open_run(run.folder).recipe == run.recipe


def test_frozen_text_brings_the_decisions_of_its_run(
    toy_workspace: Workspace, trained: Callable[..., Run], tiny_bert: Path
) -> None:
    decision = {"temperature": {"erc": 3.0}}
    text = train(
        toy_workspace,
        check_recipe(toy_recipe(tiny_bert, cues={"name": "ngrams"}, decision=decision), where="toy"),
        name="tempered",
        device="cpu",
    )
    run = trained("cued", "text", "audio", training={"epochs": 1, "start": str(text.folder), "freeze": ["text"]})
    for name in ("decision.json", "cues.safetensors"):
        assert (run.folder / name).read_bytes() == (text.folder / name).read_bytes()
    said = [Utterance("So it is ten, then.", "A", "talk", 1)]
    one, other = (Predictor(each, device="cpu").predict([said])[0].as_dict() for each in (text, run))
    assert one["prediction"] == other["prediction"]


def test_a_correction_of_nothing_is_the_answer_of_the_text(
    trained: Callable[..., Run], voiced_workspace: Workspace, toy_run: Run
) -> None:
    training = {"epochs": 1, "start": str(toy_run.folder), "freeze": ["text"]}
    network = {**toy_recipe(Path())["network"], "correction": True}
    run = trained("correcting", "text", "audio", training=training, network=network)
    encoders = build_encoders(run.recipe, device="cpu")
    inputs = load_inputs(voiced_workspace, run.recipe, encoders)
    batch = inputs.batch(inputs.samples["dev"])
    mute = replace(batch, audio=None)
    model = run.network(encoders)
    with torch.inference_mode():
        assert not torch.allclose(model(batch)["erc"], model(mute)["erc"], atol=1e-2)
        for head in present(model.audio_heads).classifiers.values():
            instance(torch.nn.Linear, head).weight.zero_()
            instance(torch.nn.Linear, head).bias.zero_()
        assert torch.allclose(model(batch)["erc"], model(mute)["erc"], atol=1e-6)


def test_a_run_names_the_terms_of_its_data_and_of_its_start(
    trained: Callable[..., Run], voiced_workspace: Workspace, toy_run: Run, tmp_path: Path
) -> None:
    start = shutil.copytree(toy_run.folder, tmp_path / "start")
    facts = json.loads((start / "run.json").read_text())
    (start / "run.json").write_text(json.dumps({**facts, "licences": {"toy": "MIT"}}))
    dataset = voiced_workspace.dataset("voiced") / "dataset.json"
    before = dataset.read_text()
    dataset.write_text(json.dumps({**json.loads(before), "licence": "CC BY 4.0"}))
    try:
        run = trained("licensed", "text", "audio", training={"epochs": 1, "start": str(start)})
    finally:
        dataset.write_text(before)
    assert run.terms == open_run(run.folder).terms == "toy (MIT) and voiced (CC BY 4.0)"
    assert f"Terms of the data that its weights come from: {run.terms}." in (run.folder / "README.md").read_text()
