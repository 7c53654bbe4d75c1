"""`ecef prepare meld` with recordings: archives, folders, what is left out and what is tolerated."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from meld_archive import FOLDERS, clip, packed, raw, table, write

from ecef_cli.audio import read_wave
from ecef_cli.cli import _run
from ecef_cli.manifest import load_prepared
from ecef_cli.workspace import Workspace
from ecef_datasets import clip_pool

ROWS = {
    "train": [(0, 0, 0.6), (0, 1, 0.6), (1, 0, 0.6)],
    "dev": [(0, 0, 0.6), (2, 0, 0.6)],
    "test": [(0, 0, 0.6), (0, 1, 0.6)],
}
TABLES = {split: table(rows) for split, rows in ROWS.items()}
SOUND = clip(0.6)
SEEN = clip(0.6, video=True)
CLIPS = {
    split: {f"dia{dialogue}_utt{utterance}.mp4": SEEN if utterance else SOUND for dialogue, utterance, _ in rows}
    for split, rows in ROWS.items()
}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def prepare(work: Path, capsys) -> Callable[..., tuple[int, str]]:
    """Return what runs `prepare meld` and returns the exit code and what was said on stderr."""

    def run(*arguments: object) -> tuple[int, str]:
        code = _run(["--workspace", str(work), "prepare", "meld", *map(str, arguments)])
        return code, capsys.readouterr().err

    return run


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write(tmp_path / "MELD.Raw.tar.gz", raw(TABLES, CLIPS))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were made, in the order in which they were begun."""
    made: list[str] = []
    convert = clip_pool.convert

    def counted(sound: bytes | Path, target: Path, note: str) -> None:
        made.append(f"{target.parent.name}/{target.name}")
        convert(sound, target, note)

    monkeypatch.setattr(clip_pool, "convert", counted)
    return made


def heard(work: Path) -> dict[str, list[str | None]]:
    """Return the recording of each utterance, by split."""
    prepared = load_prepared(Workspace(work), "meld")
    found: dict[str, list[str | None]] = {}
    for split, dialogues in prepared.splits.items():
        paths = [u.audio for dialogue in dialogues for u in dialogue.utterances]
        found[split] = [
            None if path is None else path.relative_to(work / "meld" / "recordings").as_posix() for path in paths
        ]
    return found


EVERY = {
    "train": ["train/dia0_utt0.flac", "train/dia0_utt1.flac", "train/dia1_utt0.flac"],
    "dev": ["dev/dia0_utt0.flac", "dev/dia2_utt0.flac"],
    "test": ["test/dia0_utt0.flac", "test/dia0_utt1.flac"],
}


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack as its users do, archives within too, which stay where they are."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    for inner in sorted((folder / "MELD.Raw").glob("*.tar.gz")):
        with tarfile.open(inner) as tar:
            tar.extractall(folder / "MELD.Raw", filter="data")
    return folder


def test_the_archive_alone_gives_text_and_recordings(prepare, archive: Path, work: Path) -> None:
    code, said = prepare("--source", archive, "--workers", 2)
    assert code == 0, said
    assert heard(work) == EVERY
    assert len(read_wave(work / "meld" / "recordings" / "train/dia0_utt1.flac", rate=16_000)) > 9_000
    assert "recordings: 7 files" in said


