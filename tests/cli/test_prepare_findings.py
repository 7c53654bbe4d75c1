"""What `ecef prepare` says of what it has just prepared, and of readers that it cannot have."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from prepared import READER, Prepare, write_dialogue
from recorded import record

from ecef_cli.plugin.manager import get_registry

ROWS = [
    {"text": "one", "emotion": "calm", "audio": "a.flac", "start": 2.0, "end": 3.0},
    {"text": "two", "emotion": "angry", "audio": "a.flac", "start": 1.5},
    {"text": "three", "emotion": "calm", "audio": "b.flac", "dialogue_start": 10.0, "dialogue_end": 19.0},
]


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """Three dialogues with two recordings, of which one is shorter than its row says."""
    folder = tmp_path / "calls"
    record(folder / "a.flac", 3.0, seed=1)
    record(folder / "b.flac", 1.0, seed=2)
    for split, rows in (("train", ROWS), ("dev", ROWS[:1]), ("test", ROWS[:1])):
        write_dialogue(folder, split, rows)
    return folder


def test_after_prepare_the_same_is_said_without_looking_at_a_recording_again(
    prepare: Prepare, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []

    def look(path: Path) -> str:
        looked.append(path)
        return "0"

    monkeypatch.setattr("ecef_cli.corpus.scan.checksum", look)
    monkeypatch.setattr("ecef_cli.audio.reading.decode", looked.append)
    first = prepare("jsonl", "--source", calls, "--option", "labels=calm,angry,sad")
    assert first.code == 0
    assert sorted(looked) == [calls / "a.flac", calls / "b.flac"], "each file once, for its checksum"
    warnings = [
        "warning: 1 row starts before the previous row (train.jsonl:2)",
        "warning: no utterance is 'sad'",
        "warning: 1 recording is off by more than 0.5 s and 10% (train.jsonl:3)",
    ]
    assert [line for line in first.err.splitlines() if line.startswith("warning")] == warnings
    again = prepare("jsonl", "--source", calls, "--option", "labels=calm,angry,sad")
    assert again.err.splitlines()[0].startswith("nothing to do")
    assert [line for line in again.err.splitlines() if line.startswith("warning")] == warnings


def test_a_run_that_has_nothing_to_do_says_all_that_the_first_one_said(prepare: Prepare, calls: Path) -> None:
    for split in ("train", "dev", "test"):
        with (calls / f"{split}.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(f'{{"dialogue": "{split}-9", "speaker": "A", "text": "again", "emotion": "calm"}}\n')
    with (calls / "train.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"speaker": "A"}\n{"speaker": "A", "text": "x", "audio": "gone.wav"}\n')
    first, again = (prepare("jsonl", "--source", calls, "--tolerate", "2") for _ in range(2))
    assert (first.code, again.code, again.out) == (0, 0, first.out)
    for said in ("dropped 1: ", "left with text alone", "the same dialogue in several splits", "warning: "):
        assert said in first.err
    assert first.err.splitlines()[-1].startswith("prepared: ")
    assert again.err.splitlines()[0].startswith("nothing to do: ")
    assert again.err.splitlines()[1:] == first.err.splitlines()[:-1]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("emotions", {"calm": 7, "angry": 1}, "calm in train: 7 in dataset.json, 2 found"),
        ("utterances", 30, "utterances in train: 30 in dataset.json, 3 found"),
        ("recordings", "x", "recordings in train: x in dataset.json, 3 found"),
    ],
)
def test_numbers_of_a_dataset_that_were_changed_by_hand_are_told_and_not_repeated(
    prepare: Prepare, work: Path, calls: Path, key: str, value: object, said: str
) -> None:
    first = prepare("jsonl", "--source", calls)
    path = work / "jsonl" / "dataset.json"
    stated = json.loads(path.read_text(encoding="utf-8"))
    stated["counts"]["train"][key] = value
    stated["duplicates"] = [{"train": ["made up"], "test": ["too"]}]
    path.write_text(json.dumps(stated), encoding="utf-8")
    again = prepare("jsonl", "--source", calls)
    assert (again.code, again.out) == (0, first.out)
    assert f"warning: {said}\n" in again.err
    assert "the dataset has changed since it was prepared; run again with --force to prepare it anew\n" in again.err
    assert "made up" not in again.err
    assert "has changed since it was prepared" not in prepare("jsonl", "--source", calls, "--force").err
    assert "warning: calm in" not in prepare("jsonl", "--source", calls).err


def test_where_more_is_wrong_than_is_said_it_is_said_how_to_see_it(
    prepare: Prepare, calls: Path, tmp_path: Path
) -> None:
    rows = [{"speaker": "A", "text": "x", "emotion": "calm", "dialogue_start": float(9 - n)} for n in range(6)]
    (calls / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = prepare("jsonl", "--source", calls)
    where = "train.jsonl:2, train.jsonl:3, train.jsonl:4, …"
    assert f"warning: 5 rows start before the previous row ({where})" in done.err
    assert f"`ecef prepare --check {tmp_path / 'work' / 'jsonl'}` lists all of them" in done.err


def test_meld_is_as_published_but_for_rows_that_go_back_in_time(
    prepare: Prepare, shared_data: Path, tmp_path: Path
) -> None:
    done = prepare("meld", "--source", shared_data / "meld")
    warnings = [line for line in done.err.splitlines() if line.startswith("warning")]
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: 31 rows start before the previous row (train_sent_emo.csv:")
    checks = {row["check"]: row for row in map(json.loads, prepare("--check", "meld").out.splitlines())}
    assert [name for name, row in checks.items() if row["status"] in {"failed", "noted"}] == [
        "rows are ordered by start"
    ]
    assert checks["counts match the published ones"]["status"] == "passed"
    less = shutil.copytree(shared_data / "meld", tmp_path / "less")
    lines = (less / "dev_sent_emo.csv").read_bytes().splitlines(keepends=True)
    (less / "dev_sent_emo.csv").write_bytes(b"".join(lines[:-1]))
    done = prepare("meld", "--source", less, "--name", "less")
    assert "warning: counts differ from the official tables: utterances in dev 1,108 instead of 1,109, " in done.err
    facts = json.loads((tmp_path / "work" / "less" / "dataset.json").read_text(encoding="utf-8"))
    assert len(facts["published"]) == 1


CALLS = """
from ecef_datasets.jsonl import JsonLines

