"""Windows made by hand, whose every number is known."""

from __future__ import annotations

import numpy as np

from ecef_cli.components import TextFeatures
from ecef_cli.samples.batches import WindowInput


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
