"""`ecef prepare meld` of an archive that means harm: one line, exit code 3, and nothing written elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from meld_archive import packed, write
from meld_small import SOUND, TABLES


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
