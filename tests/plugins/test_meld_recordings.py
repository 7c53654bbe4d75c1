"""`ecef prepare meld` with recordings: archives, folders, what is left out and what is tolerated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from meld_archive import FOLDERS, clip, packed, raw, table, write
from meld_small import CLIPS, EVERY, ROWS, SOUND, TABLES, heard, unpack
from prepared import Command

from ecef_cli.audio.reading import read_wave
from ecef_cli.cli.main import run

pytest_plugins = ["meld_fixtures"]


def test_the_archive_alone_gives_text_and_recordings(prepare_meld: Command, archive: Path, work: Path) -> None:
    code, said = prepare_meld("--source", archive, "--workers", 2)
    assert code == 0, said
    assert heard(work) == EVERY
    assert len(read_wave(work / "meld" / "recordings" / "train/dia0_utt1.flac", rate=16_000)) > 9_000
    assert "recordings: 7 files" in said


@pytest.mark.parametrize("form", ["tree", "packed tree", "tables and tree", "splits", "nested alone"])
def test_whatever_form_the_sources_have_the_dataset_is_the_same(
    prepare_meld: Command, archive: Path, tmp_path: Path, work: Path, form: str, decoded: list[str]
) -> None:
    tree = unpack(archive, tmp_path / "tree") / "MELD.Raw"
    tables = [tree / f"{split}_sent_emo.csv" for split in FOLDERS]
    if form == "tree":
        sources = [tree.parent]
    elif form == "packed tree":
        for path in list(tree.rglob("*.mp4")):
            path.unlink()
        sources = [tree]
    elif form == "tables and tree":
        sources = [*tables, *(tree / folder for folder in FOLDERS.values())]
    elif form == "splits":
        sources = [tree / "train_splits", tree]
    else:
        sources = [*tables, *(tree / f"{split}.tar.gz" for split in FOLDERS)]
    code, said = prepare_meld(*(argument for source in sources for argument in ("--source", source)))
    assert code == 0, said
    assert heard(work) == EVERY
    assert len(decoded) == 7


@pytest.mark.parametrize("form", ["wav", "flac", "mp4"])
def test_folders_of_recordings_stand_beside_the_tables(
    prepare_meld: Command, tmp_path: Path, work: Path, form: str
) -> None:
    for split, rows in ROWS.items():
        write(tmp_path / "csv" / f"{split}_sent_emo.csv", TABLES[split])
        for dialogue, utterance, _ in rows:
            write(tmp_path / "sound" / split / f"dia{dialogue}_utt{utterance}.{form}", clip(0.6, form=form))
    code, said = prepare_meld("--source", tmp_path / "csv", "--source", tmp_path / "sound")
    assert code == 0, said
    assert heard(work) == EVERY


def test_without_recordings_it_is_the_corpus_of_text(prepare_meld: Command, tmp_path: Path, work: Path) -> None:
    for split, text in TABLES.items():
        write(tmp_path / "csv" / f"{split}_sent_emo.csv", text)
    code, said = prepare_meld("--source", tmp_path / "csv")
    assert code == 0, said
    assert set(heard(work)["train"]) == {None}
    assert not (work / "meld" / "recordings").exists()


def faulty(**changed: dict[str, bytes | None]) -> bytes:
    """Return the archive with other clips, by split; None is a clip that is missing."""
    clips = {split: {**CLIPS[split], **changed.get(split, {})} for split in CLIPS}
    return raw(TABLES, {split: {n: c for n, c in of.items() if c is not None} for split, of in clips.items()})


FAULTS = {
    "corrupt": (SOUND[:900], "recording dev dia0_utt0: it cannot be decoded"),
    "silent": (clip(0.6, level=0.0), "recording dev dia0_utt0: it is silent"),
    "missing": (None, "recording dev dia0_utt0: it is missing"),
    "empty": (b"", "recording dev dia0_utt0: it cannot be decoded"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_broken_clip_stops_and_is_tolerated_when_asked_with_its_text_kept(
    prepare_meld: Command, tmp_path: Path, work: Path, what: str
) -> None:
    sound, problem = FAULTS[what]
    source = write(tmp_path / "MELD.Raw.tar.gz", faulty(dev={"dia0_utt0.mp4": sound}))
    code, said = prepare_meld("--source", source)
    assert code == 3
    assert "dev_sent_emo.csv:2: " + problem in said
    assert "--tolerate 1 continues without it" in said
    for _ in range(2):  # the second time, what the archive held is known without opening it
        code, said = prepare_meld("--source", source, "--tolerate", 1)
        assert code == 0, said
    assert heard(work) == {**EVERY, "dev": [None, "dev/dia2_utt0.flac"]}
    facts = json.loads((work / "meld" / "dataset.json").read_text())
    assert [(m["split"], m["item"]) for m in facts["muted"]] == [("dev", "dev_dia0/0")]
    assert facts["counts"]["dev"]["utterances"] == 2


def test_the_clips_known_to_be_bad_are_left_out_and_reported_without_any_tolerance(
    prepare_meld: Command, tmp_path: Path, work: Path
) -> None:
    tables = {
        "train": table([(125, 2, 0.6), (125, 3, 0.6)]),
        "dev": table([(110, 6, 0.6), (110, 7, 0.6)]),
        "test": table([(38, 4, 304.94), (220, 0, 235.0), (155, 3, 0.0), (1, 0, 1.0), (2, 0, 0.6)]),
    }
    clips = {
        "train": {"dia125_utt2.mp4": SOUND, "dia125_utt3.mp4": SOUND[:500]},
        "dev": {"dia110_utt6.mp4": SOUND},
        "test": {f"dia{name}.mp4": SOUND for name in ("38_utt4", "220_utt0", "155_utt3", "2_utt0")},
    }
    clips["test"]["dia1_utt0.mp4"] = clip(6.5)
    code, said = prepare_meld("--source", write(tmp_path / "MELD.Raw.tar.gz", raw(tables, clips)))
    assert code == 0, said
    assert heard(work) == {
        "train": ["train/dia125_utt2.flac", None],
        "dev": ["dev/dia110_utt6.flac", None],
        "test": [None, "test/dia2_utt0.flac", None, None, None],
    }
    for line in (
        "the published clip is corrupt (train_sent_emo.csv:3)",
        "the clip was not published (dev_sent_emo.csv:3)",
        "badly cut: the clip lasts 6.5 s, its row states 1.0 s (test_sent_emo.csv:5)",
        "badly cut: five minutes for one sentence (test_sent_emo.csv:2)",
        "its duration is not positive (test_sent_emo.csv:4)",
        "badly cut: four minutes for one question, from another scene (test_sent_emo.csv:3)",
    ):
        assert f"left with text alone 1: {line}\n" in said
    assert len(json.loads((work / "meld" / "dataset.json").read_text())["muted"]) == 6


def test_what_is_wrong_with_clips_is_told_by_kind(prepare_meld: Command, tmp_path: Path) -> None:
    clips = {split: dict(of) for split, of in CLIPS.items()}
    clips["train"] = {"dia0_utt0.mp4": clip(level=0.0), "dia0_utt1.mp4": SOUND[:500], "dia1_utt0.mp4": SOUND}
    clips["dev"] = {"dia0_utt0.mp4": clip(level=0.0)}
    clips["test"] = {"dia0_utt0.mp4": SOUND}
    code, said = prepare_meld("--source", write(tmp_path / "MELD.Raw.tar.gz", raw(TABLES, clips)), "--tolerate", "5")
    assert code == 0, said
    damaged = "it cannot be decoded: invalid data found when processing input"
    for line in (
        "2: recording …: it is silent (train_sent_emo.csv:2, dev_sent_emo.csv:2)",
        "2: recording …: it is missing (dev_sent_emo.csv:3, test_sent_emo.csv:3)",
        f"1: recording train dia0_utt1: {damaged} (train_sent_emo.csv:3)",
    ):
        assert f"left with text alone {line}\n" in said


def test_extras_and_strays_are_no_utterances(prepare_meld: Command, tmp_path: Path, work: Path) -> None:
    extras = {"test": {"final_videos_testdia0_utt0.mp4": b"x", "dia9_utt9.mp4": SOUND}, "dev": {".DS_Store": b"x"}}
    code, said = prepare_meld("--source", write(tmp_path / "MELD.Raw.tar.gz", raw(TABLES, CLIPS, extras=extras)))
    assert code == 0, said
    assert heard(work) == EVERY
    assert "recordings without a row: 1" in said


def test_a_split_without_any_recording_was_not_given(prepare_meld: Command, tmp_path: Path, work: Path) -> None:
    clips = {split: of for split, of in CLIPS.items() if split != "train"}
    code, said = prepare_meld("--source", write(tmp_path / "MELD.Raw.tar.gz", raw(TABLES, clips)))
    assert code == 0, said
    assert heard(work) == {**EVERY, "train": [None, None, None]}
    assert "no recordings of train were given" in said


def test_a_recording_that_is_there_twice_is_told(prepare_meld: Command, archive: Path, tmp_path: Path) -> None:
    tree = unpack(archive, tmp_path / "tree")
    write(tmp_path / "more" / "train" / "dia0_utt0.wav", clip(form="wav"))
    code, said = prepare_meld("--source", tree, "--source", tmp_path / "more")
    assert code == 3
    assert "two recordings of train dia0_utt0" in said


def test_of_several_forms_in_one_folder_the_best_is_taken(
    prepare_meld: Command, archive: Path, tmp_path: Path, work: Path
) -> None:
    tree = unpack(archive, tmp_path / "tree")
    write(tree / "MELD.Raw" / "train_splits" / "dia0_utt0.wav", clip(0.9, form="wav"))
    code, said = prepare_meld("--source", tree)
    assert code == 0, said
    assert len(read_wave(work / "meld" / "recordings" / "train/dia0_utt0.flac", rate=16_000)) == 14_400


def test_a_workspace_within_the_source_is_no_source(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = unpack(archive, tmp_path / "tree")
    for _ in range(2):
        code = run(["--workspace", str(tree / "ecef-work"), "prepare", "meld", "--source", str(tree)])
        assert code == 0, capsys.readouterr().err
    assert "nothing to do" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda folder: folder / "none.tar.gz", "no such file or folder"),
        (lambda folder: write(folder / "clips.zip", b"PK"), "neither a table nor an archive of MELD"),
        (lambda folder: write(folder / "clips.tar.gz", b"PK"), "is not a tar archive"),
        (lambda folder: write(folder / "wavs" / "dia0_utt0.wav", SOUND).parent, "cannot tell the split"),
        (
            lambda folder: write(folder / "a.tgz", packed({"a/train/dia0_utt0.mp4": SOUND})),
            "train_sent_emo.csv is missing",
        ),
        (lambda folder: write(folder / "empty" / "x.txt", b"").parent, "train_sent_emo.csv is missing"),
    ],
)
def test_a_source_of_no_use_is_one_line(
    prepare_meld: Command, tmp_path: Path, make: Callable[[Path], Path], problem: str
) -> None:
    code, said = prepare_meld("--source", make(tmp_path))
    assert code == 3
    assert problem in said.splitlines()[-1]
