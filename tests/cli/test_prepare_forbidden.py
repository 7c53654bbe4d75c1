"""`ecef prepare` where the system keeps files or folders from the user: one line that names them, and nothing lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from forbidden import Forbid
from prepared import Outcome, Prepare, write_dialogue
from recorded import record

from ecef_cli.cli.main import run

DENIED = "Permission denied"
MEND = " (make it readable, or pass other sources)"


def said(done: Outcome) -> str:
    """Return the one line that a command ended with."""
    assert done.out == ""
    [line] = done.err.splitlines()
    assert "traceback" not in line
    return line


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    folder = tmp_path / "calls"
    for split in ("train", "dev", "test"):
        write_dialogue(folder, split, [{"text": "one", "emotion": "calm"}])
    return folder


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Two sessions of IEMOCAP, in its form, with a recording."""
    release = tmp_path / "IEMOCAP_full_release"
    for number in (3, 5):
        dialogue, session = f"Ses0{number}F_impro01", release / f"Session{number}"
        for folder, line in (
            ("EmoEvaluation", f"[1.0 - 2.0]\t{dialogue}_F000\tneu\t[2.5, 2.5, 2.5]"),
            ("transcriptions", f"{dialogue}_F000 [001.0000-002.0000]: Yes."),
        ):
            path = session / "dialog" / folder / f"{dialogue}.txt"
            path.parent.mkdir(parents=True)
            path.write_text(f"{line}\n", encoding="utf-8")
        record(session / "sentences/wav" / dialogue / f"{dialogue}_F000.wav", 1.0)
    return release


@pytest.mark.parametrize(
    ("forbidden", "mode"),
    [
        ("Session3/dialog/EmoEvaluation", 0),
        ("Session3/dialog", 0),
        ("Session3/dialog/transcriptions", 0),
        ("Session3", 0),
        ("Session3", 0o400),
        ("Session3/sentences/wav", 0),
        ("Session3/sentences/wav/Ses03F_impro01", 0),
        (".", 0o400),
        ("other", 0),
    ],
)
def test_no_session_of_iemocap_is_lost_where_a_folder_cannot_be_read(
    prepare: Prepare, release: Path, forbid: Forbid, forbidden: str, mode: int
) -> None:
    (release / "other").mkdir()
    folder = forbid(release / forbidden, mode)
    done = prepare("iemocap", "--source", release)
    assert (done.code, said(done)) == (3, f"ecef: {folder}: cannot be read: {DENIED}{MEND}")


def test_hidden_folders_beside_iemocap_may_be_anybodys(prepare: Prepare, release: Path, forbid: Forbid) -> None:
    (release / ".Trash").mkdir()
    forbid(release / ".Trash")
    assert prepare("iemocap", "--source", release).code == 0


@pytest.mark.parametrize("forbidden", ["train_splits", "train_splits/deep", "data", "data/MELD", "."])
def test_no_recording_of_meld_is_lost_where_a_folder_cannot_be_read(
    prepare: Prepare, tmp_path: Path, forbid: Forbid, forbidden: str
) -> None:
    meld = tmp_path / "MELD"
    for name in ("train_splits/deep", "data/MELD"):
        (meld / name).mkdir(parents=True)
    folder = forbid(meld / forbidden)
    done = prepare("meld", "--source", meld)
    assert (done.code, said(done)) == (3, f"ecef: {folder}: cannot be read: {DENIED}{MEND}")


@pytest.mark.parametrize(
    ("reader", "forbidden"),
    [("emorynlp", "json"), ("emorynlp", "data/emorynlp"), ("dailydialog", "train"), ("jsonl", "."), ("csv", ".")],
)
@pytest.mark.parametrize("mode", [0, 0o400])
def test_a_folder_of_files_that_cannot_be_read_is_not_one_without_them(
    prepare: Prepare, tmp_path: Path, forbid: Forbid, reader: str, forbidden: str, mode: int
) -> None:
    for name in ("json", "data/emorynlp", "train"):
        (tmp_path / "corpus" / name).mkdir(parents=True)
    for name in ("a.jsonl", "a.csv"):
        (tmp_path / "corpus" / name).touch()
    folder = forbid(tmp_path / "corpus" / forbidden, mode)
    done = prepare(reader, "--source", tmp_path / "corpus")
    assert (done.code, said(done)) == (3, f"ecef: {folder}: cannot be read: {DENIED}{MEND}")


@pytest.mark.parametrize("reader", ["jsonl", "csv", "meld", "emorynlp", "dailydialog", "iemocap"])
def test_a_source_in_a_folder_that_cannot_be_searched_is_not_one_that_is_missing(
    prepare: Prepare, calls: Path, forbid: Forbid, reader: str
) -> None:
    forbid(calls)
    done = prepare(reader, "--source", calls / "more" / "train.jsonl")
    assert (done.code, said(done)) == (3, f"ecef: {calls}: cannot be read: {DENIED}{MEND}")


