"""Transformer layers over the frames of several waves side by side, without padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecef_speech.huggingface_linear import Affine, activation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_QUERIES = 256  # that attend at once: bounds what a bias for each pair of frames takes


class RelativeBias(nn.Module):
    """WavLM's bias of attention: a value for each distance between two frames and each head.

    Args:
        attention: transformers' attention module that holds the table.
        farthest: distance in frames beyond which nothing changes.
    """

    _values: Tensor

    def __init__(self, attention: Any, farthest: int) -> None:
        super().__init__()
        with torch.no_grad():
            after = attention.compute_bias(1, farthest + 1)[:, 0]
            before = attention.compute_bias(farthest + 1, 1)[:, :, 0]
        # (heads, 2 * farthest + 1), from the farthest frame after to the farthest before.
        self.register_buffer("_values", torch.cat([after.flip(1), before[:, 1:]], dim=1))
        self._farthest = farthest

    def forward(self, count: int) -> Tensor:
        """Return (heads, T, T) for T = `count` frames: of a frame, and of the frames from the last to the first.

        In this order the row of a frame is the row before, one value on, so that all rows are views of one vector.
        """
        reach = count - 1
        if reach > self._farthest:
            more = reach - self._farthest
            values = functional.pad(self._values, (more, more), mode="replicate")
        else:
            values = self._values[:, self._farthest - reach : self._farthest + reach + 1]
        return values.unfold(1, count, 1)


class Attention(nn.Module):
    """Self-attention of the frames of each wave.

    Args:
        module: transformers' attention module.
        heads: the number of heads.
        bias: WavLM's bias, or None.
    """

    def __init__(self, module: Any, heads: int, bias: RelativeBias | None) -> None:
        super().__init__()
        self._heads = heads
        self._inward = Affine.stacked([module.q_proj, module.k_proj, module.v_proj])
        self._outward = Affine(module.out_proj.weight, module.out_proj.bias)
        self._bias = bias
        self._gate = None if bias is None else _Gate(module, heads)

    def forward(self, states: Tensor, lengths: list[int]) -> Tensor:
        """Return (N, d) for states (N, d), of which each wave has its length."""
        projected = self._inward(states).view(len(states), 3, self._heads, -1).permute(1, 2, 0, 3)
        gates = None if self._gate is None else self._gate(states)
        found = torch.empty_like(states)
        start = 0
        for length in lengths:
            wave = slice(start, start + length)
            query, key, value = projected[:, :, wave]
            attended = self._attend(query, key, value, None if gates is None else gates[:, wave])
            found[wave] = attended.transpose(0, 1).flatten(1)
            start += length
        return self._outward(found)  # type: ignore[no-any-return]

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, gate: Tensor | None) -> Tensor:
        """Return (heads, T, width) for queries, keys and values of that shape."""
        if self._bias is None or gate is None:
            return functional.scaled_dot_product_attention(query[None], key[None], value[None])[0]
        bias = self._bias(query.shape[1])
        key, value = key.flip(1)[None], value.flip(1)[None]
        parts = [
            functional.scaled_dot_product_attention(part[None], key, value, attn_mask=(gates * rows)[None])[0]
            for part, gates, rows in zip(*(torch.split(each, _QUERIES, 1) for each in (query, gate, bias)), strict=True)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


class _Gate(nn.Module):
    """How much a frame heeds WavLM's bias: states (N, d) to (heads, N, 1)."""

    _weight: Tensor
    _constant: Tensor

    def __init__(self, module: Any, heads: int) -> None:
        super().__init__()
        linear: nn.Linear = module.gru_rel_pos_linear
        # Of its eight outputs four and four are summed, which their weights can be beforehand.
        self._map = Affine(linear.weight.view(2, -1, linear.in_features).sum(1), linear.bias.view(2, -1).sum(1))
        self.register_buffer("_constant", module.gru_rel_pos_const.detach().flatten().clone())
        self._heads = heads

    def forward(self, states: Tensor) -> Tensor:
        """Return the gates."""
        update, reset = torch.sigmoid(self._map(states.view(-1, states.shape[1] // self._heads))).unbind(-1)
        update, reset = update.view(-1, self._heads), reset.view(-1, self._heads)
        gates: Tensor = update * (reset * self._constant - 1.0) + 2.0
        return gates.t()[..., None]


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the parts of a layer are.

    Attributes:
        attention: transformers' attention module.
        attention_norm: the normalisation before or after attention.
        up: the first map of the feed-forward part.
        down: the second.
        feed_forward_norm: the normalisation before or after the feed-forward part.
        adapter: a further module that some models have at the end of a layer.
    """

    attention: Any
    attention_norm: nn.LayerNorm
    up: nn.Linear
    down: nn.Linear
    feed_forward_norm: nn.LayerNorm
    adapter: nn.Module | None = None


class Layer(nn.Module):
    """A Transformer layer.

    Args:
        parts: its parts.
        heads: the number of attention heads.
        name: the activation of the feed-forward part.
        norm_first: whether normalisations stand before attention and feed-forward part.
        bias: WavLM's bias of attention, or None.
    """

    def __init__(self, parts: Parts, heads: int, name: str, *, norm_first: bool, bias: RelativeBias | None) -> None:
        super().__init__()
        self._attention = Attention(parts.attention, heads, bias)
        self._attention_norm, self._feed_forward_norm = parts.attention_norm, parts.feed_forward_norm
        self._up = Affine(parts.up.weight, parts.up.bias, activation(name))
        self._down = Affine(parts.down.weight, parts.down.bias)
        self._adapter = parts.adapter
        self._norm_first = norm_first

    def forward(self, states: Tensor, lengths: list[int]) -> Tensor:
        """Return (N, d) for states (N, d), of which each wave has its length."""
        if not self._norm_first:
            states = self._attention_norm(self._attention(states, lengths).add_(states))
            return self._feed_forward_norm(self._down(self._up(states)).add_(states))  # type: ignore[no-any-return]
        states = self._attention(self._attention_norm(states), lengths).add_(states)
        states = self._down(self._up(self._feed_forward_norm(states))).add_(states)
        return states if self._adapter is None else states + self._adapter(states)


class Stack(nn.Module):
    """Layers, and the mixture of their hidden states that is wanted.

    Hidden state 0 is the input of the first layer, state n the output of the n-th. The last one passes through
    `final` too, as what the model itself gives does.

    Args:
        layers: those that are needed.
        final: what follows the last layer of the whole model.
        last: the number of the last hidden state of the whole model.
        mixture: by hidden state, its weight; the layers end at the highest.
    """

    def __init__(self, layers: Sequence[Layer], final: nn.Module, last: int, mixture: Mapping[int, float]) -> None:
        super().__init__()
        self._layers = nn.ModuleList(layers)
        self._final = final
        self._last = last
        self._mixture = dict(mixture)

    def forward(self, states: Tensor, lengths: list[int]) -> Tensor:
        """Return (N, d) for states (N, d), of which each wave has its length."""
        mixed = self._weighted(0, states)
        for number, layer in enumerate(self._layers, start=1):
            states = layer(states, lengths)
            weighted = self._weighted(number, states)
            if weighted is not None:
                mixed = weighted if mixed is None else mixed.add_(weighted)
        assert mixed is not None  # noqa: S101 - the layers end at a state of the mixture
        return mixed

    def _weighted(self, number: int, states: Tensor) -> Tensor | None:
        weight = self._mixture.get(number)
        if weight is None:
            return None
        return (self._final(states) if number == self._last else states) * weight
