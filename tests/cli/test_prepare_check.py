"""`ecef prepare --check`, as a user meets it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
from prepared import Outcome, Prepare, write_dialogue
from recorded import record

MANIFESTS, READABLE, COUNTS = (
    "manifests are unchanged",
    "every row can be read",
    "counts match dataset.json",
)
IDS, ORDER = "dialogues and utterances are unique and contiguous", "rows are ordered by start"
KNOWN, OCCUR = "every emotion is a label", "every label occurs, also in train"
HEARD, SAME, LONG = (
    "every recording can be read",
    "recordings are unchanged",
    "durations match the corpus",
)
NUMBERS = "counts match the published ones"
EVERY = (MANIFESTS, READABLE, COUNTS, IDS, ORDER, KNOWN, OCCUR, HEARD, SAME, LONG, NUMBERS)

ROWS = [
    {"text": "one", "emotion": "calm", "audio": "a.flac", "start": 0.0, "end": 1.0},
    {"text": "two", "emotion": "angry", "audio": "a.flac", "start": 1.5},
    {"text": "three", "emotion": "calm", "audio": "b.flac", "dialogue_start": 10.0, "dialogue_end": 11.0},
]


def checks(done: Outcome) -> dict[str, dict[str, Any]]:
    return {str(row["check"]): row for row in done.rows}


def status(done: Outcome, *statuses: str) -> set[str]:
    return {name for name, row in checks(done).items() if row["status"] in statuses}


def problems(done: Outcome, name: str) -> list[str]:
    found: list[str] = checks(done)[name]["problems"]
    return found


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """Three dialogues with two recordings, one of which is of one utterance alone."""
    folder = tmp_path / "calls"
    record(folder / "a.flac", 3.0, seed=1)
    record(folder / "b.flac", 1.0, seed=2)
    for split, rows in (("train", ROWS), ("dev", [{"text": "x", "emotion": "calm"}]), ("test", ROWS[:1])):
        write_dialogue(folder, split, rows)
    return folder


@pytest.fixture
def dataset(prepare: Prepare, work: Path, calls: Path) -> Path:
    done = prepare("jsonl", "--source", calls)
    assert done.code == 0, done.err
    # Files that were written before stay older than it, however coarse the clock.
    os.utime(work / "jsonl" / "dataset.json", (2e9, 2e9))
    return work / "jsonl"


def manifest(dataset: Path, split: str = "train") -> Path:
    return dataset / "manifest" / f"{split}.jsonl"


def rewrite(path: Path, change: Callable[[list[dict[str, object]]], object]) -> None:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    change(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_a_sound_dataset_passes_by_its_name_and_by_its_folder(
    prepare: Prepare, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.stat().st_mtime_ns for path in dataset.rglob("*")}
    done = prepare("--check", "jsonl")
    assert (done.code, done.err) == (0, "")
    assert tuple(checks(done)) == EVERY
    assert status(done, "not measured") == {NUMBERS}
    assert status(done, "passed") == set(EVERY) - {NUMBERS}
    monkeypatch.chdir(dataset.parent)
    for name in (dataset, "./jsonl", "jsonl"):
        assert status(prepare("--check", name), "failed", "noted") == set()
    assert {path: path.stat().st_mtime_ns for path in dataset.rglob("*")} == before, "nothing is written"


def test_a_row_changed_by_hand_fails_with_all_that_follows_from_it(prepare: Prepare, dataset: Path) -> None:
    path = manifest(dataset)
    rewrite(path, lambda rows: rows[1].update(emotion="angy", start=0.0) or rows[0].update(start=0.5))
    done = prepare("--check", "jsonl")
    assert done.code == 3
    assert done.err.startswith(f"ecef: {dataset}: 3 of 11 checks failed: {MANIFESTS}; {COUNTS}; {KNOWN}")
    assert len(done.err.splitlines()) == 1
    assert problems(done, MANIFESTS) == [f"{path}: the manifest has changed"]
    assert problems(done, COUNTS) == ["angry in train: 1 in dataset.json, 0 found"]
    assert problems(done, KNOWN) == [f"{path}:2: train/2 has the emotion 'angy', which is not a label"]
    assert problems(done, ORDER) == [f"{path}:2: train/2 has start 0 s, the previous row 0.5 s"]
    assert problems(done, OCCUR) == ["no utterance is 'angry'"]
    assert status(done, "noted") == {ORDER, OCCUR}


def test_the_way_out_is_the_command_that_made_it(
    prepare: Prepare, dataset: Path, calls: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest(dataset).write_text("", encoding="utf-8")
    again = f"ecef --workspace {work} prepare jsonl --source … --name jsonl --force"
    advice = f" (prepare it again from its sources: `{again}`)\n"
    monkeypatch.chdir(dataset)
    for name in ("jsonl", dataset, "."):
        assert prepare("--check", name).err.endswith(advice)
    words = shlex.split(again.replace("…", str(calls)))
    assert prepare(*words[words.index("prepare") + 1 :]).code == 0
    assert prepare("--check", "jsonl").code == 0


def test_the_way_out_has_the_options_and_the_name_that_the_dataset_had(prepare: Prepare, tmp_path: Path) -> None:
    table = tmp_path / "talk.csv"
    table.write_text("who;what;how\nA;hello;calm\nB;there;calm\n", encoding="utf-8")
    given = ["--option", "speaker=who", "--option", "text=what", "--option", "emotion=how"]
    given += ["--option", "delimiter=semicolon", "--option", "dev=0", "--option", "test=0"]
    made = prepare("csv", "--source", table, "--name", "my-talk", *given)
    assert made.code == 0, made.err
    manifest(tmp_path / "work" / "my-talk").write_text("", encoding="utf-8")
    said = prepare("--check", "my-talk").err
    words = shlex.split(said.partition("`")[2].partition("`")[0].replace("…", str(table)))
    assert words[3:8] == ["prepare", "csv", "--source", str(table), "--name"]
    again = prepare(*words[4:])
    assert (again.code, again.out) == (0, made.out), again.err
    assert prepare("--check", "my-talk").code == 0


def test_ids_that_stand_twice_in_two_splits_or_apart_are_all_listed(prepare: Prepare, dataset: Path) -> None:
    path = manifest(dataset)
    other = {"dialogue": "dev", "utterance": 1, "speaker": "A", "text": "x", "emotion": "calm"}
    rewrite(path, lambda rows: rows.extend([other, dict(rows[0])]))
    done = prepare("--check", "jsonl")
    assert done.code == 3
    assert problems(done, IDS) == [
        f"{path}:5: dialogue 'train' continues after another one started",
        f"{path}:5: duplicate utterance 1 of dialogue 'train', first at {path}:1",
        f"{manifest(dataset, 'dev')}:1: dialogue 'dev' is in dev here, but in train at {path}:4",
    ]


def test_manifests_that_are_missing_stray_or_broken_are_named(prepare: Prepare, dataset: Path) -> None:
    manifest(dataset, "dev").rename(manifest(dataset, "valid"))
    (dataset / "manifest" / ".train.jsonl.x.part").write_text("what a killed command had begun")
    with manifest(dataset).open("a") as stream:
        stream.write('{"text": \n{"text": "x", "speaker": 1.5}\n')
    done = prepare("--check", "jsonl")
    assert done.code == 3
    assert problems(done, MANIFESTS) == [
        f"{manifest(dataset)}: the manifest has changed",
        f"{manifest(dataset, 'dev')}: the manifest is missing",
        f"{manifest(dataset, 'valid')}: dataset.json does not list this manifest; `ecef prepare` removes it",
    ]
    assert problems(done, READABLE) == [
        f"{manifest(dataset)}:4: not JSON: Expecting value at column 9",
        f"{manifest(dataset)}:5: 'speaker' must be a string, not 1.5",
    ]


def test_a_manifest_that_a_killed_command_left_beside_its_place_is_the_one_that_was_prepared(
    prepare: Prepare, dataset: Path
) -> None:
    digest = json.loads((dataset / "dataset.json").read_text())["manifests"]["train"]
    manifest(dataset).rename(manifest(dataset, f".train-{digest[:16]}"))
    done = prepare("--check", "jsonl")
    assert (done.code, checks(done)[COUNTS]["status"]) == (0, "passed")


def test_a_recording_that_is_silent_is_none(prepare: Prepare, dataset: Path, calls: Path) -> None:
    sound, rate = soundfile.read(calls / "b.flac")
    soundfile.write(calls / "b.flac", 0 * sound + 0.25, rate)
    done = prepare("--check", "jsonl")
    assert done.code == 3
    [problem] = problems(done, HEARD)
    assert problem.endswith("b.flac: the recording is silent from 0 s to 1 s")
    assert "(replace the damaged recordings, or remove them from the sources, and prepare it again" in done.err
    sound[-1] += 0.25
    soundfile.write(calls / "b.flac", sound, rate)
    assert problems(prepare("--check", "jsonl"), HEARD) == []


def test_recordings_that_are_gone_or_cut_off_are_named_with_their_rows(
    prepare: Prepare, dataset: Path, calls: Path
) -> None:
    (calls / "a.flac").unlink()
    whole = (calls / "b.flac").read_bytes()
    (calls / "b.flac").write_bytes(whole[: len(whole) // 2])
    done = prepare("--check", "jsonl")
    assert (done.code, status(done, "failed")) == (3, {HEARD})
    first, second, third, fourth = problems(done, HEARD)
    gone = f"recording {calls / 'a.flac'}: there is no such file"
    assert [first, second, fourth] == [
        f"{manifest(dataset)}:1: {gone}",
        f"{manifest(dataset)}:2: {gone}",
        f"{manifest(dataset, 'test')}:1: {gone}",
    ]
    assert third.startswith(f"{manifest(dataset)}:3: recording {calls / 'b.flac'}: the file is cut off or damaged")
    assert checks(done)[SAME]["found"] == "2 of 2 cannot be read"


def test_a_recording_that_was_replaced_is_another_one_and_too_long(
    prepare: Prepare, dataset: Path, calls: Path
) -> None:
    path = record(calls / "b.flac", 2.5, seed=7)
    os.utime(path, (2e9 + 5, 2e9 + 5))
    done = prepare("--check", "jsonl")
    assert (done.code, status(done, "failed"), status(done, "noted")) == (3, {SAME}, {LONG})
    assert problems(done, SAME) == [f"{manifest(dataset)}:3: recording {path}: written after dataset.json"]
    assert problems(done, LONG) == [f"{manifest(dataset)}:3: recording {path}: lasts 2.50 s, the corpus states 1.00 s"]


def test_a_segment_that_reaches_beyond_its_recording_fails(prepare: Prepare, dataset: Path, calls: Path) -> None:
    rewrite(manifest(dataset), lambda rows: rows[0].update(end=9))
    [problem] = problems(prepare("--check", "jsonl"), HEARD)
    assert problem == (
        f"{manifest(dataset)}:1: recording {calls / 'a.flac'}: "
        "the segment ends at 9 s, but the recording lasts from 0 s to 3 s"
    )


def test_a_table_shows_the_first_few_problems_in_rows_of_their_own(prepare: Prepare, dataset: Path) -> None:
    rewrite(manifest(dataset), lambda rows: rows.extend({**rows[0], "utterance": n, "emotion": "?"} for n in "abcde"))
    lines = prepare("--check", "jsonl", "--format", "table").out.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith(KNOWN))
    assert "failed" in lines[at]
    assert lines[at].endswith("5 rows have an unknown emotion")
    assert [line.strip().partition(": ")[0] for line in lines[at + 1 : at + 5]] == [
        *(f"- {manifest(dataset)}:{n}" for n in (4, 5, 6)),
        "- … and 2 more; --format json lists all",
    ]
    listed = json.loads(prepare("--check", "jsonl", "--format", "json").out)
    assert len(next(row for row in listed if row["check"] == KNOWN)["problems"]) == 5


def test_a_dataset_of_an_earlier_version_is_checked_for_what_it_says(prepare: Prepare, dataset: Path) -> None:
    path = dataset / "dataset.json"
    facts = json.loads(path.read_text())
    kept = {key: facts[key] for key in ("labels", "counts", "manifests")}
    del kept["counts"]["train"]["recordings"]
    path.write_text(json.dumps(kept))
    done = prepare("--check", "jsonl")
    assert (done.code, done.err) == (0, "")
    assert checks(done)[SAME]["found"].startswith("dataset.json has no checksum of them")
    assert checks(done)[NUMBERS]["found"] == "dataset.json names no reader"
    assert status(done, "not measured") == {SAME, NUMBERS}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"labels": 3, "counts": {}, "manifests": {"train": ""}}',
        '{"labels": ["a"], "counts": {}, "manifests": {}}',
        '{"labels": ["a"], "counts": {}, "manifests": []}',
        '{"labels": ["a"], "counts": {}, "manifests": {"../x": "y"}}',
        '{"labels": ["a"], "counts": {}, "manifests": {"train": ""}, "name": 3}',
        '{"labels": ["a"], "counts": {}, "manifests": {"train": ""}, "muted": 3}',
        '{"labels": ["a"], "counts": {}, "manifests": {"train": ""}, "options": ["seed"]}',
    ],
)
def test_a_broken_description_is_one_line(prepare: Prepare, dataset: Path, text: str) -> None:
    (dataset / "dataset.json").write_text(text)
    done = prepare("--check", "jsonl")
    assert (done.code, done.out) == (3, "")
    [line] = done.err.splitlines()
    assert line.startswith(f"ecef: {dataset / 'dataset.json'}: ")


def test_what_is_no_dataset_is_said_in_one_line(
    prepare: Prepare, dataset: Path, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for subject, code, said in (
        ("empty", 3, "empty: not a prepared dataset"),
        ("calls", 3, "calls: not a prepared dataset"),
        ("./nowhere", 3, "nowhere: no such folder"),
        ("jsonI", 3, "did you mean 'jsonl'?"),
        (calls / "dev.jsonl", 3, "dev.jsonl: not a folder (pass the folder of a prepared dataset)"),
        ("a b", 2, "cannot be the name of a dataset"),
    ):
        done = prepare("--check", subject)
        assert (done.code, done.out, len(done.err.splitlines())) == (code, "", 1), subject
        assert said in done.err


@pytest.mark.parametrize(
    "argument",
    ["jsonl", "--source=x", "--tolerate=0", "--force", "--download", "--name=x", "--option=a=b", "--workers=2"],
)
def test_options_that_prepare_something_do_not_go_with_it(prepare: Prepare, dataset: Path, argument: str) -> None:
    done = prepare("--check", "jsonl", argument)
    assert (done.code, done.out) == (2, "")
    assert "--check cannot be combined with " in done.err
