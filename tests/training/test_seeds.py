"""Several seeds: a run for each, and how far they differ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import toy_recipe
from scipy import stats

from ecef_cli.cli.main import run as run_cli
from ecef_cli.recipe.model import check_recipe
from ecef_cli.runs.run import find_run
from ecef_cli.training.seeds import _spread
from ecef_cli.workspace import Workspace

Ecef = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def ecef(toy_workspace: Workspace, tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ecef:
    """Train a short recipe from the command line, and return the exit code, the folders and what was said."""
    values = toy_recipe(tiny_bert, tasks=["erc"])
    values["text_encoder"] = {**values["text_encoder"], "trainable_layers": 0}
    values["training"] = {**values["training"], "epochs": 1}
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(values))

    def run(*options: str) -> tuple[int, list[str], list[str]]:
        code = run_cli(["--workspace", str(toy_workspace.root), "train", str(path), "--device", "cpu", *options])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()

    return run


def test_seeds_are_trained_one_after_another_and_only_once(ecef: Ecef, toy_workspace: Workspace) -> None:
    code, out, err = ecef("--seeds", "2", "--seed", "7", "--name", "few")
    assert code == 0
    assert out == [str(toy_workspace.run(f"few-seed{seed}")) for seed in (7, 8)]
    assert [find_run(toy_workspace, f"few-seed{seed}").recipe.training.seed for seed in (7, 8)] == [7, 8]
    table = err[-6:]
    assert table[0].split("  ")[0] == "seeds 7, 8"
    assert [line.split()[:3] for line in table[2:]] == [["dev", "ERC", m] for m in ("Acc", "W-F1", "UAR", "M-F1")]
    code, again, err = ecef("--seeds", "3", "--seed", "7", "--name", "few")
    assert code == 0
    assert again == [*out, str(toy_workspace.run("few-seed9"))]
    assert sum("nothing to do, the run is in" in line for line in err) == 2
    assert err[-6].startswith("seeds 7, 8, 9")


def test_a_start_may_be_of_the_same_seed(ecef: Ecef, toy_workspace: Workspace) -> None:
    ecef("--seeds", "2", "--name", "base")
    code, _, err = ecef("--seeds", "2", "--name", "on", "--set", "training.start=base-seed{seed}")
    assert code == 0, err
    for seed in (1, 2):
        run = find_run(toy_workspace, f"on-seed{seed}")
        assert run.recipe.training.start == f"base-seed{seed}"
        assert f"Started from the run `base-seed{seed}`" in (run.folder / "README.md").read_text()
    one, two = (find_run(toy_workspace, f"on-seed{seed}").identities["start"] for seed in (1, 2))
    assert one != two


def test_a_start_is_of_the_seed_that_is_set(tiny_bert: Path) -> None:
    values = toy_recipe(tiny_bert)
    values["training"] = {**values["training"], "seed": 5, "start": "runs/a{seed}/b{seed}"}
    assert check_recipe(values, where="toy").training.start == "runs/a5/b5"


def test_no_seeds_are_refused(ecef: Ecef) -> None:
    code, out, err = ecef("--seeds", "0")
    assert (code, out) == (2, [])
    assert "--seeds" in err[0]


def test_the_interval_is_student_s() -> None:
    scores = [61.0, 64.5, 60.25, 63.0]
    middle, interval = _spread(scores)
    low, high = stats.ttest_1samp(scores, 0).confidence_interval(0.95)
    assert interval == f"{low:.2f} to {high:.2f}"
    assert middle == "62.19 ± 1.93"
    assert _spread([50.0]) == ("50.00", "needs three seeds")
    assert _spread([49.0, 51.0]) == ("50.00 ± 1.41", "needs three seeds")
