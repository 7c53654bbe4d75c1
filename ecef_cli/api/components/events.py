"""Events of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrainingEvent:
    """Event of a training run.

    Attributes:
        kind: `started`, `step` (one weight update), `epoch` (dev was scored) or `finished`; a training that resumes
            sends `started` again.
        run: the run's name.
        folder: the run's folder.
        step: number of weight updates so far.
        values: for `started`, the recipe; for `step`, `loss` and `learning_rate`; for `epoch`, its entry in
            `log.jsonl`; for `finished`, the entry of the best epoch.
    """

    kind: Literal["started", "step", "epoch", "finished"]
    run: str
    folder: Path
    step: int
    values: Mapping[str, Any]
