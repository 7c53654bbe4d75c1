"""Does a fusion keep its contract?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ecef_cli.components import FusionInput
from ecef_cli.testing.modules import build_twice, check_evaluation, check_training, distance, made_up, output
from ecef_cli.testing.requirements import TOLERANCE, check_identity, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from ecef_cli.components import Fusion
    from ecef_cli.testing.modules import Part

# The positions of text and audio in each window. Text has holes where no state of the encoder covers a position.
_TEXT = ("x", "x", "xxxxx", "xx.xxx.x", "....xx", "xxxxxxxxxxxxx", "xx")
_AUDIO = (1, 9, 1, 5, 40, 17, 2)


def check_fusion(fusion: Fusion, *, width: int = 64, tolerance: float = TOLERANCE) -> None:
    """Check the module that a fusion builds, on windows of several lengths of text and audio.

    A window never holds an utterance later than its last, so that a fusion may look everywhere within it. What would
    let the future in is the other windows of a batch, among which may be one that ends later in the same dialogue: in
    evaluation and in training, a window must not depend on them, which excludes batch normalisation.

    Args:
        fusion: the fusion.
        width: d of the module.
        tolerance: how far values may lie apart that are computed in another batch, relative to the largest or to 1.

    Raises:
        AssertionError: it does not keep its contract.
    """
    import torch

    check_identity(fusion)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = build_twice(lambda: fusion.build(width))
        parts = [made_up("text", _TEXT, width), made_up("audio", ("x" * length for length in _AUDIO), width)]
        check_evaluation(module, _call, parts, tolerance)
        _check_both_matter(module, parts, tolerance)
        check_training(module, _call, parts, tolerance)


def _check_both_matter(module: nn.Module, parts: Sequence[Part], tolerance: float) -> None:
    import torch

    mask = parts[-1].mask
    with torch.inference_mode():
        before = output(module.eval(), _call, parts)
        for part in parts:
            other = replace(part, values=torch.where(part.mask[..., None], torch.randn_like(part.values), 0.0))
            after = output(module, _call, [other if one is part else one for one in parts])
            for row, real in enumerate(mask):
                moved = distance(after[row, real], before[row, real])
                require(moved > tolerance, f"{part.name} makes no difference to the output")


def _call(module: nn.Module, parts: Sequence[Part], /) -> Tensor:
    text, audio = parts
    found: Tensor = module(FusionInput(text.values, text.mask, audio.values, audio.mask))
    return found
