"""What a training tells those who listen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrainingEvent:
    """Something that happened in a training.

    Attributes:
        kind: `started`, `step` (weights were changed once), `epoch` (dev was scored) or `finished`; a training that
            goes on after an interruption starts again.
        run: the run's name.
        folder: the run's folder.
        step: how many times the weights have been changed so far.
        values: of a start, the recipe; of a step, `loss` and `learning_rate`; of an epoch, what `log.jsonl` says of it;
            of the end, the entry of the epoch that is kept.
    """

    kind: Literal["started", "step", "epoch", "finished"]
    run: str
    folder: Path
    step: int
    values: Mapping[str, Any]
