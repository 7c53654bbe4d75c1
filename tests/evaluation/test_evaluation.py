"""Evaluation: scores against hand counts, baselines, and what is written down."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ecef_cli.card import write_card
from ecef_cli.encoders import build_encoders
from ecef_cli.errors import DataError, PluginError
from ecef_cli.evaluation.evaluate import evaluate
from ecef_cli.metrics import score
from ecef_cli.run import Run, open_run

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
    toy_workspace: Workspace, toy_run: Run, tmp_path: Path, capsys
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(toy_run.folder, folder)
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps({**metrics, "finished": False}))
    run = open_run(folder)
    evaluate(toy_workspace, run, split="test", device="cpu")
    assert "the training of run is not over" in capsys.readouterr().err
    assert "| test | toy | ERC |" in (folder / "README.md").read_text()
    from safetensors.torch import load_file, save_file

    later = {key: value + 1 for key, value in load_file(run.weights).items()}
    save_file(later, run.weights)
    write_card(run)
    assert "| test | toy | ERC |" not in (folder / "README.md").read_text()


def run_ecef(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ecef_cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_the_command_prints_tables_and_json(toy_workspace: Workspace, toy_run: Run) -> None:
    base = ["--workspace", toy_workspace.root, "eval", "shared", "--device", "cpu"]
    printed = run_ecef(*base, "--format", "table").stdout
    for word in ("ERC on toy test, 36 targets", "W-F1", "UAR", "baseline: repeat-last (gold)", "confusion"):
        assert word in printed
    assert json.loads(run_ecef(*base).stdout)["tasks"]["epc"]["model"]["targets"] == 30


def test_a_run_that_does_not_exist_names_the_nearest(toy_workspace: Workspace, toy_run: Run) -> None:
    failed = run_ecef("--workspace", toy_workspace.root, "eval", "shaerd")
    assert failed.returncode == 2
    assert failed.stderr.splitlines()[-1].endswith("has no run 'shaerd' (did you mean 'shared'?)")


def test_a_run_with_other_frozen_weights_is_refused(toy_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(toy_run.folder, folder)
    facts = json.loads((folder / "run.json").read_text())
    facts["identities"]["text_encoder"] = "0" * 32
    (folder / "run.json").write_text(json.dumps(facts))
    run = open_run(folder)
    with pytest.raises(PluginError, match=r"not those that run was trained on"):
        run.network(build_encoders(run.recipe, device="cpu"))


def test_a_run_whose_relations_have_changed_is_warned_of(toy_run: Run, tmp_path: Path, capsys) -> None:
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
