"""A fusion: what is heard, with as much of what is said as a gate lets through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ecef_cli.api.components import Fusion

if TYPE_CHECKING:
    from ecef_cli.api.components import FusionInput


class Gated(Fusion):
    """Adds the mean of the text to every position of audio, through a gate that the two decide."""

    def build(self, width: int) -> nn.Module:
        """Return the module for features of a width."""
        return GatedSum(width)


class GatedSum(nn.Module):
    """`audio + sigmoid(W [audio; text]) * V text`, with the mean of the text's real positions.

    Args:
        width: d.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(2 * width, width)
        self.said = nn.Linear(width, width)

    def forward(self, inputs: FusionInput) -> Tensor:
        """Return (B, T, d)."""
        # What the masks hide is padding, and must not be seen; there may be holes in the text's.
        real = inputs.text_mask[..., None].to(inputs.text.dtype)
        mean = (inputs.text * real).sum(dim=1, keepdim=True) / real.sum(dim=1, keepdim=True)
        text = mean.expand_as(inputs.audio)
        gate = torch.sigmoid(self.gate(torch.cat([inputs.audio, text], dim=-1)))
        fused: Tensor = inputs.audio + gate * self.said(text)
        return fused