@pytest.mark.parametrize("form", ["tree", "packed tree", "tables and tree", "splits", "nested alone"])
def test_whatever_form_the_sources_have_the_dataset_is_the_same(
    prepare, archive: Path, tmp_path: Path, work: Path, form: str, decoded: list[str]
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
    code, said = prepare(*(argument for source in sources for argument in ("--source", source)))
    assert code == 0, said
    assert heard(work) == EVERY
    assert len(decoded) == 7


@pytest.mark.parametrize("form", ["wav", "flac", "mp4"])
def test_folders_of_recordings_stand_beside_the_tables(prepare, tmp_path: Path, work: Path, form: str) -> None:
    for split, rows in ROWS.items():
        write(tmp_path / "csv" / f"{split}_sent_emo.csv", TABLES[split])
        for dialogue, utterance, _ in rows:
            write(tmp_path / "sound" / split / f"dia{dialogue}_utt{utterance}.{form}", clip(0.6, form=form))
    code, said = prepare("--source", tmp_path / "csv", "--source", tmp_path / "sound")
    assert code == 0, said
    assert heard(work) == EVERY


def test_without_recordings_it_is_the_corpus_of_text(prepare, tmp_path: Path, work: Path) -> None:
    for split, text in TABLES.items():
        write(tmp_path / "csv" / f"{split}_sent_emo.csv", text)
    code, said = prepare("--source", tmp_path / "csv")
    assert code == 0, said
    assert set(heard(work)["train"]) == {None}
    assert not (work / "meld" / "recordings").exists()


def test_a_second_time_nothing_is_decoded_and_no_archive_is_opened(
    prepare, archive: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepare("--source", archive)[0] == 0
    assert len(decoded) == 7
    monkeypatch.setattr("ecef_datasets.meld_recordings.members", None)
    code, said = prepare("--source", archive)
    assert code == 0, said
    assert "nothing to do" in said
    assert len(decoded) == 7


def test_what_was_unpacked_meanwhile_is_not_decoded_again(
    prepare, archive: Path, tmp_path: Path, decoded: list[str]
) -> None:
    prepare("--source", archive)
    code, said = prepare("--source", unpack(archive, tmp_path / "tree"))
    assert code == 0, said
    assert "nothing to do" in said
    assert len(decoded) == 7


def test_only_what_is_not_there_is_decoded(prepare, archive: Path, work: Path, decoded: list[str]) -> None:
    prepare("--source", archive)
    decoded.clear()
    (work / "meld" / "recordings" / "dev" / "dia2_utt0.flac").unlink()
    write(work / "meld" / "recordings" / "test" / "dia0_utt1.flac", b"fLaC cut off")
    code, said = prepare("--source", archive)
    assert code == 0, said
    assert sorted(decoded) == ["dev/dia2_utt0.flac", "test/dia0_utt1.flac"]


def test_another_recording_of_the_same_name_is_decoded_anew(
    prepare, tmp_path: Path, archive: Path, decoded: list[str]
) -> None:
    prepare("--source", archive)
    decoded.clear()
    changed = {**CLIPS, "dev": {**CLIPS["dev"], "dia0_utt0.mp4": clip(0.7)}}
    code, said = prepare("--source", write(archive, raw(TABLES, changed)))
    assert code == 2
    assert "differs" in said
    assert decoded == ["dev/dia0_utt0.flac"]
    assert prepare("--source", archive, "--force")[0] == 0


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
    prepare, tmp_path: Path, work: Path, what: str
) -> None:
    sound, problem = FAULTS[what]
    source = write(tmp_path / "MELD.Raw.tar.gz", faulty(dev={"dia0_utt0.mp4": sound}))
    code, said = prepare("--source", source)
    assert code == 3
    assert "dev_sent_emo.csv:2: " + problem in said
    assert "--tolerate 1 goes on without it" in said
    for _ in range(2):  # the second time, what the archive held is known without opening it
        code, said = prepare("--source", source, "--tolerate", 1)
        assert code == 0, said
    assert heard(work) == {**EVERY, "dev": [None, "dev/dia2_utt0.flac"]}
    facts = json.loads((work / "meld" / "dataset.json").read_text())
    assert [(m["split"], m["item"]) for m in facts["muted"]] == [("dev", "dev_dia0/0")]
    assert facts["counts"]["dev"]["utterances"] == 2


def test_the_clips_known_to_be_bad_are_left_out_and_reported_without_any_tolerance(
    prepare, tmp_path: Path, work: Path
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
    code, said = prepare("--source", write(tmp_path / "MELD.Raw.tar.gz", raw(tables, clips)))
    assert code == 0, said
    assert heard(work) == {
        "train": ["train/dia125_utt2.flac", None],
        "dev": ["dev/dia110_utt6.flac", None],
        "test": [None, "test/dia2_utt0.flac", None, None, None],
    }
    for line in (
        "train_dia125/3, the published clip is corrupt",
        "dev_dia110/7, the clip was not published",
        "test_dia1/0, cut wrongly: the clip lasts 6.5 s, its row says 1.0 s",
        "test_dia38/4, cut wrongly: five minutes for one sentence",
        "test_dia155/3, its duration is not positive",
        "test_dia220/0, cut wrongly",
    ):
        assert f"without its recording: {line}" in said
    assert len(json.loads((work / "meld" / "dataset.json").read_text())["muted"]) == 6


def test_extras_and_strays_are_no_utterances(prepare, tmp_path: Path, work: Path) -> None:
    extras = {"test": {"final_videos_testdia0_utt0.mp4": b"x", "dia9_utt9.mp4": SOUND}, "dev": {".DS_Store": b"x"}}
    code, said = prepare("--source", write(tmp_path / "MELD.Raw.tar.gz", raw(TABLES, CLIPS, extras=extras)))
    assert code == 0, said
    assert heard(work) == EVERY
    assert "recordings that no row is of: 1" in said


def test_a_split_without_any_recording_was_not_given(prepare, tmp_path: Path, work: Path) -> None:
    clips = {split: of for split, of in CLIPS.items() if split != "train"}
    code, said = prepare("--source", write(tmp_path / "MELD.Raw.tar.gz", raw(TABLES, clips)))
    assert code == 0, said
    assert heard(work) == {**EVERY, "train": [None, None, None]}
    assert "no recording of train was given" in said


def test_a_recording_that_is_there_twice_is_told(prepare, archive: Path, tmp_path: Path) -> None:
    tree = unpack(archive, tmp_path / "tree")
    write(tmp_path / "more" / "train" / "dia0_utt0.wav", clip(form="wav"))
    code, said = prepare("--source", tree, "--source", tmp_path / "more")
    assert code == 3
    assert "the recording of train dia0_utt0 is there twice" in said


def test_of_several_forms_in_one_folder_the_best_is_taken(prepare, archive: Path, tmp_path: Path, work: Path) -> None:
    tree = unpack(archive, tmp_path / "tree")
    write(tree / "MELD.Raw" / "train_splits" / "dia0_utt0.wav", clip(0.9, form="wav"))
    code, said = prepare("--source", tree)
    assert code == 0, said
    assert len(read_wave(work / "meld" / "recordings" / "train/dia0_utt0.flac", rate=16_000)) == 14_400


def test_a_workspace_within_the_source_is_no_source(archive: Path, tmp_path: Path, capsys) -> None:
    tree = unpack(archive, tmp_path / "tree")
    for _ in range(2):
        code = _run(["--workspace", str(tree / "ecef-work"), "prepare", "meld", "--source", str(tree)])
        assert code == 0, capsys.readouterr().err
    assert "nothing to do" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda folder: folder / "none.tar.gz", "no such file or folder"),
        (lambda folder: write(folder / "clips.zip", b"PK"), "is no table and no archive of MELD"),
        (lambda folder: write(folder / "clips.tar.gz", b"PK"), "is no tar archive"),
        (lambda folder: write(folder / "wavs" / "dia0_utt0.wav", SOUND).parent, "does not tell its split"),
        (
            lambda folder: write(folder / "a.tgz", packed({"a/train/dia0_utt0.mp4": SOUND})),
            "train_sent_emo.csv is missing",
        ),
        (lambda folder: write(folder / "empty" / "x.txt", b"").parent, "train_sent_emo.csv is missing"),
    ],
)
def test_a_source_of_no_use_is_one_line(prepare, tmp_path: Path, make: Callable[[Path], Path], problem: str) -> None:
    code, said = prepare("--source", make(tmp_path))
    assert code == 3
    assert problem in said.splitlines()[-1]


