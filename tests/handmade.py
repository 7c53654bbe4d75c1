"""Windows made by hand, whose every number is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ecef_cli.api.components import TextFeatures
from ecef_cli.samples.batches import AudioShape, WindowInput


def features(spans: list[tuple[int, int]], width: int = 3) -> TextFeatures:
    states = np.random.default_rng(len(spans)).normal(size=(len(spans), width)).astype(np.float32)
    first, last = (np.asarray(part, dtype=np.int32) for part in zip(*spans, strict=True))
    return TextFeatures(states, first, last)


ONE = WindowInput(
    # [CLS] [s1] word-of-two-tokens a-token-over-two-words [s2] word [SEP]
    features([(-1, -1), (0, 0), (1, 1), (1, 1), (2, 3), (4, 4), (5, 5), (-1, -1)]),
    np.asarray([0, 2, 0, 0, 0, 2], dtype=np.float32),
    turns=np.asarray([1, 1, 1, 1, 0, 0]),
    labels={"erc": 1},
)
SHORT = WindowInput(
    features([(-1, -1), (0, 0), (-1, -1)]),
    np.zeros(1, dtype=np.float32),
    turns=np.zeros(1, dtype=np.int64),
    labels={"erc": 0},
)

SHAPE = AudioShape(width=5, group=4, positions=100)


def frames(count: int, seed: int = 0, width: int = SHAPE.width) -> np.ndarray:
    return np.random.default_rng([count, seed]).normal(size=(count, width)).astype(np.float32)


def heard(window: WindowInput, *recordings: np.ndarray | None) -> WindowInput:
    """Return a window with the frames of its utterances, oldest first."""
    return replace(window, recordings=recordings)


BOTH = heard(ONE, frames(11), frames(6))  # positions of 4, 4, 3 and of 4, 2 frames
HALF = heard(ONE, None, frames(9))
SILENT = heard(ONE, None, None)
MUTE = heard(replace(SHORT, worded=False), frames(5))
MIXED = (BOTH, SILENT, MUTE, HALF, heard(SHORT, None), heard(ONE, frames(30), None))
"""Windows of text with and without recordings, and one whose utterance has no words."""
