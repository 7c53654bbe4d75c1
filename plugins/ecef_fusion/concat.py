"""Concatenation of text and audio, a simple baseline of fusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ecef_cli.api.components import Fusion

if TYPE_CHECKING:
    from ecef_cli.api.components import FusionInput


class Concat(Fusion):
    """Concatenate the mean of the text to every position of audio, and map the two to one width."""

    def build(self, width: int) -> nn.Module:
        """Return a module that maps a `FusionInput` to features (B, T, d)."""
        return Concatenation(width)


class Concatenation(nn.Module):
    """`Linear([audio; mean of text])`.

    Args:
        width: d.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.join = nn.Linear(2 * width, width)

    def forward(self, inputs: FusionInput) -> Tensor:
        """Return (B, T, d)."""
        real = inputs.text_mask[..., None].to(inputs.text.dtype)
        mean = (inputs.text * real).sum(dim=1, keepdim=True) / real.sum(dim=1, keepdim=True).clamp(min=1)
        joined: Tensor = self.join(torch.cat([inputs.audio, mean.expand_as(inputs.audio)], dim=-1))
        return joined
