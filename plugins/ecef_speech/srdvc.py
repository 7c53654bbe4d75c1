"""The rhythm and pitch encoders of SRD-VC, fed with audio features (paper section 2.4, Enc of equation 2)."""

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
_SMALL = 1e-5  # what GroupNorm adds to the variance


class SrdVcOptions(Options):
    """How often the encoders' states are sampled, and how time is warped in training."""

    frequency: int = Field(8, ge=1, description="frames that share one state; SRD-VC's is 8")
    pitch_layers: int = Field(3, ge=1, description="convolutions of the pitch encoder; SRD-VC's is 3")
    resampling: bool = Field(default=True, description="whether time is warped at random in training")
    shortest_segment: int = Field(19, ge=1, description="frames of the shortest segment that is stretched or squeezed")
    longest_segment: int = Field(32, ge=1, description="frames of the longest one")
    slowest: float = Field(1.5, gt=0, description="largest factor by which a segment is stretched")
    fastest: float = Field(0.5, gt=0, description="smallest factor")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.longest_segment < self.shortest_segment:
            raise ValueError("longest_segment is below shortest_segment")
        if self.slowest < self.fastest:
            raise ValueError("slowest is below fastest")
        return self


class SrdVc(ProsodyEncoder):
    """Rhythm and pitch as SRD-VC (Yang et al., Interspeech 2022) encodes them, from h_a instead of mel and F0.

    What is SRD-VC's: one convolution and a bidirectional LSTM of one unit for rhythm; three convolutions, each followed
    by random resampling in training, and a bidirectional LSTM of 32 units for pitch; a forward state at the end of
    every 8 frames and a backward state at their beginning, joined and repeated 8 times.

    What differs, since its input is h_a (B, T, d) and its output is added to h_a frame by frame:

    - The first convolutions read d channels, where SRD-VC reads 80 of mel and 257 of quantised F0.
    - Both see the same h_a; SRD-VC keeps F0 from the one and mel from the other.
    - A Linear maps the 66 values of a frame to d, without bias, as the LayerNorm behind it has one.
    - Random resampling leaves the utterance's length as it is: segments are stretched and squeezed against one
      another. SRD-VC's changes the length, and its decoder aligns the result with rhythm anew.
    - Any length goes: the last, shorter stretch of frames shares the state at its own end. SRD-VC needs
      multiples of 8.
    - Padding is left out of convolutions, normalisation and LSTM, so that a window is encoded the same alone and
      in a batch. SRD-VC pads every crop to 192 frames and encodes the padding.
    - Weights start at random: the published ones read mel and F0.
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
        """Return rhythm and pitch of each frame, mapped to the width of the features; zero where padded."""
        states = torch.cat([self._sampled(tower(features, mask), mask) for tower in (self.rhythm, self.pitch)], dim=-1)
        joined: Tensor = self.join(states) * mask[..., None]
        return joined

    def _sampled(self, states: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """Return (B, T, 2h): of each stretch, the forward state at its last frame and the backward one at its first."""
        forward, backward = states
        lengths = mask.sum(dim=1, keepdim=True)
        start = torch.arange(mask.shape[1], device=mask.device)[None] // self.frequency * self.frequency
        end = torch.minimum(start + self.frequency - 1, lengths - 1).clamp(min=0)
        start = torch.minimum(start, lengths - 1).clamp(min=0)
        return torch.cat([_at(forward, end), _at(backward, start)], dim=-1)


class Tower(nn.Module):
    """Convolutions and a bidirectional LSTM, blind to padding.

    Args:
        width: width d of the frames.
        channels: of the convolutions.
        groups: of their normalisation.
        hidden: units of the LSTM in each direction.
        layers: number of convolutions.
        warp: what follows each convolution in training.
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
        """Return the forward and the backward states, (B, T, hidden) each; padded positions hold anything."""
        real = mask[:, None, :].to(features.dtype)
        found = features.transpose(1, 2) * real
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            found = torch.relu(norm(convolution(found), mask)) * real
            if self.warp is not None and self.training:
                found = self.warp(found, mask) * real
        found = found.transpose(1, 2)
        # An LSTM that reads from the left meets the padding last; turned about within its own length, a
        # sequence is read from its real end.
        turned = _turned(mask)
        return self.forwards(found)[0], _at(self.backwards(_at(found, turned))[0], turned)


class MaskedGroupNorm(nn.GroupNorm):
    """Group normalisation whose statistics are those of the real frames alone."""

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """Return features (B, C, T) normalised over each group's channels and the frames where mask (B, T) is true."""
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
    """Random resampling: segments of each sequence are stretched and squeezed, its length stays.

    Args:
        options: lengths of segments and factors.
    """

    def __init__(self, options: SrdVcOptions) -> None:
        super().__init__()
        self._shortest, self._longest = options.shortest_segment, options.longest_segment
        self._fastest, self._slowest = options.fastest, options.slowest

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Return features (B, C, T) along warped time, interpolated linearly between frames."""
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
    """Return (B, length) the old time of each new frame, where old and new (B, S+1) are the segments' bounds."""
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
    """Return (B, T) the positions that turn each sequence about within its own length; padding stays where it is."""
    positions = torch.arange(mask.shape[1], device=mask.device)[None]
    lengths = mask.sum(dim=1, keepdim=True)
    return torch.where(mask, lengths - 1 - positions, positions)
