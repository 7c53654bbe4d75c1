"""What one training step of a network takes, counted.

It is traced on tensors that have a shape and no content, so that nothing is computed and the counts are exact for the
window that they are of. A network that looks at the values of its inputs cannot be traced; it is run once with a single
window, and its counts are multiplied.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from ecef_cli.samples.batches import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ecef_cli.samples.batches import AudioBatch, TextBatch

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Cost:
    """What one training step takes.

    Attributes:
        forward: floating-point operations of its forward pass, two for each product that is added.
        step: of its forward and backward pass.
        activations: bytes that the forward pass keeps for the backward pass, parameters and inputs apart; what the
            kernel of an LSTM keeps for itself is not seen.
        attention: of them, bytes of attention matrices, which fused kernels do without.
    """

    forward: int
    step: int
    activations: int
    attention: int


def measure(network: nn.Module, batch: Batch, size: int, *, precision: str = "float32") -> tuple[Cost, bool]:
    """Return what a training step takes of a network in training mode, and whether nothing had to be computed.

    Args:
        network: maps a batch to logits by task.
        batch: one window.
        size: how many such windows a step has.
        precision: what it is computed in.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    step = Step(network)

    def empty(tensor: Tensor) -> Tensor:
        return torch.empty((size, *tensor.shape[1:]), dtype=tensor.dtype)

    state: dict[str, Tensor] = {
        name: mode.from_tensor(tensor) for name, tensor in chain(step.named_parameters(), step.named_buffers())
    }
    try:
        with mode:
            cost: Cost = functional_call(step, state, (mapped(batch, empty), precision))
    except RuntimeError:
        with torch.random.fork_rng([]):
            one: Cost = step(batch, precision)
        network.zero_grad()
        return Cost(*(count * size for count in (one.forward, one.step, one.activations, one.attention))), False
    return cost, True


class Step(nn.Module):
    """A forward and a backward pass of a network, which are counted.

    Args:
        network: maps a batch to logits by task.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch, precision: str) -> Cost:
        """Return what the two take."""
        known = [*tensors(batch), *(tensor for _, tensor in weights(self.network))]
        kept = _Kept(known)
        lower: AbstractContextManager[Any] = (
            torch.autocast("cpu", dtype=_DTYPES[precision]) if precision in _DTYPES else nullcontext()
        )
        with FlopCounterMode(display=False, custom_mapping=_UNCOUNTED) as counter, _layers_in_parts():
            with kept, torch.autograd.graph.saved_tensors_hooks(kept.keep, lambda tensor: tensor), lower:
                logits = self.network(batch)
            forward = counter.get_total_flops()
            sum(values.float().sum() for values in logits.values()).backward()
            return Cost(forward, counter.get_total_flops(), kept.bytes, kept.attention)


class _Kept(TorchFunctionMode):
    """What a forward pass keeps: every storage once, without those that are known.

    Args:
        known: parameters and inputs.
    """

    def __init__(self, known: Sequence[Tensor]) -> None:
        super().__init__()
        self._known = {_storage(tensor)[0] for tensor in known}
        self._found: dict[int, Any] = {}  # storages stay alive, as another one could get the number of one that is gone
        self._matrix: tuple[int, int] | None = None
        self.bytes = self.attention = 0

    def keep(self, tensor: Tensor) -> Tensor:
        """Count a tensor, and return it."""
        number, size = _storage(tensor)
        if number not in self._known and number not in self._found:
            self._found[number] = tensor.untyped_storage()
            self.bytes += size
            if self._matrix is not None and tensor.shape[-2:] == self._matrix:
                self.attention += size
        return tensor

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of PyTorch; within attention, tensors of a query's and a key's length are its matrices."""
        place = _ATTENTION.get(func)
        if place is None:
            return func(*args, **(kwargs or {}))
        query, key, *_ = [*args, *(kwargs or {}).values()]
        self._matrix = (query.shape[place], key.shape[place])
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self._matrix = None


_ATTENTION = {nn.functional.scaled_dot_product_attention: -2, nn.functional.multi_head_attention_forward: 0}
"""What computes attention, with the dimension of a query and a key that is their length."""


def _storage(tensor: Tensor) -> tuple[int, int]:
    """Return number and bytes of a tensor's storage."""
    storage = tensor.untyped_storage()
    return storage._cdata, storage.nbytes()  # noqa: SLF001 - the only number that tensors without content have


@contextmanager
def _layers_in_parts() -> Iterator[None]:
    """Keep PyTorch from computing a layer that is not trained in one operation, which no counter knows."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


Sizes = Sequence[int]


def _attention(query: Sizes, key: Sizes, value: Sizes, *_: Any, **__: Any) -> int:
    return 2 * prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _attention_backward(_grad: Sizes, query: Sizes, key: Sizes, value: Sizes, *_: Any, **__: Any) -> int:
    return 2 * _attention(query, key, value)


def _lstm(given: Sizes, inward: Sizes, onward: Sizes, *_: Any, **__: Any) -> int:
    return 2 * prod(given[:-1]) * (prod(inward) + prod(onward))


def _lstm_backward(given: Sizes, inward: Sizes, onward: Sizes, *_: Any, **__: Any) -> int:
    return 2 * _lstm(given, inward, onward)


_UNCOUNTED = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,  # noqa: SLF001 - operations have such names
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,  # noqa: SLF001 - as above
    torch.ops.aten.mkldnn_rnn_layer: _lstm,
    torch.ops.aten.mkldnn_rnn_layer_backward: _lstm_backward,
}
"""What a CPU computes as one operation that PyTorch's counter leaves out; matrices that are computed again are not
counted twice, so that a network counts the same whichever kernels compute it."""


def weights(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield parameters and what stands in for them in frozen layers."""
    yield from module.named_parameters()
    yield from ((name, tensor) for name, tensor in module.named_buffers() if tensor.is_floating_point())


def size_in_bytes(tensor: Tensor) -> int:
    """Return the bytes of a tensor."""
    return tensor.numel() * tensor.element_size()


def _filled(batch: Batch) -> list[TextBatch | AudioBatch]:
    return [part for part in (batch.text, batch.audio, batch.spectrum) if part is not None]


def tensors(batch: Batch) -> list[Tensor]:
    """Return the tensors of a batch, without labels."""
    return [getattr(part, field.name) for part in _filled(batch) for field in fields(part)]


def mapped(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """Return a batch without labels, of other tensors."""

    def changed(part: Any) -> Any:
        return part and replace(part, **{field.name: change(getattr(part, field.name)) for field in fields(part)})

    return Batch(changed(batch.text), changed(batch.audio), {}, changed(batch.spectrum))
