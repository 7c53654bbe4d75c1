"""`ecef prepare` with recordings: what cannot be heard later is said now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from narrow import present
from prepared import Outcome, Prepare, facts, write_dialogue
from recorded import record

from ecef_cli.api.components import Corpus
from ecef_cli.api.dialogue import Dialogue, Utterance
from ecef_cli.corpus.manifest import load_prepared
from ecef_cli.corpus.scan import scan_recordings
from ecef_cli.workspace import Workspace, checksum

ROWS: list[dict[str, object]] = [
    {"speaker": "A", "text": "one", "emotion": "calm", "audio": "sound/a.flac", "start": 0.5, "end": 1.5},
    {"speaker": "B", "text": "", "emotion": "calm", "audio": "sound/a.flac", "start": 2},
    {"speaker": "A", "text": "no sound", "emotion": "calm"},
    {"speaker": "B", "text": "two", "emotion": "calm", "audio": "sound/b.wav"},
]


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """A folder with one file of training dialogues, and their recordings in a folder beneath."""
    folder = tmp_path / "calls"
    record(folder / "sound" / "a.flac", 3.0, seed=1)
    record(folder / "sound" / "b.wav", 1.0, seed=2)
    write_dialogue(folder, "train", ROWS)
    return folder


@pytest.fixture
def prepare_calls(prepare: Prepare, calls: Path) -> Prepare:
    """Prepare dialogue files, those of `calls` where no other are named."""

    def run(*arguments: str, source: Path = calls) -> Outcome:
        return prepare("jsonl", "--source", source, *arguments)

    return run


def manifest(work: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (work / "jsonl" / "manifest" / "train.jsonl").read_text().splitlines()]


def test_recordings_are_counted_and_known_by_path_and_content(prepare_calls: Prepare, work: Path, calls: Path) -> None:
    done = prepare_calls()
    assert done.code == 0
    assert [(row["utterances"], row["recordings"]) for row in done.rows] == [(4, 3), (0, 0), (0, 0)]
    assert "recordings: 2 files, 0.00 h in 3 utterances" in done.err
    files = [calls / "sound" / name for name in ("a.flac", "b.wav")]
    pairs = json.dumps([[str(path.resolve()), checksum(path)] for path in files])
    digest = hashlib.sha256(pairs.encode()).hexdigest()
    assert facts(work)["recordings"] == {"files": 2, "utterances": 3, "seconds": 3.0, "digest": digest}
    assert load_prepared(Workspace(work), "jsonl").recordings == digest


def test_a_path_is_relative_to_its_dialogue_file_and_absolute_in_the_manifest(
    prepare_calls: Prepare, work: Path, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(calls.parent)
    assert prepare_calls(source=Path("calls")).code == 0
    first = load_prepared(Workspace(work), "jsonl").splits["train"][0].utterances[0]
    assert first.audio == (calls / "sound" / "a.flac").resolve()
    assert (first.start, first.end) == (0.5, 1.5)
    calls.rename("elsewhere")
    moved = prepare_calls(source=Path("elsewhere"))
    assert moved.code == 2
    assert "the paths of its recordings differ" in moved.err


def test_where_there_are_none_nothing_is_said_of_them(prepare_calls: Prepare, work: Path, calls: Path) -> None:
    write_dialogue(calls, "train", [ROWS[2]])
    done = prepare_calls()
    assert "recordings" not in done.out + done.err
    assert {"recordings", "muted"} & facts(work).keys() == set()
    assert "recordings" not in facts(work)["counts"]["train"]


def test_preparing_again_does_nothing_until_a_recording_changes(
    prepare_calls: Prepare, work: Path, calls: Path
) -> None:
    first = prepare_calls()
    before = facts(work)
    again = prepare_calls()
    assert (again.code, again.out) == (0, first.out)
    assert "nothing to do" in again.err
    record(calls / "sound" / "b.wav", 1.0, seed=3)
    changed = prepare_calls()
    assert changed.code == 2
    assert "differs: changed recordings (pass --force" in changed.err
    assert facts(work) == before
    assert prepare_calls("--force").code == 0
    assert facts(work)["manifests"] == before["manifests"]
    assert facts(work)["recordings"]["digest"] != before["recordings"]["digest"]


def test_a_dataset_that_lacks_what_is_known_of_recordings_gets_it(prepare_calls: Prepare, work: Path) -> None:
    prepare_calls()
    stated = facts(work)
    (work / "jsonl" / "dataset.json").write_text(json.dumps({k: v for k, v in stated.items() if k != "recordings"}))
    assert "prepared: " in prepare_calls().err
    assert facts(work) == stated


@pytest.mark.parametrize(
    ("change", "line", "problem"),
    [
        (lambda c: (c / "sound" / "b.wav").unlink(), 4, "b.wav: there is no such file"),
        (lambda c: (c / "sound" / "b.wav").write_text("words"), 4, "b.wav: is not a readable audio file"),
        (lambda c: (c / "sound" / "b.wav").write_bytes(b""), 4, "b.wav: the file is empty"),
        (lambda c: write_dialogue(c, "train", [{**ROWS[0], "end": 9}]), 1, "a.flac: the segment ends at 9 s"),
        (
            lambda c: write_dialogue(c, "train", [{**ROWS[0], "start": 7, "end": 9}]),
            1,
            "a.flac: the segment starts at 7 s",
        ),
    ],
)
def test_a_recording_that_cannot_be_used_is_named_with_its_row(
    prepare_calls: Prepare, work: Path, calls: Path, change: Callable[[Path], object], line: int, problem: str
) -> None:
    change(calls)
    done = prepare_calls()
    assert (done.code, done.out) == (3, "")
    [said] = done.err.splitlines()
    assert said.startswith(f"ecef: {calls / 'train.jsonl'}:{line}: recording {calls.resolve() / 'sound'}/{problem}")
    assert said.endswith("; --tolerate 1 continues without it)")
    assert not (work / "jsonl").exists()


def test_tolerated_an_utterance_keeps_its_text_and_says_what_it_lost(
    prepare_calls: Prepare, work: Path, calls: Path
) -> None:
    (calls / "sound" / "a.flac").unlink()
    refused = prepare_calls("--tolerate", "1")
    assert refused.code == 3
    assert "1 more row is broken; --tolerate 2 continues without them" in refused.err
    done = prepare_calls("--tolerate", "2")
    assert done.code == 0
    lost = f"recording {calls.resolve()}/sound/a.flac: there is no such file"
    assert [row["text"] for row in manifest(work)] == ["one", "no sound", "two"]
    assert manifest(work)[0] == {
        "dialogue": "train",
        "utterance": 1,
        "speaker": "A",
        "text": "one",
        "emotion": "calm",
        "audio_fault": lost,
    }
    assert facts(work)["recordings"]["files"] == 1
    assert [(d["item"], d["reason"], d["where"]) for d in facts(work)["dropped"]] == [
        ("train/2", lost, "train.jsonl:2")
    ]
    assert facts(work)["muted"] == [{"split": "train", "item": "train/1", "reason": lost, "where": "train.jsonl:1"}]
    assert f"dropped 1: {lost} (train.jsonl:2)" in done.err
    assert f"left with text alone 1: {lost} (train.jsonl:1)" in done.err
    assert "nothing to do" in prepare_calls("--tolerate", "2").err


def test_what_is_wrong_with_recordings_is_told_by_kind_with_the_first_places(
    prepare_calls: Prepare, work: Path, calls: Path
) -> None:
    rows: list[dict[str, object]] = [
        {"text": "x", "emotion": "calm", "audio": f"sound/{name}"} for name in ("1.wav", "2.wav", "a.flac", "b.wav")
    ]
    rows += [{**ROWS[0], "end": end} for end in (8, 9.5)]
    rows += [{"text": "", "emotion": "calm", "audio": f"sound/{name}.wav"} for name in (3, 4, 5, 6)]
    write_dialogue(calls, "train", rows)
    (calls / "sound" / "b.wav").write_text("words")
    done = prepare_calls("--tolerate", "100%")
    assert done.code == 0
    gone = "there is no such file"
    ends = "the segment ends at … s, but the recording lasts from … s to … s"
    words = f"recording {calls.resolve()}/sound/b.wav: is not a readable audio file"
    assert done.err.splitlines()[:4] == [
        f"dropped 4: recording …: {gone} (train.jsonl:7, train.jsonl:8, train.jsonl:9, …)",
        f"left with text alone 2: recording …: {gone} (train.jsonl:1, train.jsonl:2)",
        f"left with text alone 2: recording …: {ends} (train.jsonl:5, train.jsonl:6)",
        f"left with text alone 1: {words} (train.jsonl:4)",
    ]
    assert [item["reason"] for item in facts(work)["muted"]][:2] == [
        f"recording {calls.resolve()}/sound/{number}.wav: {gone}" for number in (1, 2)
    ]


@pytest.mark.parametrize(("tolerate", "code"), [("49%", 3), ("50%", 0)])
def test_the_share_is_one_of_all_rows(prepare_calls: Prepare, calls: Path, tolerate: str, code: int) -> None:
    (calls / "sound" / "a.flac").unlink()
    assert prepare_calls("--tolerate", tolerate).code == code


def test_a_recording_that_was_mended_makes_another_dataset(prepare_calls: Prepare, work: Path, calls: Path) -> None:
    path = calls / "sound" / "b.wav"
    whole = path.read_bytes()
    path.unlink()
    prepare_calls("--tolerate", "1")
    path.write_bytes(whole)
    mended = prepare_calls()
    assert mended.code == 2
    assert "1 of its recordings were unusable, now 0" in mended.err
    assert prepare_calls("--force").code == 0
    assert "muted" not in facts(work)


def test_broken_rows_are_said_before_recordings_are_looked_at(
    prepare_calls: Prepare, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("ecef_cli.corpus.scan.each_file", never)
    write_dialogue(calls, "train", [*ROWS, {"speaker": "A"}])
    done = prepare_calls()
    assert done.code == 3
    assert "train.jsonl:5: the key 'text' is missing" in done.err


def test_a_split_that_alone_has_no_recording_is_warned_of(prepare_calls: Prepare, calls: Path) -> None:
    write_dialogue(calls, "test", [ROWS[2]])
    assert "warning: no utterance of test has a recording, but other splits have recordings" in prepare_calls().err


def test_a_dialogue_that_loses_all_utterances_goes(tmp_path: Path) -> None:
    lost = Utterance("", "A", "lost", 1, audio=tmp_path / "gone.wav", where="x:1")
    kept = Utterance("text", "A", "kept", 1)
    corpus = Corpus(("calm",), {"train": (Dialogue("lost", (lost,)), Dialogue("kept", (kept,)))}, ())
    found = scan_recordings(corpus)
    assert [dialogue.id for dialogue in found.corpus.splits["train"]] == ["kept"]
    assert [str(dropped.error) for dropped in found.corpus.dropped] == [
        f"x:1: recording {tmp_path}/gone.wav: there is no such file (check the path of the recording)"
    ]
    assert (found.muted, found.facts) == ((), None)


def test_each_file_is_looked_at_once(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []

    def counting(path: Path) -> str:
        seen.append(path)
        return checksum(path)

    monkeypatch.setattr("ecef_cli.corpus.scan.checksum", counting)
    path = calls / "sound" / "a.flac"
    said = tuple(Utterance("x", "A", "d", n, audio=path, start=n / 100) for n in range(50))
    found = scan_recordings(Corpus(("calm",), {"train": (Dialogue("d", said),)}, ()))
    assert seen == [path]
    assert present(found.facts)["seconds"] == pytest.approx(sum(3 - n / 100 for n in range(50)))


def test_a_relative_path_of_a_reader_is_made_absolute(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(calls)
    said = Utterance("x", "A", "d", 1, audio=Path("sound/b.wav"))
    found = scan_recordings(Corpus(("calm",), {"train": (Dialogue("d", (said,)),)}, ()))
    assert found.corpus.splits["train"][0].utterances[0].audio == calls / "sound" / "b.wav"
