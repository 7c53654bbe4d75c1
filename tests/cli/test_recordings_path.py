"""From recordings to emotions by commands, and what each of them says of recordings that cannot be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import SAYINGS, VOICES, save_voice, voiced_dialogue, voiced_recipe
from recorded import one_of_each_fault

from ecef_cli.api.dialogue import to_json
from ecef_cli.cli.main import run as run_cli
from ecef_cli.runs.run import Run

Ecef = Callable[..., tuple[int, str, str]]
FAULTS = {
    "missing": "there is no such file",
    "no audio": "is not a readable audio file",
    "truncated": "cut off or damaged",
}


@pytest.fixture
def ecef(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ecef:
    """Run a command in the test's workspace; return its exit code, what it printed and what it said."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_cli(["--workspace", str(tmp_path / "work"), *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder of dialogue files beside the folder of their recordings."""
    folder = tmp_path / "corpus"
    for split, count in (("train", 4), ("dev", 2), ("test", 2)):
        rows = [
            {
                "dialogue": utterance.dialogue,
                "speaker": utterance.speaker,
                "text": utterance.text,
                "emotion": utterance.emotion,
                "audio": None if utterance.audio is None else str(utterance.audio.relative_to(folder)),
            }
            for seed in range(count)
            for utterance in voiced_dialogue(folder / "sound", f"{split}{seed}", seed).utterances
        ]
        (folder / f"{split}.jsonl").write_text("".join(f"{to_json(row)}\n" for row in rows), encoding="utf-8")
    return folder


@pytest.fixture
def recipe(tiny_bert: Path, tmp_path: Path) -> Path:
    path = tmp_path / "voiced.yaml"
    values = voiced_recipe(tiny_bert, "text", "audio")
    values["training"] = {**values["training"], "epochs": 1}
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def test_the_whole_path(ecef: Ecef, corpus: Path, recipe: Path) -> None:
    steps: list[list[object]] = [
        ["prepare", "jsonl", "--name", "voiced", "--source", corpus],
        ["tag", "--dataset", "voiced"],
        ["extract", recipe],
        ["train", recipe],
        ["eval", "voiced"],
        ["predict", corpus / "test.jsonl", "--model", "voiced"],
    ]
    printed: dict[object, str] = {}
    for step in steps:
        code, printed[step[0]], said = ecef(*step)
        assert code == 0, (step[0], said)
    for step in steps[:4]:
        assert "nothing to do" in ecef(*step)[2], step[0]
    assert json.loads(printed["eval"])["tasks"]["erc"]["model"]["targets"] == 12
    rows = [json.loads(line) for line in printed["predict"].splitlines()]
    given = [json.loads(line) for line in (corpus / "test.jsonl").read_text().splitlines()]
    assert [{k: v for k, v in row.items() if k in given[0]} for row in rows] == given
    for row in rows:
        assert set(row["prediction"]["probabilities"]) == set(row["forecast"]["probabilities"]) == set(VOICES)


def test_one_recipe_reads_text_or_recordings_or_both(ecef: Ecef, corpus: Path, recipe: Path) -> None:
    assert ecef("prepare", "jsonl", "--name", "voiced", "--source", corpus)[0] == 0
    for modalities in ("text", "audio"):
        name = f"{modalities}-alone"
        code, _, said = ecef("train", recipe, "--set", f"modalities=[{modalities}]", "--name", name)
        assert code == 0, said
        code, printed, said = ecef("predict", corpus / "test.jsonl", "--model", name)
        assert code == 0, said
        assert len(printed.splitlines()) == 12
        assert ecef("eval", name)[0] == 0


# ------------------------------------------------------------------------- recordings that cannot be read


def faulty(corpus: Path, fault: str) -> Path:
    """Break the first recording of the training dialogues in a way, and return its path."""
    rows = [json.loads(line) for line in (corpus / "train.jsonl").read_text().splitlines()]
    path: str = next(row["audio"] for row in rows if row["audio"])
    kinds = {said: where[0] for said, where in one_of_each_fault(corpus.parent / "faults").items()}
    broken = kinds[FAULTS[fault]]
    (corpus / path).unlink()
    if broken.exists():
        (corpus / path).write_bytes(broken.read_bytes())
    return corpus / path


