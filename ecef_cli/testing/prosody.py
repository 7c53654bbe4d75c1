"""Check the contract of a prosody encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli.testing.modules import build_twice, check_evaluation, check_training, made_up
from ecef_cli.testing.requirements import TOLERANCE, check_identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from ecef_cli.api.components import ProsodyEncoder
    from ecef_cli.testing.modules import Part

_LONGEST = 40  # positions; the check tries every length up to it


def check_prosody_encoder(encoder: ProsodyEncoder, *, width: int = 64, tolerance: float = TOLERANCE) -> None:
    """Check the module that a prosody encoder builds, on windows of 1 to 40 positions, in evaluation and in training.

    In training, the module may warp windows and leave out parts at random, but a window must not depend on the others
    of its batch, because one may end later in the same dialogue. The check detects layers such as `BatchNorm1d` by
    gradients between windows, not by name. A layer that always uses stored statistics passes.

    Args:
        encoder: the encoder.
        width: d of the module.
        tolerance: maximum difference of values between batches, relative to the largest or to 1.

    Raises:
        AssertionError: the encoder breaks its contract.
    """
    import torch

    check_identity(encoder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = build_twice(lambda: encoder.build(width))
        parts = [made_up("audio", ("x" * length for length in range(1, _LONGEST + 1)), width)]
        check_evaluation(module, _call, parts, tolerance)
        check_training(module, _call, parts, tolerance)


def _call(module: nn.Module, parts: Sequence[Part], /) -> Tensor:
    [audio] = parts
    found: Tensor = module(audio.values, audio.mask)
    return found
