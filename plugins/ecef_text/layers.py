"""Split a pretrained encoder into a frozen part and its last layers, independent of the architecture."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from ecef_cli.api.errors import PluginError
from ecef_cli.api.weights import find_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_TOLERANCE = 1e-4


class TopLayers(nn.Module):
    """The last layers of an encoder: states (B, L, d) and a mask (B, L), true at real states, to states (B, L, d).

    Args:
        layers: the layers in order.
        bias: the module whose `compute_position_bias(states)` all layers share, as in MPNet; None if they share none.
    """

    def __init__(self, layers: Iterable[nn.Module], bias: nn.Module | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.bias = bias

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Run the layers in order, without attention to padded states."""
        additive = torch.zeros(mask.shape, dtype=states.dtype, device=states.device)
        additive = additive.masked_fill(~mask, torch.finfo(states.dtype).min)[:, None, None, :]
        shared = {}
        if self.bias is not None:
            position_bias = cast("Callable[[Tensor], Tensor]", self.bias.compute_position_bias)
            shared["position_bias"] = position_bias(states)
        for layer in self.layers:
            output = layer(states, attention_mask=additive, **shared)
            states = output[0] if isinstance(output, tuple) else output
        return states


def cut(model: Any, count: int, *, name: str) -> TopLayers:
    """Remove the last `count` layers from `model`, and return them.

    The two parts together are compared with the whole on a padded batch, because layer signatures differ between
    architectures and between releases of transformers.

    Raises:
        PluginError: the model has too few layers, or its output changes when it is split.
    """
    ids = torch.arange(10, 22).reshape(2, 6) % model.get_input_embeddings().weight.shape[0]
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
    reason = "the output of the two parts differs from that of the whole"
    with torch.inference_mode():
        whole = model(input_ids=ids, attention_mask=mask).last_hidden_state
        top = split(model, count, name=name)
        try:
            below = model(input_ids=ids, attention_mask=mask).last_hidden_state
            again = top.eval()(below, mask.bool())
            real = mask.bool()
            same = torch.allclose(whole[real], again[real], atol=_TOLERANCE)
        except (TypeError, RuntimeError, ValueError) as error:
            same, reason = False, " ".join(str(error).split())
    if not same:
        raise PluginError(
            f"text_encoder.trainable_layers: {name!r} cannot be split: {reason}",
            hint="use trainable_layers: 0",
        )
    return top


def split(model: Any, count: int, *, name: str) -> TopLayers:
    """Take the last `count` layers off `model` and return them, ready to be trained.

    Raises:
        PluginError: the model has too few layers, or they cannot be found.
    """
    owner, attribute = _stack(model, name)
    layers: nn.ModuleList = getattr(owner, attribute)
    if count > len(layers):
        raise PluginError(f"text_encoder.trainable_layers: {name!r} has only {len(layers)} layers, not {count}")
    setattr(owner, attribute, nn.ModuleList())
    bias = deepcopy(owner) if hasattr(owner, "compute_position_bias") else None
    setattr(owner, attribute, nn.ModuleList(layers[: len(layers) - count]))
    return TopLayers(layers[len(layers) - count :], bias).requires_grad_(requires_grad=True)


def _stack(model: Any, name: str) -> tuple[Any, str]:
    found = find_layers(model)
    if found is None:
        raise PluginError(
            f"text_encoder.trainable_layers: the architecture of {name!r} ({type(model).__name__}) is not supported",
            hint="use trainable_layers: 0",
        )
    return found
