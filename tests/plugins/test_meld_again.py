"""`ecef prepare meld` a second time: what is whole is kept, what is not is made again, whatever came in between."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from meld_archive import clip, raw, write
from meld_small import CLIPS, TABLES, unpack
from prepared import Command

from ecef_cli.workspace import locked
from ecef_datasets import clip_pool, meld_recordings

pytest_plugins = ["meld_fixtures"]

HERE = f"{os.getpid()} on {os.uname().nodename}"


def test_a_second_time_nothing_is_decoded_and_no_archive_is_opened(
    prepare_meld: Command, archive: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepare_meld("--source", archive)[0] == 0
    assert len(decoded) == 7
    monkeypatch.setattr("ecef_datasets.meld_recordings.read_archive", None)
    code, said = prepare_meld("--source", archive)
    assert code == 0, said
    assert "nothing to do" in said
    assert len(decoded) == 7


def test_what_was_unpacked_meanwhile_is_not_decoded_again(
    prepare_meld: Command, archive: Path, tmp_path: Path, decoded: list[str]
) -> None:
    prepare_meld("--source", archive)
    code, said = prepare_meld("--source", unpack(archive, tmp_path / "tree"))
    assert code == 0, said
    assert "nothing to do" in said
    assert len(decoded) == 7


def test_only_what_is_not_there_is_decoded(
    prepare_meld: Command, archive: Path, work: Path, decoded: list[str]
) -> None:
    prepare_meld("--source", archive)
    decoded.clear()
    (work / "meld" / "recordings" / "dev" / "dia2_utt0.flac").unlink()
    write(work / "meld" / "recordings" / "test" / "dia0_utt1.flac", b"fLaC cut off")
    code, said = prepare_meld("--source", archive)
    assert code == 0, said
    assert sorted(decoded) == ["dev/dia2_utt0.flac", "test/dia0_utt1.flac"]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda whole: whole[:0],
    "cut off": lambda whole: whole[:-7],
    "half": lambda whole: whole[: len(whole) // 2],
    "zeros in the end": lambda whole: whole[:-600] + bytes(600),
    "zeros alone": lambda whole: bytes(len(whole)),
}


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_recording_that_a_power_failure_has_damaged_is_made_again_with_a_note(
    prepare_meld: Command, archive: Path, work: Path, decoded: list[str], damage: str, finished: bool
) -> None:
    prepare_meld("--source", archive)
    decoded.clear()
    path = work / "meld" / "recordings" / "dev" / "dia2_utt0.flac"
    whole = path.read_bytes()
    path.write_bytes(DAMAGES[damage](whole))
    if not finished:
        (work / "meld" / "dataset.json").unlink()
    code, said = prepare_meld("--source", archive)
    assert code == 0, said
    assert decoded == ["dev/dia2_utt0.flac"]
    assert f"remaking damaged recordings in {path.parents[1]}: 1\n" in said
    assert ("nothing to do" in said) == finished
    assert path.read_bytes() == whole


CHANGED = {**CLIPS, "dev": {**CLIPS["dev"], "dia0_utt0.mp4": clip(0.7)}}


def contents(work: Path) -> dict[str, bytes]:
    """Return what stands in the files of a dataset, but for what is known of archives."""
    files = sorted(path for path in (work / "meld").rglob("*") if path.is_file() and path.name != "archives.json")
    return {str(path.relative_to(work)): path.read_bytes() for path in files}


def test_other_recordings_of_the_same_names_leave_the_dataset_as_it_is(
    prepare_meld: Command, tmp_path: Path, archive: Path, work: Path, decoded: list[str]
) -> None:
    prepare_meld("--source", archive)
    decoded.clear()
    before = contents(work)
    other = write(tmp_path / "other" / archive.name, raw(TABLES, CHANGED))
    code, said = prepare_meld("--source", other)
    assert code == 2
    assert "the dataset 'meld' in" in said
    assert (
        "differs: its recordings were made of other files (pass --force to replace it, or --name to create another)"
        in said
    )
    assert decoded == []
    assert contents(work) == before
    code, said = prepare_meld("--source", other, "--force")
    assert code == 0, said
    assert decoded == ["dev/dia0_utt0.flac"]
    assert [name for name, content in contents(work).items() if before[name] != content] == [
        "meld/dataset.json",
        "meld/recordings/dev/dia0_utt0.flac",
    ]


def test_other_tables_that_were_refused_are_not_taken_for_those_of_the_archive(
    prepare_meld: Command, tmp_path: Path, archive: Path, work: Path
) -> None:
    prepare_meld("--source", archive)
    before = contents(work)
    tables = {**TABLES, "dev": TABLES["dev"].replace(b"what I say", b"what he says")}
    code, said = prepare_meld("--source", write(tmp_path / "other" / archive.name, raw(tables, CLIPS)))
    assert code == 2
    assert "changed sources: dev_sent_emo.csv" in said
    code, said = prepare_meld("--source", archive)
    assert code == 0, said
    assert "nothing to do" in said
    assert contents(work) == before


def test_what_came_out_of_a_damaged_archive_is_not_taken_for_what_the_right_one_holds(
    prepare_meld: Command, archive: Path, work: Path, decoded: list[str]
) -> None:
    sound = CLIPS["train"]["dia0_utt0.mp4"]
    other = sound.replace(b"Lavf", b"XXXX", 1)  # the same size, and a sound that can be decoded
    assert other != sound
    whole = archive.read_bytes()
    damaged = bytearray(raw(TABLES, {**CLIPS, "train": {**CLIPS["train"], "dia0_utt0.mp4": other}}))
    damaged[-6] ^= 0x01  # as if the sum of all were that of the right bytes
    archive.write_bytes(damaged)
    code, said = prepare_meld("--source", archive)
    assert code == 3
    assert "damaged" in said
    assert (work / "meld" / "recordings" / "train" / "dia0_utt0.flac").exists()
    decoded.clear()
    archive.write_bytes(whole)
    code, said = prepare_meld("--source", archive)
    assert code == 0, said
    assert "train/dia0_utt0.flac" in decoded


def test_recordings_without_a_checksum_of_what_they_were_made_of_are_kept(
    prepare_meld: Command, archive: Path, work: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(meld_recordings, "source_note", lambda size, modified, _=None: f"{size} {modified}")
        prepare_meld("--source", archive)
    decoded.clear()
    os.utime(archive, (1, 1))
    code, said = prepare_meld("--source", archive)
    assert code == 0, said
    assert "nothing to do" in said
    assert decoded == []


def test_the_published_archive_cut_off_goes_on_when_it_is_whole(
    prepare_meld: Command, archive: Path, work: Path, decoded: list[str]
) -> None:
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) * 2 // 3])
    code, said = prepare_meld("--source", archive)
    assert code == 3
    assert "cut off or damaged" in said
    before = len(decoded)
    assert before
    archive.write_bytes(whole)
    code, said = prepare_meld("--source", archive)
    assert code == 0, said
    assert len(decoded) == 7, "what was decoded of the part is not decoded again"


def test_a_second_prepare_is_told_to_wait(prepare_meld: Command, archive: Path, work: Path, decoded: list[str]) -> None:
    with locked(work / "meld", "it"):
        code, said = prepare_meld("--source", archive)
    assert code == 1
    assert said == f"ecef: the dataset 'meld' is in use by another process, {HERE} (wait until it has ended)\n"
    assert decoded == []


def test_several_processes_make_the_same_files(
    prepare_meld: Command, archive: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepare_meld("--source", archive)[0] == 0
    alone = {path.name: path.read_bytes() for path in work.rglob("*.flac")}
    monkeypatch.setattr(clip_pool, "FEW", 2)
    code, said = prepare_meld("--source", archive, "--workers", 2, "--name", "again")
    assert code == 0, said
    assert {path.name: path.read_bytes() for path in (work / "again").rglob("*.flac")} == alone


def test_a_decoder_that_dies_is_one_line(prepare_meld: Command, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_pool, "FEW", 0)
    monkeypatch.setattr(clip_pool, "_as_child", _die)
    code, said = prepare_meld("--source", archive, "--workers", 2)
    assert code == 1
    assert "a decoding process was killed (finished recordings are kept" in said


def _die() -> None:
    os._exit(3)


def test_a_full_disk_keeps_what_is_done(
    prepare_meld: Command, archive: Path, work: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: Callable[[bytes | Path, Path, str], None] = vars(clip_pool)["convert"]  # as `decoded` has it

    def full(sound: bytes | Path, target: Path, note: str) -> None:
        if len(decoded) == 4:
            raise OSError(28, "No space left on device")
        counted(sound, target, note)

    monkeypatch.setattr(clip_pool, "convert", full)
    code, said = prepare_meld("--source", archive, "--workers", 1)
    assert code == 1
    assert "cannot be written: No space left on device" in said
    monkeypatch.setattr(clip_pool, "convert", counted)
    assert prepare_meld("--source", archive)[0] == 0
    assert len(decoded) == 7


def test_a_disk_that_is_too_small_is_told_before_anything_is_decoded(
    prepare_meld: Command, archive: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1 << 20}))
    code, said = prepare_meld("--source", archive)
    assert code == 1
    assert "has 1 MiB free, but the recordings need 64 MiB" in said.replace("needs", "need")
    assert decoded == []
