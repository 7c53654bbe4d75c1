"""Computation of a network in training: its loss, recomputed activations, compilation."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ecef_cli.api.errors import EcefError
from ecef_cli.network.recomputation import compute_again

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ecef_cli.network.model import EcefNetwork
    from ecef_cli.recipe.sections import Training
    from ecef_cli.samples.batches import Batch
    from ecef_cli.training.optimization import JointLoss


class Taught(nn.Module):
    """A network with its loss. accelerate wraps this module, so the network itself stays unwrapped.

    Args:
        network: the network.
        loss: its loss.
        settings: whether to recompute activations, and whether to compile the network.
        shared: whether several processes train the network. Each process then waits for the gradient of every
            weight, so weights that a batch did not use, such as those of a dropped modality, get a zero gradient.
    """

    def __init__(self, network: EcefNetwork, loss: JointLoss, settings: Training, *, shared: bool) -> None:
        super().__init__()
        if settings.checkpointing:
            compute_again(network)
        self.network: Any = torch.compile(network, dynamic=True) if settings.compile else network
        self.loss = loss
        self._trained = [p for p in network.parameters() if p.requires_grad] if shared else []

    def forward(self, batch: Batch, totals: Mapping[str, float], soft: Mapping[str, Tensor]) -> Tensor:
        """Return a batch's share of the loss; see `JointLoss`."""
        share: Tensor = self.loss(self.network(batch), batch.labels, totals, soft)
        return share + 0.0 * sum(weight.sum() for weight in self._trained)


@contextmanager
def compiling(settings: Training) -> Iterator[None]:
    """Compile the network for windows of any length inside the block, if the recipe asks for it.

    Raises:
        EcefError: the compiler is missing or fails.
    """
    if not settings.compile:
        yield
        return
    from torch._dynamo.exc import TorchDynamoException
    from torch.fx.experimental import _config

    try:
        # Two lengths that happen to be equal, such as those of text and audio, may differ in the next batch.
        with _config.patch(use_duck_shape=False):  # type: ignore[attr-defined]
            yield
    except TorchDynamoException as error:
        line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise EcefError(f"the network cannot be compiled: {line[:200]}", hint="set training.compile=false") from error


def seed_part(seed: int, step: int, rank: int, part: int) -> None:
    """Seed PyTorch so that random draws in a part of a step depend on these four numbers alone."""
    numbers = f"{seed} {step} {rank} {part}".encode()
    torch.manual_seed(int.from_bytes(hashlib.blake2b(numbers, digest_size=8).digest()))
