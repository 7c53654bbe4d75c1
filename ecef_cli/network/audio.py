"""Audio stream: frames to positions, feature extraction module, prosody enhancement."""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ecef_cli.network.extraction import FeatureExtraction
from ecef_cli.network.modules import forward

if TYPE_CHECKING:
    from ecef_cli.recipe.sections import Audio, Masking
    from ecef_cli.recipe.sections import Network as NetworkSettings
    from ecef_cli.samples.batches import AudioBatch

_KERNEL = 5
_AROUND = 15  # positions in the kernel of the position embedding
_TIME_SHARE, _CHANNEL_SHARE = 10, 7  # the longest masked span is a tenth of the positions, a seventh of the channels


class MeanFront(nn.Module):
    """Map the mean of a position's frames to the network's width.

    Args:
        width_in: d, width of a frame.
        width: width of the network.
    """

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width_in, width)

    def forward(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """Return (B, T, width) from frames (B, T, G, d) and their mask (B, T, G)."""
        real = frame_mask[..., None].to(frames.dtype)
        mean = (frames * real).sum(dim=2) / real.sum(dim=2).clamp(min=1)
        projected: Tensor = self.project(mean)
        return projected


class ConvolutionalFront(nn.Module):
    """Join the frames of a position by convolutions over time, each of which halves their number.

    A convolution sees the frames of neighbouring positions, and zeros for missing frames.

    Args:
        width_in: d, width of a frame.
        width: width of the network.
        group: G, frames in a position, a power of two.
    """

    def __init__(self, width_in: int, width: int, group: int) -> None:
        super().__init__()
        count = int(log2(group))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width if layer else width_in, width, _KERNEL, stride=2, padding=_KERNEL // 2)
            for layer in range(count)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(count))

    def forward(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """Return (B, T, width) from frames (B, T, G, d) and their mask (B, T, G)."""
        found, mask = frames.flatten(1, 2), frame_mask.flatten(1, 2)
        found = found * mask[..., None]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            found = nn.functional.gelu(norm(convolution(found.transpose(1, 2)).transpose(1, 2)))
            mask = mask[:, ::2]  # the first of two frames decides, because real frames come first in a position
            found = found * mask[..., None]
        return found


class ConvolutionalPosition(nn.Module):
    """Add a convolution over neighbouring positions, which tells a Transformer the order of time.

    Args:
        width: width of the network, divisible by `groups`.
        groups: groups of the convolution.
    """

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.around = nn.Conv1d(width, width, _AROUND, padding=_AROUND // 2, groups=groups)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Return features (B, T, width), independent of masked positions."""
        seen = (features * mask[..., None]).transpose(1, 2)
        return features + nn.functional.gelu(self.around(seen).transpose(1, 2))


class FrameMasking(nn.Module):
    """Mask spans of positions and channels in training, as in SpecAugment (Park et al., Interspeech 2019).

    Args:
        settings: numbers of spans.
    """

    def __init__(self, settings: Masking) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, frames: Tensor) -> Tensor:
        """Return frames (B, T, G, d) with spans set to zero, different in each window."""
        if not self.training:
            return frames
        batch, positions, _, channels = frames.shape
        hidden = torch.zeros((batch, positions, 1, channels), dtype=torch.bool, device=frames.device)
        for _ in range(self.settings.times):
            hidden |= _stretches(batch, positions, positions // _TIME_SHARE, frames.device)[:, :, None, None]
        for _ in range(self.settings.channels):
            hidden |= _stretches(batch, channels, channels // _CHANNEL_SHARE, frames.device)[:, None, None, :]
        return frames.masked_fill(hidden, 0.0)


def _stretches(batch: int, length: int, longest: int, device: torch.device) -> Tensor:
    """Return (batch, length), true in one span per row, of 0 to `longest` places."""
    sizes = torch.randint(0, longest + 1, (batch, 1), device=device)
    starts = (torch.rand((batch, 1), device=device) * (length - sizes + 1)).long()
    places = torch.arange(length, device=device)[None]
    return (places >= starts) & (places < starts + sizes)


class AudioStream(nn.Module):
    """Map frames to F_a (paper section 2.4): `F_a = h_a + LayerNorm(Enc(h_a))`, equation 2.

    Args:
        width_in: d, width of a frame.
        history: utterances in a window.
        settings: the recipe's network.
        audio: the recipe's audio.
        masking: masking in training.
        prosody: Enc, or None for h_a alone (the ablation w/o PE).
    """

    def __init__(
        self,
        width_in: int,
        history: int,
        settings: NetworkSettings,
        *,
        audio: Audio,
        masking: Masking,
        prosody: nn.Module | None,
    ) -> None:
        super().__init__()
        self.masking = FrameMasking(masking)
        self.front: nn.Module = (
            ConvolutionalFront(width_in, settings.width, audio.group)
            if audio.front == "convolution"
            else MeanFront(width_in, settings.width)
        )
        self.absent = nn.Parameter(torch.zeros(settings.width))
        self.position = ConvolutionalPosition(settings.width, settings.heads)
        self.extraction = FeatureExtraction(settings.width, history, settings)
        self.prosody = prosody
        self.norm = None if prosody is None else nn.LayerNorm(settings.width)

    def forward(self, batch: AudioBatch) -> Tensor:
        """Return F_a (B, T, width)."""
        found = self.front(self.masking(batch.frames), batch.frame_mask)
        # An utterance without a recording is one learned vector.
        found = torch.where(batch.frame_mask.any(dim=2)[..., None], found, self.absent)
        heard: Tensor = self.extraction(self.position(found, batch.mask), batch.turns, batch.mask)
        if self.prosody is None or self.norm is None:
            return heard
        enhanced: Tensor = heard + self.norm(forward(self.prosody, heard, batch.mask))
        return enhanced
