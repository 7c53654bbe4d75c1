"""The state of a training between two steps, in one safetensors file that replaces the last one whole."""

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
    """How far a training has come.

    Attributes:
        epoch: the epoch that is under way, from 0.
        batch: batches of it that are done.
        loss: sum of the batches' losses in it.
        best: the best validation score so far, None before the first.
        best_epoch: the epoch that had it.
        log: what was logged of each finished epoch.
        scaler: what scales the loss of a training in fp16; empty in others.
        finished: whether the training is over.
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
    """Write all that the next step depends on: weights, moments and progress."""
    state = optimizer.state_dict()
    tensors = {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    for number, moments in state["state"].items():
        tensors |= {f"optimizer.{number}.{key}": value for key, value in moments.items()}
    # A tensor that is a view of another cannot be stored, and `step` is one element that some share.
    stored = {key: value.detach().cpu().clone().contiguous() for key, value in tensors.items()}
    with replacing(path) as part:
        save_file(stored, part, metadata={"progress": json.dumps(asdict(progress))})


def load_checkpoint(path: Path, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer) -> Progress:
    """Bring modules and optimiser to where the checkpoint was written, and return its progress.

    Raises:
        DataError: the file is broken or belongs to another network.
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
