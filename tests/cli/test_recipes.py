"""`ecef recipes` as a user meets it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from ecef_cli.cli.main import run
from ecef_cli.recipe import shipped
from ecef_cli.recipe.model import load_recipe

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """\
name: {name}
summary: a test's
dataset: meld
tasks: {tasks}
tagger: none
text_encoder: {{name: huggingface, model: some-model}}
"""


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two recipes that come with ecef, and an empty folder to work in."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for name, tasks in (("alpha", "[erc]"), ("beta", "[erc, epc]")):
        (folder / f"{name}.yaml").write_text(RECIPE.format(name=name, tasks=tasks), encoding="utf-8")
    monkeypatch.setattr(shipped, "recipes_folder", lambda: folder)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return folder


def test_list_shows_name_tasks_dataset_and_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "list"]) == 0
    first, second = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert first == {"name": "alpha", "tasks": ["erc"], "dataset": "meld", "summary": "a test's"}
    assert second["tasks"] == ["erc", "epc"]
    assert run(["recipes", "list", "--format", "table"]) == 0
    assert "erc, epc" in capsys.readouterr().out


def test_show_prints_the_recipe_with_every_default_and_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "show", "alpha", "--set", "training.seed=9", "--set", "history=2"]) == 0
    captured = capsys.readouterr()
    values = yaml.safe_load(captured.out)
    assert values == load_recipe("alpha", ["training.seed=9", "history=2"]).dumped()
    assert values["training"]["seed"] == 9
    assert captured.err == ""


def test_what_show_prints_is_a_recipe(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run(["recipes", "show", "beta"])
    path = tmp_path / "shown.yaml"
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    assert run(["recipes", "check", str(path)]) == 0
    assert load_recipe(str(path)) == load_recipe("beta")


def test_check_says_ok_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "check", "alpha"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "alpha: ok\n"


def test_check_names_all_problems_at_once_and_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--set", "histroy=2", "--set", "training.epochs=0", "--set", "text_encoder.modle=x"]
    assert run(["recipes", "check", "alpha", *settings]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    first, *problems = captured.err.splitlines()
    assert first == "ecef: recipe alpha: 3 problems"
    assert len(problems) == 3
    assert all(line.startswith("  --set: ") for line in problems)


@pytest.mark.parametrize("command", ["show", "check"])
def test_a_recipe_that_does_not_exist_exits_with_2(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert run(["recipes", command, "alhpa"]) == 2
    assert "did you mean 'alpha'?" in capsys.readouterr().err


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "schema"]) == 0
    assert "training" in json.loads(capsys.readouterr().out)["properties"]


def test_init_writes_a_recipe_that_passes_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "here" / "mine.yaml"
    assert run(["recipes", "init", "mine.yaml"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "mine.yaml: written, with the values of beta\n"
    assert run(["recipes", "check", "mine.yaml"]) == 0
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert load_recipe(str(path)).name == "mine"
    assert list(path.parent.iterdir()) == [path]


def test_init_from_starts_with_that_recipe_s_values(tmp_path: Path) -> None:
    assert run(["recipes", "init", "--from", "alpha"]) == 0
    recipe = load_recipe(str(tmp_path / "here" / "recipe.yaml"))
    assert recipe.model_copy(update={"name": "alpha"}) == load_recipe("alpha")


def test_init_never_overwrites_something_different_without_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "here" / "recipe.yaml"
    path.write_text("mine: 1\n", encoding="utf-8")
    assert run(["recipes", "init"]) == 2
    assert "recipe.yaml: already exists (use --force to overwrite it)" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == "mine: 1\n"
    assert run(["recipes", "init", "--force"]) == 0
    assert load_recipe(str(path))


def test_init_again_changes_nothing_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "here" / "recipe.yaml"
    run(["recipes", "init"])
    before = path.stat().st_mtime_ns
    capsys.readouterr()
    assert run(["recipes", "init"]) == 0
    assert "already exists with the same content" in capsys.readouterr().err
    assert path.stat().st_mtime_ns == before


def test_init_to_stdout_prints_the_recipe(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["recipes", "init", "-"]) == 0
    captured = capsys.readouterr()
    assert yaml.safe_load(captured.out)["name"] == "beta"
    assert captured.err == ""
    assert list((tmp_path / "here").iterdir()) == []


def test_init_keeps_the_name_where_the_file_s_cannot_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "init", "my recipe.yaml"]) == 0
    assert "'my recipe' cannot be the name of a recipe; the recipe is named 'beta'" in capsys.readouterr().err
    assert load_recipe(str(tmp_path / "here" / "my recipe.yaml")).name == "beta"


def test_init_without_any_recipe_to_start_from_is_told(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in shelf.iterdir():
        path.unlink()
    assert run(["recipes", "init"]) == 2
    assert "give one with --from" in capsys.readouterr().err


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_diff_prints_only_what_differs_and_applies_settings_to_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "show", "alpha", "--set", "training.seed=9", "--diff", "beta"]) == 0
    assert rows(capsys) == [
        {"setting": "name", "value": "alpha", "other": "beta"},
        {"setting": "tasks", "value": ["erc"], "other": ["erc", "epc"]},
        {"setting": "training.seed", "value": 9, "other": 1},
    ]


def test_diff_takes_a_file(capsys: pytest.CaptureFixture[str], shelf: Path) -> None:
    assert run(["recipes", "show", "alpha", "--set", "history=2", "--diff", str(shelf / "alpha.yaml")]) == 0
    assert rows(capsys) == [{"setting": "history", "value": 2, "other": 8}]


def test_diff_shows_another_component_by_name_with_the_options_that_only_it_has(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = ["--set", "fusion={name: cross-attention, heads: 4}", "--set", "prosody={name: srdvc, frequency: 2}"]
    assert run(["recipes", "show", "alpha", *first, "--diff", "alpha"]) == 0
    found = {row["setting"]: row for row in rows(capsys)}
    assert found["prosody.name"] == {"setting": "prosody.name", "value": "srdvc", "other": "none"}
    assert found["prosody.frequency"] == {"setting": "prosody.frequency", "value": 2}
    assert found["fusion.heads"] == {"setting": "fusion.heads", "value": 4}
    assert set(found) >= {"fusion.name", "fusion.layers"}
    assert not any(setting in found for setting in ("fusion", "prosody", "tagger.name"))


def test_diff_as_a_table_tells_null_and_an_empty_list_from_no_setting(capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--set", "training.freeze=[text]", "--set", "training.start=x", "--set", "prosody={name: srdvc}"]
    assert run(["recipes", "show", "alpha", *settings, "--diff", "alpha", "--format", "csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "setting,value,other"
    assert {"training.freeze,text,[]", "training.start,x,null", "prosody.resampling,true,"} <= set(lines)


def test_diff_of_what_is_the_same_says_so_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "show", "alpha", "--diff", "alpha"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "alpha and alpha are the same\n"


def test_diff_with_a_recipe_that_does_not_exist_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "show", "alpha", "--diff", "btea"]) == 2
    assert "did you mean 'beta'?" in capsys.readouterr().err


def test_a_format_without_diff_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "show", "alpha", "--format", "json"]) == 2
    assert "--format needs --diff" in capsys.readouterr().err


def test_inspect_prints_parameters_operations_and_memory(capsys: pytest.CaptureFixture[str], tiny_bert: Path) -> None:
    small = ["--set", f"text_encoder.model={tiny_bert}", "--set", "network.width=32", "--set", "training.average=0.9"]
    assert run(["recipes", "inspect", "alpha", *small, "--words", "3", "--batch-size", "4"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert captured.err == ""
    assert found["recipe"] == "alpha"
    assert found["batch_size"] == 4
    assert found["window"] == {
        "utterances": 8, "words": 3, "seconds": None, "text": 32, "states": found["window"]["states"], "audio": 0,
        "patches": 0,
    }  # fmt: skip
    assert {"name": "classifiers of text", "trained": 32 * 7 + 7, "frozen": 0} in found["parts"]
    assert found["cost"]["step"] > 4 * found["cost"]["forward_per_window"]
    memory = found["memory"]
    assert memory["total"] == sum(size for name, size in memory.items() if name != "total")
    assert memory["average"] == memory["weights"]


def test_inspect_as_a_table(capsys: pytest.CaptureFixture[str], tiny_bert: Path) -> None:
    small = ["--set", f"text_encoder.model={tiny_bert}", "--set", "network.width=32"]
    assert run(["recipes", "inspect", "beta", *small, "--format", "table"]) == 0
    out = capsys.readouterr().out
    for shown in (
        "beta: windows of 8 utterances of 10 words, positions: ",
        "runs once, in `ecef extract`",
        "forward and backward, per step of 32 windows",
        "Adam's moments",
    ):
        assert shown in out


def test_inspect_of_a_model_that_is_not_at_hand_exits_with_4(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "inspect", "alpha", "--set", "text_encoder.model=./nowhere"]) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "ecef: text_encoder.model: no folder './nowhere' (check the path)\n"