@pytest.mark.parametrize("name", ["../../dia0_utt0.mp4", "/ecef-escape/dia0_utt0.mp4", "train_splits/dia0_UTT0.mp4"])
def test_a_hostile_archive_ends_in_one_line_and_writes_nothing_elsewhere(
    prepare, tmp_path: Path, work: Path, name: str
) -> None:
    inner = packed({"train_splits/dia0_utt0.mp4": SOUND, name: SOUND})
    texts = {f"MELD.Raw/{split}_sent_emo.csv": text for split, text in TABLES.items()}
    source = write(tmp_path / "MELD.Raw.tar.gz", packed({**texts, "MELD.Raw/train.tar.gz": inner}))
    code, said = prepare("--source", source)
    assert code == 3
    assert len(said.splitlines()) == 1
    assert "train.tar.gz: the member" in said
    written = {
        path.relative_to(work).parts[0] for path in tmp_path.rglob("*") if path.is_relative_to(work) and path != work
    }
    assert written <= {"meld"}
    assert {path.name for path in tmp_path.iterdir()} == {"MELD.Raw.tar.gz", "work"}
    assert not Path("/ecef-escape").exists()


def test_the_published_archive_cut_off_goes_on_when_it_is_whole(
    prepare, archive: Path, work: Path, decoded: list[str]
) -> None:
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) * 2 // 3])
    code, said = prepare("--source", archive)
    assert code == 3
    assert "cut off or damaged" in said
    before = len(decoded)
    assert before
    archive.write_bytes(whole)
    code, said = prepare("--source", archive)
    assert code == 0, said
    assert len(decoded) == 7, "what was decoded of the part is not decoded again"


