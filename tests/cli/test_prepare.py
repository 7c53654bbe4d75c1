"""`ecef prepare`, as a user meets it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prepared import Prepare, facts

from ecef_cli.corpus.manifest import load_prepared
from ecef_cli.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    folder = tmp_path / "calls"
    folder.mkdir()
    for split, emotions in (
        ("train", ["calm", "angry", "calm", None]),
        ("dev", ["calm"]),
        ("test", ["angry"]),
    ):
        rows = [{"dialogue": f"{split}-1", "speaker": "A", "text": f"{e} {split}", "emotion": e} for e in emotions]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return folder


def add(path: Path, *lines: str) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def test_meld_is_prepared_with_all_that_is_odd_about_it(prepare: Prepare, work: Path, shared_data: Path) -> None:
    done = prepare("meld", "--source", shared_data / "meld")
    assert done.code == 0
    assert [(r["split"], r["dialogues"], r["utterances"], r["joy"]) for r in done.rows] == [
        ("train", 1038, 9989, 1743),
        ("dev", 114, 1109, 163),
        ("test", 280, 2610, 402),
    ]
    assert "train_dia19, test_dia63" in done.err
    assert "70 in train, 6 in dev, 12 in test" in done.err
    assert "repaired" in done.err
    stated = facts(work, "meld")
    assert list(stated["sources"]) == ["train_sent_emo.csv", "dev_sent_emo.csv", "test_sent_emo.csv"]
    assert stated["single_utterance"] == {"train": 70, "dev": 6, "test": 12}
    assert str(shared_data) not in (work / "meld" / "dataset.json").read_text(encoding="utf-8")
    prepared = load_prepared(Workspace(work), "meld")
    assert sum(len(d.utterances) for ds in prepared.splits.values() for d in ds) == 13_708
    assert prepared.labels[0] == "neutral"
    again = prepare("meld", "--source", shared_data / "meld")
    assert (again.code, again.out) == (0, done.out)
    assert again.err.startswith("nothing to do")


def test_own_files_are_prepared(prepare: Prepare, work: Path, calls: Path) -> None:
    done = prepare("jsonl", "--source", calls, "--name", "calls")
    assert done.code == 0
    assert done.rows == [
        {"split": "train", "dialogues": 1, "utterances": 4, "unlabelled": 1, "calm": 2, "angry": 1},
        {"split": "dev", "dialogues": 1, "utterances": 1, "unlabelled": 0, "calm": 1, "angry": 0},
        {"split": "test", "dialogues": 1, "utterances": 1, "unlabelled": 0, "calm": 0, "angry": 1},
    ]
    assert "without an emotion, used as context: 1 in train" in done.err
    stated = facts(work, "calls")
    assert (stated["reader"], stated["reader_version"]) == ("jsonl", "1")
    defaults = {"labels": None, "ids": None, "splits_by_name": True, "dev": 0.1, "test": 0.1, "seed": 0}
    assert defaults.items() <= stated["options"].items()
    assert stated["labels"] == ["calm", "angry"]


def test_the_counts_can_be_a_table_json_or_csv(prepare: Prepare, calls: Path) -> None:
    assert prepare("jsonl", "--source", calls, "--format", "table").out.split()[:3] == [
        "split",
        "dialogues",
        "utterances",
    ]
    assert len(json.loads(prepare("jsonl", "--source", calls, "--format", "json").out)) == 3
    assert prepare("jsonl", "--source", calls, "--format", "csv").out.startswith("split,dialogues,")


def test_an_emotion_may_be_called_like_a_column(prepare: Prepare, tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    add(path, '{"speaker": "A", "text": "x", "emotion": "split"}')
    assert prepare("jsonl", "--source", path).rows[0]["emotion split"] == 1


def test_nothing_is_written_when_nothing_changed(prepare: Prepare, work: Path, calls: Path) -> None:
    first = prepare("jsonl", "--source", calls)
    before = {p: p.stat().st_mtime_ns for p in work.rglob("*")}
    second = prepare("jsonl", "--source", calls)
    assert (second.code, second.out) == (0, first.out)
    assert "nothing to do" in second.err
    assert {p: p.stat().st_mtime_ns for p in work.rglob("*")} == before


def test_the_same_files_in_another_folder_are_the_same_sources(prepare: Prepare, calls: Path, tmp_path: Path) -> None:
    prepare("jsonl", "--source", calls)
    files = [part for name in ("dev", "test", "train") for part in ("--source", calls / f"{name}.jsonl")]
    assert "nothing to do" in prepare("jsonl", *files).err
    moved = calls.rename(tmp_path / "moved")
    assert "nothing to do" in prepare("jsonl", "--source", moved).err


@pytest.mark.parametrize(
    ("change", "arguments", "said"),
    [
        (lambda c: add(c / "dev.jsonl", '{"speaker": "B", "text": "y"}'), [], "changed sources: dev.jsonl"),
        (lambda c: add(c / "train-more.jsonl", '{"speaker": "B", "text": "y"}'), [], "new sources: train-more.jsonl"),
        (lambda c: (c / "dev.jsonl").unlink(), [], "missing sources: dev.jsonl"),
        (lambda _: None, ["--option", "seed=3"], "its option seed was 0, not 3"),
        (
            lambda _: None,
            ["--option", "labels=[angry, calm]"],
            "its option labels was None, not ['angry', 'calm']",
        ),
    ],
)
def test_a_dataset_of_something_else_is_replaced_by_force_alone(
    prepare: Prepare,
    work: Path,
    calls: Path,
    change: Callable[[Path], None],
    arguments: list[str],
    said: str,
) -> None:
    prepare("jsonl", "--source", calls)
    before = facts(work)
    change(calls)
    refused = prepare("jsonl", "--source", calls, *arguments)
    assert (refused.code, refused.out) == (2, "")
    assert said in refused.err
    assert "--force" in refused.err
    assert len(refused.err.splitlines()) == 1
    assert facts(work) == before
    assert prepare("jsonl", "--source", calls, *arguments, "--force").code == 0
    assert facts(work) != before
    assert "nothing to do" in prepare("jsonl", "--source", calls, *arguments).err


def test_another_reader_does_not_take_the_name(prepare: Prepare, work: Path, calls: Path, shared_data: Path) -> None:
    prepare("jsonl", "--source", calls, "--name", "mine")
    refused = prepare("meld", "--source", shared_data / "meld", "--name", "mine")
    assert refused.code == 2
    assert "its reader was jsonl, not meld" in refused.err


def test_a_manifest_changed_by_hand_is_replaced_by_force_alone_and_a_lost_one_is_made_again(
    prepare: Prepare, work: Path, calls: Path
) -> None:
    prepare("jsonl", "--source", calls)
    path = work / "jsonl" / "manifest" / "dev.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"calm", b"glad"))
    refused = prepare("jsonl", "--source", calls)
    assert refused.code == 2
    assert "its manifest of dev was edited" in refused.err
    path.unlink()
    assert "prepared" in prepare("jsonl", "--source", calls).err
    assert path.read_bytes() == whole


def test_the_first_broken_row_ends_it(prepare: Prepare, work: Path, calls: Path) -> None:
    add(calls / "train.jsonl", "{", '{"speaker": "A"}')
    done = prepare("jsonl", "--source", calls)
    assert (done.code, done.out) == (3, "")
    assert "train.jsonl:5: not JSON" in done.err
    assert "1 more row is broken; --tolerate 2 leaves them out" in done.err
    assert len(done.err.splitlines()) == 1
    assert not (work / "jsonl").exists()


@pytest.mark.parametrize(("tolerate", "code"), [("1", 3), ("2", 0), ("24%", 3), ("25%", 0), ("100%", 0)])
def test_broken_rows_within_the_tolerance_are_listed(
    prepare: Prepare, work: Path, calls: Path, tolerate: str, code: int
) -> None:
    add(calls / "train.jsonl", "{", '{"speaker": "A"}')
    done = prepare("jsonl", "--source", calls, "--tolerate", tolerate)
    assert done.code == code
    if code == 0:
        assert "dropped 1: the key 'text' is missing (train.jsonl:6)" in done.err
        assert facts(work)["dropped"][1] == {
            "split": "train",
            "item": "line 6",
            "reason": "the key 'text' is missing",
            "where": "train.jsonl:6",
        }
        assert str(calls) not in (work / "jsonl" / "dataset.json").read_text(encoding="utf-8")


def test_equal_reasons_are_counted_together_with_a_few_examples(prepare: Prepare, calls: Path) -> None:
    add(calls / "train.jsonl", *['{"text": "y"}'] * 5)
    done = prepare("jsonl", "--source", calls, "--tolerate", "5")
    assert "dropped 5: the key 'speaker' is missing (train.jsonl:5, train.jsonl:6, train.jsonl:7, …)" in done.err


def test_when_all_rows_are_broken_no_tolerance_helps(prepare: Prepare, tmp_path: Path) -> None:
    add(tmp_path / "train.jsonl", "{")
    done = prepare("jsonl", "--source", tmp_path / "train.jsonl", "--tolerate", "100%")
    assert done.code == 3
    assert "no utterance is left" in done.err


def test_the_same_dialogue_in_two_splits_is_said_and_kept(prepare: Prepare, work: Path, calls: Path) -> None:
    for split, text in (("train", "Are you there?\\u2019"), ("test", "are  you THERE?'")):
        add(
            calls / f"{split}.jsonl",
            f'{{"dialogue": "{split}-9", "speaker": "A", "text": "{text}", "emotion": "calm"}}',
        )
    done = prepare("jsonl", "--source", calls)
    assert "the same dialogue in several splits: train-9, test-9" in done.err
    assert facts(work)["duplicates"] == [{"train": ["train-9"], "test": ["test-9"]}]
    assert [r["dialogues"] for r in done.rows] == [2, 1, 2]


def test_what_will_trouble_training_is_warned_of(prepare: Prepare, calls: Path) -> None:
    (calls / "dev.jsonl").unlink()
    add(calls / "test.jsonl", '{"speaker": "A", "text": "y", "emotion": "smug"}')
    add(calls / "train.jsonl", '{"speaker": "A", "text": "y", "emotion": "Calm"}')
    done = prepare("jsonl", "--source", calls, "--option", "labels=calm,angry,smug,Calm")
    assert done.code == 0
    nothing = "warning: the dev split is empty; you cannot train on this dataset, because dev decides when to stop\n"
    assert nothing in done.err
    assert "warning: the emotion 'smug' is in test, but not in train" in done.err
    assert "warning: labels that differ only in case or spacing: 'calm', 'Calm'" in done.err


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ("train", "you cannot train on this dataset, only measure on its other splits"),
        ("test", "use `ecef eval --split dev`"),
    ],
)
def test_a_split_without_anything_is_warned_of_with_what_it_rules_out(
    prepare: Prepare, calls: Path, split: str, said: str
) -> None:
    (calls / f"{split}.jsonl").unlink()
    done = prepare("jsonl", "--source", calls)
    assert done.code == 0
    assert f"warning: the {split} split is empty; {said}\n" in done.err


def test_the_examples_prepare_once_they_have_labels(prepare: Prepare, work: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "moving-day", tmp_path / "moving-day")
    for path in EXAMPLES.glob("*.jsonl"):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        add(tmp_path / path.name, *(json.dumps(r | {"emotion": "neutral", "split": "train"}) for r in rows))
    assert prepare("jsonl", *(a for p in sorted(tmp_path.glob("*.jsonl")) for a in ("--source", p))).code == 0
    dialogues = load_prepared(Workspace(work), "jsonl").splits["train"]
    assert [d.id for d in dialogues] == ["moving-day", "night-shift", "scene"]
    assert dialogues[1].utterances[0].row["time"] == "02:10"


def test_its_help_imports_no_reader() -> None:
    code = (
        "import sys; from ecef_cli.cli.main import run; run(['prepare', '--help']); "
        "print([m for m in ('torch', 'numpy', 'pydantic', 'pluggy', 'ecef_datasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "READER" in done.stdout
    assert done.stdout.splitlines()[-1] in {"[]", "['pluggy']"}
