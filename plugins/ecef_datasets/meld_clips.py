"""Names, known faults and published counts of MELD's recordings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PUBLISHED: Mapping[str, int] = {"train": 9_989, "dev": 1_109, "test": 2_610}
"""Utterances by split, from the corpus's README."""
EMOBOX: Mapping[str, int] = {"train": 9_988, "dev": 1_108, "test": 2_610}
"""Utterances whose recordings EmoBox (Ma et al., Interspeech 2024) uses, by split: all but the first two below."""

CLIP_FAULTS: Mapping[tuple[str, int, int], str] = {
    ("train", 125, 3): "the published clip is corrupt",
    ("dev", 110, 7): "the clip was not published",
}
"""Utterances, as (split, dialogue, utterance), with a valid text but no valid recording (issues 39, 22, 27)."""

WRONG_CUTS: Mapping[tuple[str, int, int], str] = {
    ("test", 38, 4): "badly cut: five minutes for one sentence",
    ("test", 220, 0): "badly cut: four minutes for one question, from another scene",
}
"""Recordings with wrong times in the table, which a comparison cannot detect (issue 20 of the corpus)."""

LONGER = 2.0
SECONDS_LONGER = 5.0
"""A clip that lasts `LONGER` times its `EndTime - StartTime`, and `SECONDS_LONGER` more, is badly cut."""

FOLDERS = {
    "train_splits": "train",
    "dev_splits_complete": "dev",
    "output_repeated_splits_test": "test",
    "test_splits": "test",
    "dev_splits": "dev",
    "train": "train",
    "dev": "dev",
    "test": "test",
}
"""Folder names for a split's clips: those of the archive, and usual ones."""
SUFFIXES = ("flac", "wav", "mp4")
"""Suffixes of recordings, in order of preference within a folder."""

ARCHIVES = ("MELD.Raw.tar.gz", "train.tar.gz", "dev.tar.gz", "test.tar.gz")

_NAME = re.compile(rf"(?:(train|dev|test)_)?dia(\d+)_utt(\d+)\.({'|'.join(SUFFIXES)})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, order=True)
class Clip:
    """The recording of an utterance, by its split, dialogue and number."""

    split: str
    dialogue: int
    utterance: int

    @property
    def path(self) -> str:
        """Path among the prepared recordings."""
        return f"{self.split}/dia{self.dialogue}_utt{self.utterance}.flac"

    def __str__(self) -> str:
        return f"{self.split} dia{self.dialogue}_utt{self.utterance}"


def clip_of(parts: Sequence[str]) -> Clip | None:
    """Return the clip of a file, from its folders and its name; None if it is not a clip.

    A split prefix of the file name decides, or else the nearest folder with a split's name. macOS metadata
    (`._dia0_utt0.mp4`) and the extras of the test split (`final_videos_test…`) are not clips.
    """
    match = _NAME.fullmatch(parts[-1])
    if match is None:
        return None
    named = match[1].casefold() if match[1] else None
    split = named or next((FOLDERS[p.casefold()] for p in reversed(parts[:-1]) if p.casefold() in FOLDERS), None)
    return Clip(split, int(match[2]), int(match[3])) if split else None


def is_recording(name: str) -> bool:
    """Return whether a file name is that of a MELD clip, of any split."""
    return _NAME.fullmatch(name) is not None


def wrong_length(seconds: float, stated: float) -> str | None:
    """Return the fault of a clip that lasts much longer than its row states, or None.

    Args:
        seconds: duration of the clip.
        stated: `EndTime - StartTime` of its row, seconds.
    """
    if seconds > LONGER * stated and seconds > stated + SECONDS_LONGER:
        return f"badly cut: the clip lasts {seconds:.1f} s, its row states {stated:.1f} s"
    return None
