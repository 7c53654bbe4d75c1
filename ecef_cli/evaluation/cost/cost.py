"""Count the floating-point operations and the activations of a training step."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    from ecef_cli.samples.batches import Batch


_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of a training step.

    Attributes:
        forward: floating-point operations of the forward pass, two for each multiplication with its addition.
        step: floating-point operations of the forward and the backward pass.
        activations: bytes that the forward pass keeps for the backward pass, without parameters and inputs.
    """

    forward: int
    step: int
    activations: int


def measure(network: nn.Module, batch: Batch, precision: str = "float32") -> Cost:
    """Return the cost of a training step over a batch.

    Nothing is computed: the network becomes one of shapes without values. The activations are those of a CPU, which
    keeps the matrices of attention with dropout; fused kernels, as on GPUs, keep none.

    Args:
        network: maps a batch to logits by task; loses its weights.
        batch: the windows.
        precision: the precision that the network computes in.
    """
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[_number(tensor)] = tensor.untyped_storage().nbytes()
        return tensor

    lower = torch.autocast("cpu", dtype=_DTYPES.get(precision), enabled=precision in _DTYPES)
    counter = FlopCounterMode(display=False, custom_mapping=_FUSED)
    with FakeTensorMode(allow_non_fake_inputs=True) as shapes, _layers_in_parts(), counter:
        network.to_empty(device="cpu")
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), lower:
            logits = network(batch)
        forward = counter.get_total_flops()
        given = map(shapes.from_tensor, tensors(batch))
        known = {_number(tensor) for tensor in (*given, *network.parameters(), *network.buffers())}
        activations = sum(size for number, size in kept.items() if number not in known)
        torch.autograd.backward([values.float().sum() for values in logits.values()])
        return Cost(forward, counter.get_total_flops(), activations)


@contextmanager
def _layers_in_parts() -> Iterator[None]:
    """Compute frozen Transformer layers operation by operation; the counter does not know the fused ones."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


Shape = Sequence[int]


def _attention(query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    return 2 * prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _attention_backward(_grad: Shape, *shapes: Any, **named: Any) -> int:
    return 2 * _attention(*shapes, **named)


def _lstm(states: Shape, inward: Shape, onward: Shape, *_: Any, **__: Any) -> int:
    return 2 * prod(states[:-1]) * (prod(inward) + prod(onward))


def _lstm_backward(*shapes: Any, **named: Any) -> int:
    return 2 * _lstm(*shapes, **named)


_FUSED = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,  # noqa: SLF001 - the operation's name
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,  # noqa: SLF001 - as above
    torch.ops.aten.mkldnn_rnn_layer: _lstm,
    torch.ops.aten.mkldnn_rnn_layer_backward: _lstm_backward,
}
"""Fused operations of a CPU that PyTorch's counter leaves out, counted as the matrix products that they consist of."""


def tensors(batch: Batch) -> Iterator[Tensor]:
    """Yield the tensors of a batch, without labels."""
    for part in (batch.text, batch.audio, batch.spectrum):
        if part is not None:
            yield from (getattr(part, field.name) for field in fields(part))


def _number(tensor: Tensor) -> int:
    number: int = tensor.untyped_storage()._cdata  # noqa: SLF001 - storages without values have no address
    return number