@pytest.mark.parametrize(("reader", "name"), [("jsonl", "a.jsonl"), ("csv", "a.csv"), ("meld", "train_sent_emo.csv")])
def test_a_file_that_cannot_be_read_is_named_with_the_exit_code_of_one_that_is_missing(
    prepare: Prepare, tmp_path: Path, forbid: Forbid, reader: str, name: str
) -> None:
    for each in ("a.jsonl", "a.csv", *(f"{split}_sent_emo.csv" for split in ("train", "dev", "test"))):
        (tmp_path / each).write_text("x", encoding="utf-8")
    forbid(tmp_path / name)
    done = prepare(
        reader,
        *(
            part
            for each in sorted({name, "dev_sent_emo.csv", "test_sent_emo.csv"})
            if reader == "meld" or each == name
            for part in ("--source", tmp_path / each)
        ),
    )
    assert (done.code, said(done)) == (3, f"ecef: {tmp_path / name}: cannot be read: {DENIED}")
    assert prepare(reader, "--source", tmp_path / "gone").code == 3


@pytest.mark.parametrize("there", [True, False])
def test_a_workspace_that_cannot_be_written_is_named(
    prepare: Prepare, work: Path, calls: Path, forbid: Forbid, there: bool
) -> None:
    folder = work if there else work.parent
    folder.mkdir(exist_ok=True)
    forbid(folder, 0o500)
    done = prepare("jsonl", "--source", calls)
    assert (done.code, said(done)) == (1, f"ecef: {folder}: cannot be written: {DENIED}")


@pytest.mark.parametrize("forbidden", ["manifest", "."])
@pytest.mark.parametrize(
    ("mode", "more", "problem"),
    [
        (0, (), "cannot be read or written: Permission denied"),
        (0, ("--force",), "cannot be written: Permission denied (the dataset is unchanged; "),
        (0o500, ("--force",), "cannot be written: Permission denied (the dataset is unchanged; "),
    ],
)
def test_a_dataset_that_cannot_be_read_or_written_is_named(
    prepare: Prepare,
    work: Path,
    calls: Path,
    forbid: Forbid,
    forbidden: str,
    mode: int,
    more: tuple[str, ...],
    problem: str,
) -> None:
    prepare("jsonl", "--source", calls)
    folder = forbid(work / "jsonl" / forbidden, mode)
    done = prepare("jsonl", "--source", calls, *more)
    assert done.code == 1
    assert said(done).startswith(f"ecef: {folder}: {problem}")


@pytest.mark.parametrize("forbidden", ["manifest", "."])
def test_a_dataset_whose_folder_cannot_be_read_is_not_checked(
    prepare: Prepare, work: Path, calls: Path, forbid: Forbid, forbidden: str
) -> None:
    prepare("jsonl", "--source", calls)
    folder = forbid(work / "jsonl" / forbidden)
    for subject in ("jsonl", work / "jsonl"):
        done = prepare("--check", subject)
        assert (done.code, said(done)) == (3, f"ecef: {folder}: cannot be read: {DENIED}")


def test_other_commands_name_the_folder_without_advice_on_tracebacks(
    prepare: Prepare, work: Path, calls: Path, forbid: Forbid, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare("jsonl", "--source", calls)
    folder = forbid(work / "jsonl")
    assert run(["--workspace", str(work), "tag", "--dataset", "jsonl"]) == 1
    assert capsys.readouterr().err == f"ecef: {folder}: {DENIED}\n"


def test_what_is_a_folder_and_should_be_a_file_is_told_in_words(prepare: Prepare, work: Path, calls: Path) -> None:
    prepare("jsonl", "--source", calls)
    (work / "jsonl" / "manifest" / "odd.jsonl").mkdir()
    (work / "jsonl" / "dataset.json").rename(calls / "dataset.json")
    (work / "jsonl" / "dataset.json").mkdir()
    for more, code in (((), 3), (("--force",), 1)):
        done = prepare("jsonl", "--source", calls, *more)
        assert done.code == code
        assert said(done).startswith(f"ecef: {work / 'jsonl'}")
        assert "Is a directory" in said(done)
        assert "[Errno" not in said(done)
    (work / "jsonl" / "dataset.json").rmdir()
    (work / "jsonl" / "dataset.json").write_text(json.dumps(json.loads((calls / "dataset.json").read_text())))
    done = prepare("jsonl", "--source", calls)
    assert (done.code, said(done)) == (
        1,
        f"ecef: {work / 'jsonl' / 'manifest' / 'odd.jsonl'}: cannot be read or written: Is a directory",
    )
    (work / "jsonl" / "manifest" / "odd.jsonl").rmdir()
    place = work / "jsonl" / "manifest" / "train.jsonl"
    place.unlink()
    place.mkdir()
    done = prepare("jsonl", "--source", calls, "--force")
    assert (done.code, said(done)) == (1, f"ecef: {place}: cannot be read or written: Is a directory")
