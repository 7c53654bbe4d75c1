"""Patch embedding F_m of the log-mel spectrum, as of an image in a vision Transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ecef_fusion.backbones import Patches

_COLUMNS = 14  # positions in time of a randomly initialised table, as many as in ViT-B/16
_SPREAD = 0.02


class PatchEmbedding(nn.Module):
    """Embed patches of G frames by G bands, from the oldest to the newest, and at each time from low to high bands.

    Positions are interpolated between those of a table, by the length of each window, so that every window covers the
    whole table. Patches and table are initialised from the pretrained model, with the table's rows resized to the
    number of patches per time, and are trained.

    Args:
        rows: R, patches per time.
        patch: G.
        width: d.
        start: the pretrained embedding, or None for random initialisation.
    """

    def __init__(self, rows: int, patch: int, width: int, start: Patches | None) -> None:
        super().__init__()
        self.rows, self.patch = rows, patch
        self.project = nn.Linear(patch * patch, width)
        self.absent = nn.Parameter(torch.zeros(width))
        if start is None:
            self.places = nn.Parameter(_SPREAD * torch.randn(rows, _COLUMNS, width))
            return
        with torch.no_grad():
            self.project.weight.copy_(start.weight.flatten(1))
            self.project.bias.copy_(start.bias)
        columns = start.places.shape[1]
        table = nn.functional.interpolate(
            start.places.permute(2, 0, 1)[None], size=(rows, columns), mode="bilinear", align_corners=False
        )
        self.places = nn.Parameter(table[0].permute(1, 2, 0).contiguous())

    def forward(self, frames: Tensor, frame_mask: Tensor, mask: Tensor) -> Tensor:
        """Return F_m (B, N * R, d).

        Args:
            frames: (B, N, G, bands), the spectrum.
            frame_mask: (B, N, G), true at real frames; others count as the mean, 0.
            mask: (B, N), true at real times, which come first in a window.
        """
        shown = frames * frame_mask[..., None]
        images = torch.unflatten(shown, 3, (self.rows, self.patch)).permute(0, 1, 3, 4, 2)  # (B, N, R, bands, G)
        embedded = self.project(images.flatten(3))
        embedded = torch.where(frame_mask.any(dim=2)[..., None, None], embedded, self.absent)
        return (embedded + self._placed(mask)).flatten(1, 2)

    def _placed(self, mask: Tensor) -> Tensor:
        """Return (B, N, R, d), the table interpolated to the length of each window."""
        columns = self.places.shape[1]
        numbers = torch.arange(mask.shape[1], device=mask.device)
        lengths = mask.sum(dim=1, keepdim=True).clamp(min=1)
        wanted = ((numbers + 0.5) * columns / lengths - 0.5).clamp(0, columns - 1)
        near = (1 - (wanted[..., None] - torch.arange(columns, device=mask.device)).abs()).clamp(min=0)
        return torch.einsum("bnc,rcd->bnrd", near.to(self.places.dtype), self.places)
