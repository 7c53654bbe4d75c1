"""Rhythm and pitch encoders of SRD-VC on audio features (paper section 2.4, Enc of equation 2)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from ecef_cli.api.components import Options, ProsodyEncoder

if TYPE_CHECKING:
    from typing import Self

_KERNEL = 5
_RHYTHM_CHANNELS, _RHYTHM_GROUPS, _RHYTHM_HIDDEN = 128, 8, 1
_PITCH_CHANNELS, _PITCH_GROUPS, _PITCH_HIDDEN = 256, 16, 32
_SMALL = 1e-5  # epsilon that GroupNorm adds to the variance


class SrdVcOptions(Options):
    """Options of the encoders: state sampling, and time warping in training."""

    frequency: int = Field(8, ge=1, description="frames that share one state; SRD-VC's is 8")
    pitch_layers: int = Field(3, ge=1, description="convolutions of the pitch encoder; SRD-VC's is 3")
    resampling: bool = Field(default=True, description="whether to warp time at random in training")
    shortest_segment: int = Field(19, ge=1, description="minimum frames of a segment to stretch or squeeze")
    longest_segment: int = Field(32, ge=1, description="maximum frames of a segment")
    slowest: float = Field(1.5, gt=0, description="maximum stretch factor of a segment")
    fastest: float = Field(0.5, gt=0, description="minimum stretch factor")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.longest_segment < self.shortest_segment:
            raise ValueError("longest_segment is below shortest_segment")
        if self.slowest < self.fastest:
            raise ValueError("slowest is below fastest")
        return self


class SrdVc(ProsodyEncoder):
    """Rhythm and pitch encoders of SRD-VC (Yang et al., Interspeech 2022), on h_a instead of mel and F0.

    As in SRD-VC: one convolution and a bidirectional LSTM of one unit for rhythm; three convolutions, each followed
    by random resampling in training, and a bidirectional LSTM of 32 units for pitch; a forward state at the end of
    every 8 frames and a backward state at their beginning, concatenated and repeated 8 times.

    Differences, because the input is h_a (B, T, d) and the output is added to h_a frame by frame:

    - The first convolutions read d channels, where SRD-VC reads 80 of mel and 257 of quantised F0.
    - Both read the same h_a; in SRD-VC, one reads only mel and the other only F0.
    - A Linear maps the 66 values of a frame to d, without bias, because the LayerNorm after it has one.
    - Random resampling keeps the utterance's length: when some segments are stretched, others are squeezed. In SRD-VC
      the length changes, and the decoder realigns the result with rhythm.
    - Any length works: a shorter last stretch of frames uses the state at its own end. SRD-VC needs
      multiples of 8.
    - Convolutions, normalisation and LSTM ignore padding, so a window is encoded the same alone and in a batch.
      SRD-VC pads every crop to 192 frames and encodes the padding.
    - Initial weights are random: the published ones read mel and F0.
    """

    Options = SrdVcOptions
    options: SrdVcOptions

    def build(self, width: int) -> nn.Module:
        """Return Enc for h_a of a width d."""
        return Prosody(width, self.options)


class Prosody(nn.Module):
    """Enc of equation 2: h_a (B, T, d) and a mask (B, T), true where a frame is real, to (B, T, d).

    Args:
        width: d.
        options: of `SrdVc`.
    """

    def __init__(self, width: int, options: SrdVcOptions) -> None:
        super().__init__()
        self.frequency = options.frequency
        self.rhythm = Tower(width, _RHYTHM_CHANNELS, _RHYTHM_GROUPS, _RHYTHM_HIDDEN, layers=1, warp=None)
        warp = TimeWarp(options) if options.resampling else None
        self.pitch = Tower(width, _PITCH_CHANNELS, _PITCH_GROUPS, _PITCH_HIDDEN, layers=options.pitch_layers, warp=warp)
        self.join = nn.Linear(2 * (_RHYTHM_HIDDEN + _PITCH_HIDDEN), width, bias=False)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Return rhythm and pitch per frame, mapped to the width of the features; zero at padding."""
        states = torch.cat([self._sampled(tower(features, mask), mask) for tower in (self.rhythm, self.pitch)], dim=-1)
        joined: Tensor = self.join(states) * mask[..., None]
        return joined

    def _sampled(self, states: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """Return (B, T, 2h): per stretch, the forward state at its last frame and the backward state at its first."""
        forward, backward = states
        lengths = mask.sum(dim=1, keepdim=True)
        start = torch.arange(mask.shape[1], device=mask.device)[None] // self.frequency * self.frequency
        end = torch.minimum(start + self.frequency - 1, lengths - 1).clamp(min=0)
        start = torch.minimum(start, lengths - 1).clamp(min=0)
        return torch.cat([_at(forward, end), _at(backward, start)], dim=-1)


class Tower(nn.Module):
    """Convolutions and a bidirectional LSTM that ignore padding.

    Args:
        width: width d of the frames.
        channels: number of channels of the convolutions.
        groups: number of groups in their normalisation.
        hidden: units of the LSTM in each direction.
        layers: number of convolutions.
        warp: module to apply after each convolution in training.
    """

    def __init__(
        self, width: int, channels: int, groups: int, hidden: int, *, layers: int, warp: TimeWarp | None
    ) -> None:
        super().__init__()
        sizes = [width] + [channels] * layers
        convolutions = [nn.Conv1d(before, after, _KERNEL, padding=_KERNEL // 2) for before, after in pairwise(sizes)]
        self.convolutions = nn.ModuleList(convolutions)
        self.norms = nn.ModuleList(MaskedGroupNorm(groups, channels) for _ in range(layers))
        self.warp = warp
        self.forwards = nn.LSTM(channels, hidden, batch_first=True)
        self.backwards = nn.LSTM(channels, hidden, batch_first=True)
        for convolution in convolutions:
            nn.init.xavier_uniform_(convolution.weight, gain=nn.init.calculate_gain("relu"))

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the forward and backward states, (B, T, hidden) each; values at padding are arbitrary."""
        real = mask[:, None, :].to(features.dtype)
        found = features.transpose(1, 2) * real
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            found = torch.relu(norm(convolution(found), mask)) * real
            if self.warp is not None and self.training:
                found = self.warp(found, mask) * real
        found = found.transpose(1, 2)
        # A forward LSTM reads the padding last. For the backward one, each sequence is reversed within its own
        # length, so it starts at the real end.
        turned = _turned(mask)
        return self.forwards(found)[0], _at(self.backwards(_at(found, turned))[0], turned)


class MaskedGroupNorm(nn.GroupNorm):
    """Group normalisation with statistics of the real frames only."""

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """Return features (B, C, T), normalised over each group's channels and the frames with mask (B, T) true."""
        batch, channels, length = features.shape
        grouped = features.view(batch, self.num_groups, channels // self.num_groups, length)
        real = mask[:, None, None, :].to(features.dtype)
        count = (real.sum(dim=-1, keepdim=True) * grouped.shape[2]).clamp(min=1)
        mean = (grouped * real).sum(dim=(2, 3), keepdim=True) / count
        centred = (grouped - mean) * real
        variance = centred.square().sum(dim=(2, 3), keepdim=True) / count
        normed = (centred * (variance + _SMALL).rsqrt()).view(batch, channels, length)
        return normed * self.weight[:, None] + self.bias[:, None]


class TimeWarp(nn.Module):
    """Random resampling: stretch and squeeze segments of each sequence and keep its length.

    Args:
        options: segment lengths and stretch factors.
    """

    def __init__(self, options: SrdVcOptions) -> None:
        super().__init__()
        self._shortest, self._longest = options.shortest_segment, options.longest_segment
        self._fastest, self._slowest = options.fastest, options.slowest

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Return features (B, C, T) on a warped time axis, interpolated linearly between frames."""
        batch, _, length = features.shape
        ends = (mask.sum(dim=1, keepdim=True) - 1).clamp(min=0).to(features.dtype)
        count = -(-length // self._shortest)
        drawn = torch.randint(self._shortest, self._longest + 1, (batch, count), device=features.device)
        old = torch.minimum(drawn.cumsum(dim=1).to(features.dtype), ends)
        old = torch.cat([torch.zeros_like(ends), old], dim=1)
        factors = torch.empty((batch, count), device=features.device, dtype=features.dtype)
        new = (old.diff(dim=1) * factors.uniform_(self._fastest, self._slowest)).cumsum(dim=1)
        new = torch.cat([torch.zeros_like(ends), new], dim=1) * (ends / new[:, -1:].clamp(min=_SMALL))
        positions = _inverse(new.contiguous(), old, length).clamp(min=0)
        positions = torch.minimum(positions, ends)
        below = positions.floor().long()
        share = (positions - below)[:, None, :]
        above = torch.minimum(below + 1, ends.long())
        return torch.lerp(_picked(features, below), _picked(features, above), share)


def _inverse(new: Tensor, old: Tensor, length: int) -> Tensor:
    """Return the old time (B, length) of each new frame; old and new (B, S+1) are the segments' bounds."""
    frames = torch.arange(length, device=new.device, dtype=new.dtype).expand(new.shape[0], length).contiguous()
    segment = (torch.searchsorted(new, frames, right=True) - 1).clamp(min=0, max=new.shape[1] - 2)
    start, stop = new.gather(1, segment), new.gather(1, segment + 1)
    before, after = old.gather(1, segment), old.gather(1, segment + 1)
    return before + (frames - start) / (stop - start).clamp(min=_SMALL) * (after - before)


def _picked(features: Tensor, positions: Tensor) -> Tensor:
    """Return features (B, C, T) at positions (B, T)."""
    return features.gather(2, positions[:, None, :].expand(-1, features.shape[1], -1))


def _at(states: Tensor, positions: Tensor) -> Tensor:
    """Return states (B, T, h) at positions (B, T)."""
    return states.gather(1, positions[..., None].expand(-1, -1, states.shape[-1]))


def _turned(mask: Tensor) -> Tensor:
    """Return the positions (B, T) that reverse each sequence within its own length; padding stays in place."""
    positions = torch.arange(mask.shape[1], device=mask.device)[None]
    lengths = mask.sum(dim=1, keepdim=True)
    return torch.where(mask, lengths - 1 - positions, positions)
