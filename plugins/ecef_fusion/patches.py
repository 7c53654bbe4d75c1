"""F_m: the log-mel spectrum as patches, as a vision Transformer sees an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ecef_fusion.backbones import Patches

_COLUMNS = 14  # places in time of a table that starts at random, as many as ViT-B/16 has
_SPREAD = 0.02


class PatchEmbedding(nn.Module):
    """Embeds patches of G frames by G bands, from the oldest to the newest and in each time from low to high.

    Positions are interpolated between those of the table, for each window by its own length, so that a window stretches
    over all of the table however long it is. Both start as the pretrained model has them, with the table's rows
    brought to the number of patches in a time, and are trained.

    Args:
        rows: R, patches in a time.
        patch: G.
        width: d.
        start: the pretrained embedding, or None for one that starts at random.
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
            frame_mask: (B, N, G), true where a frame is real; others count as the mean, 0.
            mask: (B, N), true where a time is real, from a window's first on.
        """
        shown = frames * frame_mask[..., None]
        images = shown.unflatten(3, (self.rows, self.patch)).permute(0, 1, 3, 4, 2)  # (B, N, R, bands, G)
        embedded = self.project(images.flatten(3))
        embedded = torch.where(frame_mask.any(dim=2)[..., None, None], embedded, self.absent)
        return (embedded + self._placed(mask)).flatten(1, 2)

    def _placed(self, mask: Tensor) -> Tensor:
        """Return (B, N, R, d), the table read at each window's own scale."""
        columns = self.places.shape[1]
        numbers = torch.arange(mask.shape[1], device=mask.device)
        lengths = mask.sum(dim=1, keepdim=True).clamp(min=1)
        wanted = ((numbers + 0.5) * columns / lengths - 0.5).clamp(0, columns - 1)
        near = (1 - (wanted[..., None] - torch.arange(columns, device=mask.device)).abs()).clamp(min=0)
        return torch.einsum("bnc,rcd->bnrd", near.to(self.places.dtype), self.places)
