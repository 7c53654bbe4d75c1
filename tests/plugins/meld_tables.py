"""MELD's tables as tests write them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from ecef_datasets.meld import FILES

if TYPE_CHECKING:
    pass

HEADER = [
    "Sr No.",
    "Utterance",
    "Speaker",
    "Emotion",
    "Sentiment",
    "Dialogue_ID",
    "Utterance_ID",
    "Season",
    "Episode",
    "StartTime",
    "EndTime",
]


def row(text: str = "Hello.", dialogue: object = 0, utterance: object = 0, **changed: str) -> dict[str, str]:
    return {
        "Sr No.": "1",
        "Utterance": text,
        "Speaker": "Ana",
        "Emotion": "neutral",
        "Sentiment": "neutral",
        "Dialogue_ID": str(dialogue),
        "Utterance_ID": str(utterance),
        "Season": "8",
        "Episode": "21",
        "StartTime": "00:16:16,059",
        "EndTime": "0:16:21,731",
        **changed,
    }


def write_meld(folder: Path, header: list[str] = HEADER, **splits: list[dict[str, str]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, name in FILES.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, header, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(splits.get(split) or [row()])
    return folder
