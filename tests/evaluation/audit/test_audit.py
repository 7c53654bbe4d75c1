"""The audit: honest components pass, and each way to leak fails its check."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import save_toy_dataset, save_voiced_dataset, toy_dialogue, toy_recipe, voiced_recipe
from narrow import present

from ecef_cli.api.dialogue import Dialogue, Utterance
from ecef_cli.cli.main import run as ecef
from ecef_cli.corpus.checks.check import Check
from ecef_cli.corpus.manifest import load_prepared
from ecef_cli.evaluation.audit.audit import audit_recipe, audit_run
from ecef_cli.evaluation.audit.data import check_duplicates, check_selection, check_stored
from ecef_cli.features.encoders import build_encoders
from ecef_cli.prediction.stream import window_probabilities
from ecef_cli.recipe.model import Recipe, check_recipe
from ecef_cli.runs.run import Run, open_run
from ecef_cli.samples.inputs import recipe_features, stored_features
from ecef_cli.workspace import Workspace

TRAINING, LABELS = "training: batches of windows up to n", "no prediction depends on labels and other columns"
ALONE, TOGETHER = "prediction: windows one at a time", "prediction: all windows at once"
STORED, TWICE, CHOSEN = (
    "stored features match the recipe's windows",
    "no dialogue is in two splits",
    "the epoch is chosen on dev",
)


def status(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.status for check in checks}


def test_a_trained_run_of_text_passes(toy_workspace: Workspace, toy_run: Run) -> None:
    every = [TRAINING, LABELS, ALONE, TOGETHER, STORED, TWICE, CHOSEN]
    assert status(audit_run(toy_workspace, toy_run, window_probabilities, device="cpu")) == dict.fromkeys(
        every, "passed"
    )


def test_a_trained_run_of_text_and_recordings_passes(voiced_workspace: Workspace, fused_run: Run) -> None:
    found = status(audit_run(voiced_workspace, fused_run, window_probabilities, device="cpu"))
    assert {found[name] for name in (TRAINING, LABELS, ALONE, TOGETHER, STORED, CHOSEN)} == {"passed"}


def test_a_recipe_is_audited_before_it_is_trained(tmp_path: Path, tiny_bert: Path) -> None:
    workspace = Workspace(tmp_path / "work")
    save_voiced_dataset(workspace, tmp_path / "sound", train=2)
    recipe = check_recipe(voiced_recipe(tiny_bert, "text", "audio"), where="voiced")
    found = status(audit_recipe(workspace, recipe, window_probabilities, device="cpu"))
    assert {found[name] for name in (TRAINING, LABELS, ALONE, TOGETHER)} == {"passed"}
    assert found[STORED] == found[CHOSEN] == "not measured"
    assert not (workspace.root / "runs").exists()
    assert not (workspace.dataset("voiced") / "features").exists()


HOOK = """
from ecef_cli.api import hookimpl

@hookimpl
def ecef_register_{kind}s(register):
    register("peeking", "peeking_at_test:Peeking")
"""

PEEKING_FUSION = """
from torch import nn
from ecef_cli.api.components import Fusion

