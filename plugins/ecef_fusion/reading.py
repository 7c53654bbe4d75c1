"""Copy single layers of a pretrained Transformer, independent of the architecture.

The names, signatures and places of layers differ between architectures and between releases of transformers. This
module copies them into a layer of ecef, and compares its output with that of the model's own layer in a forward pass of
the whole model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ecef_cli.api.errors import PluginError
from ecef_cli.api.weights import find_layers
from ecef_fusion.layers import FrozenLayer, Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

_CLOSE = 1e-4  # relative to the largest output of the layer
_LINEARS = {
    "query": ("attention.self.query", "attention.attention.query", "attention.q_proj", "attention.q_lin"),
    "key": ("attention.self.key", "attention.attention.key", "attention.k_proj", "attention.k_lin"),
    "value": ("attention.self.value", "attention.attention.value", "attention.v_proj", "attention.v_lin"),
    "outward": ("attention.output.dense", "attention.o_proj", "attention.out_proj", "attention.out_lin"),
    "up": ("intermediate.dense", "mlp.fc1", "ffn.lin1"),
    "down": ("output.dense", "mlp.fc2", "ffn.lin2"),
}
_NORMS = {
    "attention_norm": ("attention.output.LayerNorm", "layernorm_before", "sa_layer_norm", "layer_norm1", "norm1"),
    "norm": ("output.LayerNorm", "layernorm_after", "output_layer_norm", "layer_norm2", "norm2"),
}


@dataclass
class Reading:
    """Reads layers of a model, and compares them with what went through the model's own in one forward pass.

    Attributes:
        model: the model.
        name: what a recipe calls it.
        setting: where a recipe names it.
    """

    model: Any
    name: str
    setting: str
    _stack: nn.ModuleList = field(init=False)
    _mask: Tensor | None = field(init=False, default=None)
    _passed: dict[int, tuple[Tensor, Tensor]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Find the model's layers."""
        found = find_layers(self.model)
        if found is None:
            raise self._strange("its architecture is not supported")
        self._stack = getattr(*found)

    def run(self, given: dict[str, Tensor], mask: Tensor | None) -> None:
        """Run the model, and note what went into and came out of each layer.

        Args:
            given: what the model is given.
            mask: (B, N), true where a position is real; None if all are.
        """
        self._mask = mask
        hooks = [layer.register_forward_hook(self._note(n), with_kwargs=True) for n, layer in enumerate(self._stack)]
        try:
            with torch.inference_mode():
                self.model(**given)
        finally:
            for hook in hooks:
                hook.remove()

    @property
    def count(self) -> int:
        """The number of layers."""
        return len(self._stack)

    def take(self, numbers: Sequence[int]) -> list[FrozenLayer]:
        """Return layers as ours, each compared with the model's own, which `run` has run.

        Raises:
            PluginError: a layer is not supported.
        """
        return [self._read(number) for number in numbers]

    def take_unchecked(self, numbers: Sequence[int], *, norm_first: bool) -> list[FrozenLayer]:
        """Return layers as ours without running the model, whose order of normalisation is taken from the caller.

        Raises:
            PluginError: the parts of one are not found.
        """
        return [self._ours(self._stack[number], norm_first=norm_first) for number in numbers]

    def _note(self, number: int) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:  # noqa: ARG001
            given = args[0] if args else kwargs["hidden_states"]
            self._passed[number] = (given.clone(), (output[0] if isinstance(output, tuple) else output).clone())

        return hook

    def _read(self, number: int) -> FrozenLayer:
        layer = self._stack[number]
        before, after = self._passed[number]
        mask = torch.ones(before.shape[:2], dtype=torch.bool) if self._mask is None else self._mask
        best = float("inf")
        for norm_first in (False, True):
            ours = self._ours(layer, norm_first=norm_first)
            with torch.inference_mode():
                distance = (ours(before, mask) - after)[mask].abs().max() / after[mask].abs().max()
            best = min(best, float(distance))
            if best <= _CLOSE:
                return ours
        raise self._strange(f"layer {number} differs from a plain Transformer layer (by {best:.2g})")

    def _ours(self, layer: nn.Module, *, norm_first: bool) -> FrozenLayer:
        from transformers.activations import ACT2FN

        linears = {role: self._part(layer, role, paths, nn.Linear) for role, paths in _LINEARS.items()}
        norms = {role: self._part(layer, role, paths, nn.LayerNorm) for role, paths in _NORMS.items()}
        config = self.model.config
        activation = getattr(config, "hidden_act", None) or getattr(config, "activation", "gelu")
        shape = Shape(
            width=linears["query"].in_features,
            heads=int(config.num_attention_heads),
            inner=linears["up"].out_features,
            norm_first=norm_first,
            epsilon=norms["norm"].eps,
            activation=ACT2FN[activation],
        )
        inward = [linears.pop(role) for role in ("query", "key", "value")]
        weights = {
            "inward.weight": torch.cat([linear.weight for linear in inward]),
            "inward.bias": torch.cat([_bias(linear) for linear in inward]),
        }
        for role, linear in linears.items():
            weights |= {f"{role}.weight": linear.weight, f"{role}.bias": _bias(linear)}
        for role, norm in norms.items():
            weights |= {f"{role}.weight": norm.weight, f"{role}.bias": norm.bias}
        return FrozenLayer(shape, weights)

    def _part(self, layer: nn.Module, role: str, paths: Sequence[str], kind: type[Any]) -> Any:
        for path in paths:
            try:
                found = layer.get_submodule(path)
            except AttributeError:
                continue
            if isinstance(found, kind):
                return found
        raise self._strange(f"its layers have no part {role!r}")

    def _strange(self, reason: str) -> PluginError:
        return PluginError(
            f"{self.setting}: {self.name!r} ({type(self.model).__name__}) cannot be used: {reason}",
            hint="use BERT, RoBERTa or DistilBERT, ViT or DeiT",
        )


def _bias(linear: nn.Linear) -> Tensor:
    return torch.zeros(linear.out_features) if linear.bias is None else linear.bias
