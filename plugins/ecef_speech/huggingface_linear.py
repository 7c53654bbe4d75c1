"""Frozen linear maps, with the activation inside the matrix product where the CPU's kernels can do that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable


class Affine(nn.Module):
    """States (N, in) to `activation(states @ weight.T + bias)`, (N, out).

    Args:
        weight: (out, in).
        bias: (out,), or None.
        activation: what follows; None for nothing.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self, weight: Tensor, bias: Tensor | None, activation: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("weight", by_columns(weight))
        self.register_buffer("bias", None if bias is None else bias.detach().clone())
        self.activation = activation

    def forward(self, states: Tensor) -> Tensor:
        """Return the mapped states."""
        return affine(states, self.weight, self.bias, self.activation)

    @classmethod
    def stacked(cls, layers: list[nn.Linear]) -> Affine:
        """Return one map whose output is the outputs of several, side by side."""
        bias: list[Tensor] = [torch.zeros(layer.out_features) if layer.bias is None else layer.bias for layer in layers]
        weights: list[Tensor] = [layer.weight for layer in layers]
        return cls(torch.cat(weights), torch.cat(bias))


def affine(
    states: Tensor, weight: Tensor, bias: Tensor | None, activation: Callable[[Tensor], Tensor] | None
) -> Tensor:
    """Return `activation(states @ weight.T + bias)`; the states' rows may overlap in memory."""
    if _FUSED and states.device.type == "cpu" and (activation is None or activation is gelu):
        # oneDNN's product is faster than the BLAS behind `linear`, and GELU costs nothing on a tile in the cache.
        kind, variant = ("none", "") if activation is None else ("gelu", "none")
        return _FUSED(states, weight, bias, kind, [], variant)  # type: ignore[no-any-return]
    mapped = functional.linear(states, weight, bias)
    return mapped if activation is None else activation(mapped)


def by_columns(weight: Tensor) -> Tensor:
    """Return a copy of a weight (out, in) that lies in memory as the product reads it, column after column."""
    return weight.detach().t().clone(memory_format=torch.contiguous_format).t()


def gelu(states: Tensor) -> Tensor:
    """GELU by the error function, which transformers calls `gelu`."""
    return functional.gelu(states)


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """Return the activation that a configuration calls `name`."""
    from transformers.activations import ACT2FN

    found: Callable[[Tensor], Tensor] = gelu if name == "gelu" else ACT2FN[name]
    return found


_HAS_ONEDNN: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
_FUSED = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if _HAS_ONEDNN else None