class Peek(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.join = nn.Linear(width, width)

    def forward(self, inputs):
        joined = self.join(inputs.audio)
        return joined + joined.mean(dim=(0, 1))  # of all windows of the batch

class Peeking(Fusion):
    def build(self, width):
        return Peek(width)
"""

PEEKING_ENCODER = """
from dataclasses import replace
from ecef_text.encoder import HuggingFaceEncoder

class Peeking(HuggingFaceEncoder):
    def encode(self, windows):
        longest = max(window.positions for window in windows)
        return [replace(found, states=found.states + longest / 10) for found in super().encode(windows)]
"""


def test_a_fusion_that_looks_at_other_windows_of_its_batch_is_caught(
    install: Callable[..., None], tmp_path: Path, tiny_bert: Path
) -> None:
    install("peeker", HOOK.format(kind="fusion"), peeking_at_test=PEEKING_FUSION)
    workspace = Workspace(tmp_path / "work")
    save_voiced_dataset(workspace, tmp_path / "sound", train=2)
    values = voiced_recipe(tiny_bert, "text", "audio", fusion={"name": "peeking"})
    found = status(audit_recipe(workspace, check_recipe(values, where="peeking"), window_probabilities, device="cpu"))
    assert found[TRAINING] == found[TOGETHER] == "failed"
    assert found[ALONE] == "passed"


def test_a_text_encoder_that_looks_at_later_windows_is_caught(
    install: Callable[..., None], tmp_path: Path, tiny_bert: Path
) -> None:
    install("peeker", HOOK.format(kind="text_encoder"), peeking_at_test=PEEKING_ENCODER)
    workspace = Workspace(tmp_path / "work")
    save_toy_dataset(workspace)
    values = toy_recipe(tiny_bert, text_encoder={"name": "peeking", "model": str(tiny_bert)})
    found = status(audit_recipe(workspace, check_recipe(values, where="peeking"), window_probabilities, device="cpu"))
    assert found[TRAINING] == found[TOGETHER] == "failed"


def test_a_label_that_is_read_is_caught(
    monkeypatch: pytest.MonkeyPatch, toy_workspace: Workspace, toy_run: Run
) -> None:
    from ecef_cli.evaluation.audit import perturbation

    class Telltale(Dialogue):
        """A dialogue whose texts say their labels, as a column that nobody thinks of does."""

        def __init__(self, name: str, said: tuple[Utterance, ...]) -> None:
            super().__init__(name, tuple(replace(u, text=f"{u.text} {u.emotion}") for u in said))

    monkeypatch.setattr(perturbation, "Dialogue", Telltale)
    found = status(audit_run(toy_workspace, toy_run, window_probabilities, device="cpu"))
    assert found[LABELS] == "failed"
    assert found[TRAINING] == "passed"


def test_features_of_another_window_are_caught(tmp_path: Path, tiny_bert: Path) -> None:
    workspace = Workspace(tmp_path / "work")
    save_toy_dataset(workspace)
    prepared = load_prepared(workspace, "toy")
    long, short = (check_recipe(toy_recipe(tiny_bert, history=n), where="toy") for n in (3, 2))
    encoder = present(build_encoders(long, device="cpu").text)
    run = Run(tmp_path, long, prepared.labels, {}, {})
    assert stored_features(workspace, long, prepared, encoder) is None
    assert check_stored(None, run, prepared, encoder).status == "not measured"
    right, wrong = (recipe_features(workspace, recipe, prepared, encoder) for recipe in (long, short))
    assert check_stored(right, run, prepared, encoder).status == "passed"
    assert check_stored(wrong, run, prepared, encoder).status == "failed"
    # The same windows, of other weights.
    other = replace_model(tmp_path, long)
    assert check_stored(right, run, prepared, present(build_encoders(other, device="cpu").text)).status == "failed"


def replace_model(folder: Path, recipe: Recipe) -> Recipe:
    from conftest import save_tiny_model

    save_tiny_model(folder / "other", "bert", seed=9)
    encoder = present(recipe.text_encoder)
    options = {**encoder.options, "model": str(folder / "other")}
    return recipe.model_copy(update={"text_encoder": encoder.model_copy(update=options)})


def test_a_few_duplicates_are_noted_and_many_fail(toy_workspace: Workspace) -> None:
    prepared = load_prepared(toy_workspace, "toy")
    own = tuple(distinct(f"t{n}", n) for n in range(300))
    for count, expected in ((0, "passed"), (1, "noted"), (10, "failed")):
        tests = (*(distinct(f"e{n}", 1000 + n) for n in range(150 - count)), *own[:count])
        found = check_duplicates(replace(prepared, splits={"train": own, "test": tests}))
        assert found.status == expected, found
        assert not count or f"{count} of 150 test dialogues" in found.found


def distinct(name: str, number: int) -> Dialogue:
    dialogue = toy_dialogue(name, number)
    return replace(dialogue, utterances=tuple(replace(u, text=f"{u.text} {number}") for u in dialogue.utterances))


def test_an_epoch_that_is_not_the_best_on_dev_is_caught(tmp_path: Path, toy_run: Run) -> None:
    folder = tmp_path / "run"
    shutil.copytree(toy_run.folder, folder)
    assert check_selection(open_run(folder)).status == "passed"
    metrics = json.loads((folder / "metrics.json").read_text())
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    worst = min(entries, key=lambda entry: entry["selection"])
    for changed in ({"best": worst}, {"split": "test"}):
        (folder / "metrics.json").write_text(json.dumps(metrics | changed))
        assert check_selection(open_run(folder)).status == "failed"


def test_the_command_prints_a_row_a_check_and_exits_with_3_where_one_fails(
    toy_workspace: Workspace, toy_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(toy_run.folder, folder)
    metrics = json.loads((folder / "metrics.json").read_text())
    for split, code, failed in (("dev", 0, []), ("test", 3, [CHOSEN])):
        (folder / "metrics.json").write_text(json.dumps(metrics | {"split": split}))
        assert ecef(["--workspace", str(toy_workspace.root), "audit", str(folder)]) == code
        shown = capsys.readouterr()
        rows = [json.loads(line) for line in shown.out.splitlines()]
        assert [row["check"] for row in rows] == [TRAINING, LABELS, ALONE, TOGETHER, STORED, TWICE, CHOSEN]
        assert [row["check"] for row in rows if row["status"] == "failed"] == failed
    assert shown.err.splitlines()[-1].startswith(f"ecef: {folder}: 1 of 7 checks failed: {CHOSEN}")


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["sharde"], 2, "no run or recipe is called 'sharde'"),
        (["meld-mini"], 3, "the dataset 'meld' is not prepared"),
        (["meld-mini", "--set", "historie=2"], 2, "historie: no such setting"),
    ],
)
def test_wrong_input_is_one_line_and_the_right_code(
    toy_workspace: Workspace, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, problem: str
) -> None:
    assert ecef(["--workspace", str(toy_workspace.root), "audit", *arguments]) == code
    assert problem in capsys.readouterr().err
