"""A small MELD with two or three clips a split, and what becomes of it."""

from __future__ import annotations

import tarfile
from pathlib import Path

from meld_archive import clip, table

from ecef_cli.corpus.manifest import load_prepared
from ecef_cli.workspace import Workspace

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


EVERY = {
    "train": ["train/dia0_utt0.flac", "train/dia0_utt1.flac", "train/dia1_utt0.flac"],
    "dev": ["dev/dia0_utt0.flac", "dev/dia2_utt0.flac"],
    "test": ["test/dia0_utt0.flac", "test/dia0_utt1.flac"],
}
"""The recordings of the prepared dataset."""


def heard(work: Path) -> dict[str, list[str | None]]:
    """Return the recording of each utterance, by split."""
    prepared = load_prepared(Workspace(work), "meld")
    found: dict[str, list[str | None]] = {}
    for split, dialogues in prepared.splits.items():
        paths = [u.audio for dialogue in dialogues for u in dialogue.utterances]
        found[split] = [
            None if path is None else path.resolve().relative_to(work / "meld" / "recordings").as_posix()
            for path in paths
        ]
    return found


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack as its users do, archives within too, which stay where they are."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    for inner in sorted((folder / "MELD.Raw").glob("*.tar.gz")):
        with tarfile.open(inner) as tar:
            tar.extractall(folder / "MELD.Raw", filter="data")
    return folder
