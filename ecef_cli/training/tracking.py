"""Report training events to plugins and to TensorBoard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ecef_cli import console
from ecef_cli.api.components import TrainingEvent
from ecef_cli.api.errors import UsageProblem
from ecef_cli.plugin.manager import get_registry
from ecef_cli.runs.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecef_cli.runs.run import Run

FOLDER = "tensorboard"
"""Folder of the TensorBoard files within a run's folder."""


class Tracking:
    """Report the events of one training run.

    Args:
        run: the run in training.
        step: finished steps; TensorBoard entries of later steps are removed.
        tensorboard: whether to write TensorBoard files.

    Raises:
        UsageProblem: TensorBoard is requested but not installed.
    """

    def __init__(self, run: Run, *, step: int, tensorboard: bool) -> None:
        self._run = run
        self._writer = _writer(run, step) if tensorboard else None

    def tell(self, kind: Literal["started", "step", "epoch", "finished"], step: int, values: Mapping[str, Any]) -> None:
        """Report an event; warn of a plugin that fails."""
        event = TrainingEvent(kind, self._run.folder.name, self._run.folder, step, values)
        for problem in get_registry().tell(event):
            console.warn(problem)
        if self._writer is None:
            return
        for name, value in _scalars(event).items():
            self._writer.add_scalar(name, value, step)
        if kind in {"epoch", "finished"}:
            self._writer.flush()

    def close(self) -> None:
        """Flush and close the TensorBoard files."""
        if self._writer is not None:
            self._writer.close()


def _writer(run: Run, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UsageProblem("--tensorboard needs the package tensorboard", hint="`pip install tensorboard`") from None
    writer: Any = SummaryWriter  # it has no types
    return writer(str(run.folder / FOLDER), purge_step=step + 1)


def _scalars(event: TrainingEvent) -> dict[str, float]:
    """Return the values that an event adds to the curves, by curve."""
    if event.kind == "step":
        return {"train/loss": event.values["loss"], "train/learning rate": event.values["learning_rate"]}
    if event.kind != "epoch":
        return {}
    curves = {"train/loss of the epoch": event.values["loss"], "dev/selection": event.values["selection"]}
    for task, scores in event.values.items():
        if isinstance(scores, dict):
            curves |= {f"dev/{task.upper()} {title}": scores[metric] for metric, title in METRICS.items()}
    return curves
