"""Checkpoints: the state of a training run between two steps, in one safetensors file, replaced atomically."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ecef_cli.api.errors import DataError
from ecef_cli.workspace import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch
    from torch import nn


@dataclass(slots=True)
class Progress:
    """Progress of a training run.

    Attributes:
        epoch: the current epoch, from 0.
        batch: finished batches of the current epoch.
        loss: sum of the losses of those batches.
        best: the best validation score so far; None before the first.
        best_epoch: the epoch with the best score.
        log: the log entry of each finished epoch.
        scaler: state of the loss scaler in fp16; empty in other precisions.
        finished: whether training has ended.
    """

    epoch: int = 0
    batch: int = 0
    loss: float = 0.0
    best: float | None = None
    best_epoch: int | None = None
    log: list[dict[str, Any]] = field(default_factory=list)
    scaler: dict[str, float] = field(default_factory=dict)
    finished: bool = False


def save_checkpoint(
    path: Path, progress: Progress, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer
) -> None:
    """Write everything the next step depends on: weights, optimiser moments and progress."""
    state = optimizer.state_dict()
    tensors = {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    for number, moments in state["state"].items():
        tensors |= {f"optimizer.{number}.{key}": value for key, value in moments.items()}
    # safetensors cannot store a view of another tensor, and some parameters share the one element of `step`.
    stored = {key: value.detach().cpu().clone().contiguous() for key, value in tensors.items()}
    with replacing(path) as part:
        save_file(stored, part, metadata={"progress": json.dumps(asdict(progress))})


def load_checkpoint(path: Path, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer) -> Progress:
    """Restore modules and optimiser from a checkpoint and return its progress.

    Raises:
        DataError: the file is corrupt or belongs to another network.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            progress = Progress(**json.loads(stored.metadata()["progress"]))
            tensors = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118 - no mapping
        for name, module in modules.items():
            module.load_state_dict(_under(f"{name}.", tensors))
    except (SafetensorError, OSError, KeyError, TypeError, RuntimeError) as error:
        raise DataError(
            f"the checkpoint cannot be used: {' '.join(str(error).split())[:200]}",
            where=str(path),
            hint="start again with --force",
        ) from None
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in _under("optimizer.", tensors).items():
        number, _, name = key.partition(".")
        moments.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return progress


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