class Calls(JsonLines):
    def published(self, corpus):
        return {published}
"""


@pytest.mark.parametrize(
    ("published", "said"),
    [
        ("None", None),
        ("()", None),
        ("tuple(f'no {word}' for word in 'abcde')", "no a\nwarning: no b\nwarning: no c\nwarning: … and 2 more"),
        (
            "1 / 0",
            "the reader failed to compare its counts: calls_at_test.py:6: dataset 'calls' of",
        ),
    ],
)
def test_what_a_third_party_s_reader_finds_is_said(
    prepare: Prepare, calls: Path, install: Callable[..., None], published: str, said: str | None
) -> None:
    install("calls-dist", READER, calls_at_test=CALLS.format(published=published))
    (calls / "train.jsonl").write_text('{"speaker": "A", "text": "x", "emotion": "calm"}\n')
    done = prepare("calls", "--source", calls)
    assert done.code == 0
    if said is None:
        assert "warning: no" not in done.err.replace("warning: no utterance of", "")
    else:
        assert f"warning: {said}" in done.err
    found = json.loads(prepare("--check", "calls").out.splitlines()[-1])
    assert found["status"] == {"None": "not measured", "()": "passed"}.get(published, "noted")


def test_a_misspelt_reader_is_a_slip_unless_a_plugin_that_failed_may_have_it(
    prepare: Prepare, install: Callable[..., None]
) -> None:
    slip = prepare("medl", "--source", "x")
    assert (slip.code, slip.err) == (2, "ecef: no reader is called 'medl' (did you mean 'meld'?)\n")
    install("broken-dist", "import nowhere_at_all")
    get_registry.cache_clear()
    assert prepare("medl", "--source", "x").code == 4


def test_a_reader_that_cannot_be_loaded_is_the_plugin_s_fault(prepare: Prepare, install: Callable[..., None]) -> None:
    install("calls-dist", READER, calls_at_test="import nowhere_at_all")
    done = prepare("calls", "--source", "x")
    assert done.code == 4
    assert "dataset 'calls' of calls-dist failed in its import" in done.err