def test_a_second_prepare_is_told_to_wait(prepare, archive: Path, work: Path) -> None:
    folder = work / "meld"
    folder.mkdir(parents=True)
    with FileLock(folder / ".recordings.lock"):
        code, said = prepare("--source", archive)
    assert code == 1
    assert "is in use by another process" in said


def test_several_processes_make_the_same_files(prepare, archive: Path, work: Path, monkeypatch) -> None:
    assert prepare("--source", archive)[0] == 0
    alone = {path.name: path.read_bytes() for path in work.rglob("*.flac")}
    monkeypatch.setattr(clip_pool, "FEW", 2)
    code, said = prepare("--source", archive, "--workers", 2, "--name", "again")
    assert code == 0, said
    assert {path.name: path.read_bytes() for path in (work / "again").rglob("*.flac")} == alone


def test_a_decoder_that_dies_is_one_line(prepare, archive: Path, monkeypatch) -> None:
    monkeypatch.setattr(clip_pool, "FEW", 0)
    monkeypatch.setattr(clip_pool, "_as_child", _die)
    code, said = prepare("--source", archive, "--workers", 2)
    assert code == 1
    assert "a process that decodes recordings was ended from outside (what is done is kept" in said


def _die() -> None:
    os._exit(3)


def test_a_full_disk_keeps_what_is_done(
    prepare, archive: Path, work: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = clip_pool.convert

    def full(sound: bytes | Path, target: Path, note: str) -> None:
        if len(decoded) == 4:
            raise OSError(28, "No space left on device")
        counted(sound, target, note)

    monkeypatch.setattr(clip_pool, "convert", full)
    code, said = prepare("--source", archive, "--workers", 1)
    assert code == 1
    assert "cannot be written: No space left on device" in said
    monkeypatch.setattr(clip_pool, "convert", counted)
    assert prepare("--source", archive)[0] == 0
    assert len(decoded) == 7


def test_a_disk_that_is_too_small_is_told_before_anything_is_decoded(
    prepare, archive: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1 << 20}))
    code, said = prepare("--source", archive)
    assert code == 1
    assert "has 1 MiB free, the recordings need 64 MiB" in said.replace("needs", "need")
    assert decoded == []
