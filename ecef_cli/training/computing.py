"""How a network is computed in training: with its loss, with activations computed again, compiled."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ecef_cli.api.errors import EcefError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ecef_cli.network.model import EcefNetwork
    from ecef_cli.recipe.sections import Training
    from ecef_cli.samples.batches import Batch
    from ecef_cli.training.optimization import JointLoss


class Taught(nn.Module):
    """A network with its loss: what accelerate prepares, so that the network itself stays as it is.

    Args:
        network: the network.
        loss: its loss.
        settings: whether activations are computed again, and whether the network is compiled.
        shared: whether several processes train it. Each then waits for the gradient of every weight, so that
            weights that a batch did not need, as where a part was left out at random, have a gradient of zero.
    """

    def __init__(self, network: EcefNetwork, loss: JointLoss, settings: Training, *, shared: bool) -> None:
        super().__init__()
        if settings.checkpointing:
            compute_again(network)
        self.network: Any = torch.compile(network, dynamic=True) if settings.compile else network
        self.loss = loss
        self._trained = [p for p in network.parameters() if p.requires_grad] if shared else []

    def forward(self, batch: Batch, totals: Mapping[str, float]) -> Tensor:
        """Return a batch's share of the loss; see `JointLoss`."""
        share: Tensor = self.loss(self.network(batch), batch.labels, totals)
        return share + 0.0 * sum(weight.sum() for weight in self._trained)


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


@contextmanager
def compiling(settings: Training) -> Iterator[None]:
    """Compile for any length of window what is computed in the block; does nothing where the recipe does not compile.

    Raises:
        EcefError: the compiler is missing or fails.
    """
    if not settings.compile:
        yield
        return
    from torch._dynamo.exc import TorchDynamoException
    from torch.fx.experimental import _config

    try:
        # Two lengths that are equal once, such as those of text and audio, need not be so in the next batch.
        with _config.patch(use_duck_shape=False):  # type: ignore[attr-defined]
            yield
    except TorchDynamoException as error:
        line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise EcefError(f"the network cannot be compiled: {line[:200]}", hint="set training.compile=false") from error


def seed_part(seed: int, step: int, rank: int, part: int) -> None:
    """Make what is drawn at random in a part of a step depend on these four numbers and on nothing before it."""
    numbers = f"{seed} {step} {rank} {part}".encode()
    torch.manual_seed(int.from_bytes(hashlib.blake2b(numbers, digest_size=8).digest()))
