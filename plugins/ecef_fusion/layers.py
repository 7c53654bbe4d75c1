"""Transformer layers, trained or frozen, with parts that can be called one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Shape:
    """Hyperparameters of a layer.

    Attributes:
        width: d, of input and output.
        heads: number of attention heads.
        inner: width of the feed-forward part.
        norm_first: whether normalisation comes before attention and feed-forward part, as in ViT, or after, as in BERT.
        epsilon: epsilon of the normalisations.
        activation: activation of the feed-forward part.
    """

    width: int
    heads: int
    inner: int
    norm_first: bool
    epsilon: float = 1e-5
    activation: Callable[[Tensor], Tensor] = functional.gelu


@dataclass(frozen=True, slots=True)
class Projected:
    """Queries, keys and values of states, each (B, heads, N, d / heads)."""

    query: Tensor
    key: Tensor
    value: Tensor


class Layer(nn.Module):
    """Transformer layer: self-attention and a feed-forward part, each with a residual connection.

    `layer(states, mask)` is the whole layer. To attend to positions whose output is not needed, call its two halves:
    `project` once, and `attend` any number of times.

    Args:
        shape: its hyperparameters.
        dropout: dropout in training; 0 for a frozen layer.
    """

    def __init__(self, shape: Shape, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape, self.dropout = shape, dropout
        self.inward = nn.Linear(shape.width, 3 * shape.width)
        self.outward = nn.Linear(shape.width, shape.width)
        self.up, self.down = nn.Linear(shape.width, shape.inner), nn.Linear(shape.inner, shape.width)
        self.attention_norm, self.norm = (nn.LayerNorm(shape.width, eps=shape.epsilon) for _ in range(2))

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return (B, N, d) from states (B, N, d) and a mask (B, N), true at real positions."""
        own = self.project(states)
        return self.attend(states, own.query, own, mask)

    def project(self, states: Tensor) -> Projected:
        """Return the queries, keys and values of states (B, N, d)."""
        given = self.attention_norm(states) if self.shape.norm_first else states
        parts = self.inward(given).unflatten(-1, (3, self.shape.heads, -1)).permute(2, 0, 3, 1, 4)
        return Projected(*parts.unbind(0))

    def attend(
        self, states: Tensor, query: Tensor, own: Projected, mask: Tensor, others: Projected | None = None
    ) -> Tensor:
        """Return (B, Q, d), the output at the querying positions.

        Args:
            states: (B, Q, d), the input at these positions.
            query: (B, heads, Q, d / heads), their queries.
            own: projections of N positions to attend to.
            mask: (B, N), true at real positions of `own`.
            others: projections of further positions to attend to, all real.
        """
        key, value = own.key, own.value
        if others is not None:
            key, value = torch.cat([key, others.key], dim=2), torch.cat([value, others.value], dim=2)
            mask = torch.cat([mask, mask.new_ones(len(mask), others.key.shape[2])], dim=1)
        seen = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask[:, None, None, :], dropout_p=self.dropout if self.training else 0.0
        )
        return self._complete(states, self.outward(seen.transpose(1, 2).flatten(2)))

    def _complete(self, states: Tensor, seen: Tensor) -> Tensor:
        drop, activation = self._drop, self.shape.activation
        states = states + drop(seen)
        if self.shape.norm_first:
            return states + drop(self.down(activation(self.up(self.norm(states)))))
        states = self.attention_norm(states)
        normed: Tensor = self.norm(states + drop(self.down(activation(self.up(states)))))
        return normed

    def _drop(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.dropout, self.training) if self.dropout else values


def freeze(module: nn.Module) -> nn.Module:
    """Turn the parameters of a module into buffers that are not stored, and return the module.

    Optimisers and checkpoints ignore them, and they have no gradient; they still move to a device with the module.
    """
    for part in module.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            delattr(part, name)
            part.register_buffer(name, parameter.detach(), persistent=False)
    return module


class FrozenLayer(Layer):
    """Layer that is never trained; deep copies of a network share it."""

    def __init__(self, shape: Shape, weights: dict[str, Tensor]) -> None:
        super().__init__(shape)
        self.load_state_dict(weights)
        freeze(self)

    def __deepcopy__(self, memo: dict[int, object]) -> FrozenLayer:
        """Return the layer itself."""
        return self