def only_error(said: str) -> str:
    """Return the one line on stderr that says why a command failed, which is its last."""
    *others, last = said.strip().splitlines()
    assert last.startswith("ecef: ")
    assert not any(line.startswith("ecef: ") for line in others)
    return last


@pytest.mark.parametrize("fault", ["missing", "no audio"])
def test_prepare_names_the_row_and_the_recording(ecef: Ecef, corpus: Path, fault: str) -> None:
    path = faulty(corpus, fault)
    code, printed, said = ecef("prepare", "jsonl", "--name", "voiced", "--source", corpus)
    assert (code, printed) == (3, "")
    assert "train.jsonl:2: recording" in only_error(said)
    assert str(path) in only_error(said)
    assert FAULTS[fault] in only_error(said)
    code, printed, _ = ecef("prepare", "jsonl", "--name", "voiced", "--source", corpus, "--tolerate", "1")
    assert (code, json.loads(printed.splitlines()[0])["recordings"]) == (0, 15)


@pytest.mark.parametrize("fault", FAULTS)
def test_extract_and_train_warn_of_each_and_fail_at_the_end(ecef: Ecef, corpus: Path, recipe: Path, fault: str) -> None:
    assert ecef("prepare", "jsonl", "--name", "voiced", "--source", corpus)[0] == 0
    path = faulty(corpus, fault)
    for command in ("extract", "train"):
        code, printed, said = ecef(command, recipe)
        assert (code, printed) == (3, ""), said
        assert "1 of 32 recordings of utterances cannot be read, more than is tolerated" in only_error(said)
        assert "--tolerate" in only_error(said)
        warnings = [line for line in said.splitlines() if line.startswith("warning: ")]
        assert len(warnings) == 1
        assert str(path) in warnings[0]
        assert FAULTS[fault] in warnings[0]
    code, printed, said = ecef("train", recipe, "--tolerate", "1")
    assert code == 0, said
    assert only_error(ecef("eval", "voiced")[2]).endswith("(all others are saved; mend them, or raise --tolerate)")
    assert ecef("eval", "voiced", "--tolerate", "4%")[0] == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_predict_stops_at_the_row_or_goes_on_with_its_text(
    ecef: Ecef, fused_run: Run, tmp_path: Path, fault: str
) -> None:
    kinds = one_of_each_fault(tmp_path / "faults")
    broken = kinds[FAULTS[fault]][0]
    rows = [{"speaker": "A", "text": text, "audio": f"{n}.flac"} for n, text in enumerate(SAYINGS)]
    for n in (0, 2):
        save_voice(tmp_path / f"{n}.flac", "joy", n)
    rows[1]["audio"] = str(broken)
    talk = tmp_path / "talk.jsonl"
    talk.write_text("".join(f"{to_json(row)}\n" for row in rows), encoding="utf-8")
    code, printed, said = ecef("predict", talk, "--model", fused_run.folder)
    assert code == 3
    assert [json.loads(line)["audio"] for line in printed.splitlines()] == ["0.flac"]
    assert said.count("\n") == 1
    assert only_error(said).startswith(f"ecef: {talk}:2: recording {broken}: ")
    assert FAULTS[fault] in said
    code, printed, said = ecef("predict", talk, "--model", fused_run.folder, "--tolerate", "1")
    assert (code, len(printed.splitlines())) == (0, 3)
    assert f"{talk}:2: recording" in said


def test_a_dataset_without_recordings_cannot_be_heard(ecef: Ecef, corpus: Path, recipe: Path) -> None:
    for path in corpus.glob("*.jsonl"):
        rows = [{**json.loads(line), "audio": None} for line in path.read_text().splitlines()]
        path.write_text("".join(f"{to_json(row)}\n" for row in rows), encoding="utf-8")
    assert ecef("prepare", "jsonl", "--name", "voiced", "--source", corpus)[0] == 0
    for command in ("extract", "train"):
        code, printed, said = ecef(command, recipe)
        assert (code, printed) == (3, "")
        assert only_error(said) == (
            "ecef: no utterance of the dataset 'voiced' has a recording "
            '(name them under "audio" and prepare it again)'
        )
