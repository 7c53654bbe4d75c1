"""Wrong input: one line that says what, where and what to do, the right exit code, and nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import toy_recipe
from prepared import RunEcef

from ecef_cli.cli.main import run as run_cli
from ecef_cli.plugin.manager import get_registry
from ecef_cli.runs.run import Run
from ecef_cli.workspace import Workspace

GOOD = '{"speaker": "A", "text": "I am so happy!"}'
MELD_HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"

Ecef = Callable[..., tuple[int, str]]


@pytest.fixture
def ecef(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ecef:
    """Run a command in an empty workspace; return its exit code and the last line on stderr."""

    def run(*arguments: object, workspace: Path | None = None) -> tuple[int, str]:
        code = run_cli(["--workspace", str(workspace or tmp_path / "work"), *map(str, arguments)])
        return code, capsys.readouterr().err.strip()

    return run


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n" if lines else "", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            (GOOD, GOOD, '{"speaker": "A", "text": '),
            ":3: not JSON: Expecting value at column 25 (write one JSON object per line)",
        ),
        ((GOOD, '{"text": "hi"}'), ':2: the key \'speaker\' is missing (every row needs "text" and "speaker")'),
        ((GOOD, '{"speaker": "A"}'), ':2: the key \'text\' is missing (every row needs "text" and "speaker")'),
        ((), ": the file is empty (is it the right file?)"),
    ],
    ids=["broken JSON", "no speaker", "no text", "empty"],
)
def test_a_dialogue_file_that_is_broken(
    ecef: Ecef, toy_run: Run, tmp_path: Path, lines: tuple[str, ...], expected: str
) -> None:
    path = write(tmp_path / "talk.jsonl", *lines)
    for command in (["predict", path, "--model", toy_run.folder], ["tag", path]):
        assert ecef(*command) == (3, f"ecef: {path}{expected}")


def test_a_dialogue_file_that_is_not_there(ecef: Ecef, toy_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "nowhere.jsonl"
    for command in (["predict", path, "--model", toy_run.folder], ["tag", path]):
        assert ecef(*command) == (3, f"ecef: {path}: cannot be read: No such file or directory")


def test_an_unknown_label(ecef: Ecef, tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", '{"speaker": "A", "text": "hi", "emotion": "jyo"}')
    code, said = ecef("prepare", "jsonl", "--source", path, "--option", "labels=[joy, anger]")
    assert code == 3
    assert said.startswith(f"ecef: {path}:1: unknown emotion 'jyo' (did you mean 'joy'?")
    assert not (tmp_path / "work").exists()


def test_a_csv_without_a_column(ecef: Ecef, tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        write(tmp_path / f"{split}_sent_emo.csv", MELD_HEADER.replace("Emotion", "Emotoin"))
    code, said = ecef("prepare", "meld", "--source", tmp_path)
    assert code == 3
    assert "train_sent_emo.csv" in said
    assert "'Emotion'" in said
    assert "Emotoin" in said


@pytest.mark.parametrize("command", [["tag"], ["extract", "RECIPE"], ["train", "RECIPE"]], ids=lambda c: c[0])
def test_a_workspace_without_data(ecef: Ecef, tiny_bert: Path, tmp_path: Path, command: list[str]) -> None:
    recipe = write(tmp_path / "toy.yaml", yaml.safe_dump(toy_recipe(tiny_bert)))
    code, said = ecef(*[str(recipe) if part == "RECIPE" else part for part in command])
    assert code == 3
    assert "ecef prepare" in said


def test_a_misspelt_recipe_and_all_that_is_wrong_in_one(ecef: Ecef, tiny_bert: Path, tmp_path: Path) -> None:
    code, said = ecef("train", "meld-erc-mimi")
    assert (code, said) == (2, "ecef: no recipe is called 'meld-erc-mimi' (did you mean 'meld-erc-mini'?)")
    recipe = write(tmp_path / "toy.yaml", yaml.safe_dump(toy_recipe(tiny_bert, histroy=3, tasks=["ecr"])))
    code, said = ecef("train", recipe)
    assert code == 2
    assert "2 problems" in said
    assert "histroy: no such setting (did you mean 'history'?)" in said
    assert "not 'ecr' (did you mean 'erc'?)" in said


def test_a_run_that_is_not_there(ecef: Ecef, tmp_path: Path) -> None:
    path = write(tmp_path / "talk.jsonl", GOOD)
    assert ecef("predict", path, "--model", "nothing")[0] == 2
    assert ecef("predict", path, "--model", tmp_path)[0] == 3
    assert ecef("eval", "nothing")[0] == 2


def test_a_device_that_is_not_there(ecef: Ecef, toy_run: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "talk.jsonl", GOOD)
    code, said = ecef("predict", path, "--model", toy_run.folder, "--device", "gpu")
    assert (code, said) == (2, "ecef: --device 'gpu' is not a device (use auto, cpu, cuda, cuda:N or mps)")


def test_a_plugin_that_raises_on_import_costs_one_line(
    install: Callable[..., None], run_ecef: RunEcef, toy_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("broken-plugin", "raise RuntimeError('no licence')")
    command = ("predict", write(tmp_path / "talk.jsonl", GOOD), "--model", toy_run.folder)
    done = run_ecef(*command)
    assert done.code == 0
    assert [row["prediction"]["emotion"] for row in done.rows] == ["joy"]
    assert done.err.splitlines() == [
        "warning: plugin 'broken_plugin_plugin' of broken-plugin is left out: RuntimeError: no licence"
    ]
    get_registry.cache_clear()
    monkeypatch.setenv("ECEF_STRICT_PLUGINS", "1")
    strict = run_ecef(*command)
    assert strict.code == 4
    assert "RuntimeError: no licence" in strict.err


def test_the_whole_path_by_commands(
    ecef: Ecef, tiny_bert: Path, toy_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "fresh"
    sources = [toy_workspace.dataset("toy") / "manifest" / f"{split}.jsonl" for split in ("train", "dev", "test")]
    recipe = write(tmp_path / "toy.yaml", yaml.safe_dump(toy_recipe(tiny_bert)))
    named = [argument for source in sources for argument in ("--source", source)]
    steps: list[list[object]] = [
        ["prepare", "jsonl", "--name", "toy", *named],
        ["tag"],
        ["extract", recipe],
        ["train", recipe, "--set", "training.epochs=2"],
        ["eval", "toy"],
        ["predict", sources[2], "--model", "toy"],
    ]
    for step in steps:
        code, said = ecef(*step, workspace=root)
        assert code == 0, (step[0], said)
    for step in steps[:4]:
        assert "nothing to do" in ecef(*step, workspace=root)[1], step[0]
