"""`ecef prepare meld` of an archive that means harm: one line, exit code 3, and nothing written elsewhere."""

from __future__ import annotations

import gzip
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import HOSTILE, archive, declaring, entry, nested
from meld_archive import packed, write
from meld_small import SOUND, TABLES
from prepared import Command

pytest_plugins = ["meld_fixtures"]

CLIP = entry("MELD.Raw/train_splits/dia0_utt0.mp4", SOUND)
BOMB = entry("MELD.Raw/train_splits/dia0_utt1.mp4", bytes(40 << 20))
TWICE = [entry(f"MELD.Raw/train_splits/{name}.mp4", SOUND) for name in ("Dia0_utt1", "dia0_utt1")]


def one_line(prepare_meld: Command, tmp_path: Path, source: Path) -> str:
    """Prepare from an archive that is refused, and return the line that says why."""
    outside = {*tmp_path.parent.rglob("*"), *Path("/").iterdir()}
    code, said = prepare_meld("--source", source)
    assert code == 3
    assert said.count("\n") == 1, said
    assert said.startswith(f"ecef: {source}: ")
    assert said.isascii() or "…" in said
    written = {*tmp_path.parent.rglob("*"), *Path("/").iterdir()} - outside
    work = tmp_path / "work"
    assert {path.relative_to(work).parts[:1] for path in written} <= {(), ("meld",)}
    assert {path.name for path in (work / "meld").iterdir()} <= {"recordings", "tables"}
    assert not [path for path in written if path.is_symlink() or not (path.is_file() or path.is_dir())]
    return said


@pytest.mark.parametrize("within", [False, True], ids=["itself", "within"])
@pytest.mark.parametrize("what", HOSTILE)
def test_a_member_that_leads_out_or_cannot_be_written(
    prepare_meld: Command, tmp_path: Path, what: str, within: bool
) -> None:
    add, problem = HOSTILE[what]
    adds = (entry("MELD.Raw/train.tar.gz", nested(CLIP, add)),) if within else (CLIP, add)
    said = one_line(prepare_meld, tmp_path, archive(tmp_path / "MELD.Raw.tar.gz", *adds))
    assert re.search(problem, said)
    assert ("MELD.Raw/train.tar.gz: the member" in said) == within


FLOODS: dict[str, tuple[Callable[[Path], object], str]] = {
    "what is declared": (
        lambda path: path.write_bytes(gzip.compress(declaring("MELD.Raw/train_splits/dia0_utt0.mp4", 1 << 41))),
        "declares 2,199,023,255,552 bytes; the limit is 1,073,741,824",
    ),
    "what comes out": (lambda path: archive(path, CLIP, BOMB), "unpacks to more than 200 times its size"),
    "what comes out within": (
        lambda path: archive(path, entry("MELD.Raw/train.tar.gz", nested(CLIP, BOMB))),
        "unpacks to more than 200 times its size",
    ),
    "headers": (
        lambda path: path.write_bytes(gzip.compress(declaring("a", 1 << 33, tarfile.XHDTYPE) + bytes(5 << 20), 1)),
        "its headers take more than 1,048,576 bytes",
    ),
    "archives in archives": (
        lambda path: archive(path, entry("b.tgz", nested(entry("c.tgz", nested(CLIP))))),
        "is an archive nested too deeply",
    ),
    "names in two cases": (lambda path: archive(path, *TWICE), "only in case or Unicode form"),
}


@pytest.mark.parametrize("what", FLOODS)
def test_a_flood_and_names_that_become_one(prepare_meld: Command, tmp_path: Path, what: str) -> None:
    make, problem = FLOODS[what]
    path = tmp_path / "MELD.Raw.tar.gz"
    make(path)
    assert problem in one_line(prepare_meld, tmp_path, path)


def test_after_a_hostile_archive_the_right_one_is_prepared(prepare_meld: Command, tmp_path: Path, work: Path) -> None:
    texts = {f"MELD.Raw/{split}_sent_emo.csv": text for split, text in TABLES.items()}
    inner = packed({"train_splits/dia0_utt0.mp4": SOUND, "../../dia0_utt0.mp4": SOUND})
    source = write(tmp_path / "MELD.Raw.tar.gz", packed({**texts, "MELD.Raw/train.tar.gz": inner}))
    one_line(prepare_meld, tmp_path, source)
    assert not (work / "meld" / "dataset.json").exists()
    sounds = {f"train_splits/dia{name}.mp4": SOUND for name in ("0_utt0", "0_utt1", "1_utt0")}
    write(source, packed({**texts, "MELD.Raw/train.tar.gz": packed(sounds)}))
    code, said = prepare_meld("--source", source)
    assert code == 0, said
    assert len(list(work.rglob("*.flac"))) == 3
