"""Trade time for memory: activations that the backward pass computes a second time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable


def compute_again(module: nn.Module) -> None:
    """Have parts of a network keep no activations in training; the backward pass computes them a second time.

    The parts are the layers of PyTorch's Transformer encoders, and every module whose class says
    `recomputable = True`. Gradients stay what they were, as random numbers are drawn again, too.
    """
    for part in module.children():
        if isinstance(part, nn.TransformerEncoderLayer) or getattr(type(part), "recomputable", False):
            part.forward = partial(_again, part, part.forward)
        else:
            compute_again(part)


def _again(module: nn.Module, forward: Callable[..., Any], *inputs: Any, **named: Any) -> Any:
    if not (module.training and torch.is_grad_enabled()):
        return forward(*inputs, **named)
    # PyTorch restores the random state of the devices that it sees among the inputs, which may hide in a dataclass.
    seen = next(module.parameters(), None)
    return checkpoint(lambda _, *given, **other: forward(*given, **other), seen, *inputs, use_reentrant=False, **named)
