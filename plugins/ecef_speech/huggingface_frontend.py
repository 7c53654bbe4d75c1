"""The convolutions that turn a waveform into frames, exact for each wave, and a tile at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ecef_speech.huggingface_linear import activation, affine, by_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_TILE = 50
"""Frames that are computed at once. What the lower convolutions give for them fits into a CPU's cache."""


class Convolutions(nn.Module):
    """A waveform (S,) to frames (T, C), by the strided convolutions of wav2vec 2.0 and its relatives.

    Each is a matrix product over windows of its input, whose rows are times. Nothing is padded, so a wave's frames
    depend on its own samples alone.

    The first layer of a model with `feat_extract_norm: group` is normalised over all times of a channel. Mean and
    variance of `w·x` over the windows x of a wave are `w·m` and `wᵀCw`, with the windows' mean m and covariance C.
    So the wave's own normalisation goes into the weights before a single output is computed, and a tile of the wave
    needs nothing of the others.

    Args:
        layers: transformers' convolutional layers.
        name: their activation.
    """

    def __init__(self, layers: Sequence[Any], name: str) -> None:
        super().__init__()
        self._layers = nn.ModuleList(_Convolution(layer, name) for layer in layers)
        first: Any = getattr(layers[0], "layer_norm", None)
        self._over_time = first if isinstance(first, nn.GroupNorm) else None
        self.hop = int(np.prod([layer.stride for layer in self._convolutions]))
        self.field = 1
        for layer in reversed(self._convolutions):
            self.field = (self.field - 1) * layer.stride + layer.kernel

    @property
    def _convolutions(self) -> list[_Convolution]:
        return [layer for layer in self._layers if isinstance(layer, _Convolution)]

    def forward(self, wave: npt.NDArray[np.float32]) -> Tensor:
        """Return (T, C); T is `(S - field) // hop + 1`, S at least `field`."""
        first, *others = self._convolutions
        weight, bias = first.weight, first.bias
        if self._over_time is not None:
            weight, bias = _normalised(wave, first, self._over_time)
        samples = torch.from_numpy(wave).to(weight.device)[:, None]
        count = (len(wave) - self.field) // self.hop + 1
        tiles = []
        for start in range(0, count, _TILE):
            end = min(start + _TILE, count)
            states = samples[start * self.hop : (end - 1) * self.hop + self.field]
            states = first.apply_with(states, weight, bias)
            for layer in others:
                states = layer(states)
            tiles.append(states)
        return torch.cat(tiles)


class _Convolution(nn.Module):
    """States (N, C) to (M, C'): a convolution without padding, a normalisation over channels, an activation."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, layer: Any, name: str) -> None:
        super().__init__()
        self.stride, self.kernel = int(layer.conv.stride[0]), int(layer.conv.kernel_size[0])
        weight, bias = layer.conv.weight.detach(), layer.conv.bias
        self.register_buffer("weight", by_columns(weight.transpose(1, 2).flatten(1)))
        self.register_buffer("bias", None if bias is None else bias.detach())
        norm: Any = getattr(layer, "layer_norm", None)
        self._norm = norm if isinstance(norm, nn.LayerNorm) else None
        self._activation = activation(name)

    def forward(self, states: Tensor) -> Tensor:
        """Return the next states."""
        return self.apply_with(states, self.weight, self.bias)

    def apply_with(self, states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the next states, with other weights than the layer's own."""
        count, channels = states.shape
        windows = states.as_strided(
            ((count - self.kernel) // self.stride + 1, self.kernel * channels), (self.stride * channels, 1)
        )
        if self._norm is None:
            return affine(windows, weight, bias, self._activation)
        return self._activation(self._norm(affine(windows, weight, bias, None)))


def _normalised(wave: npt.NDArray[np.float32], layer: _Convolution, norm: nn.GroupNorm) -> tuple[Tensor, Tensor]:
    """Return weights and bias of a layer whose output over a wave has the norm's mean and variance."""
    # In double precision: the variance of a quiet recording is a small difference of large numbers.
    windows = np.lib.stride_tricks.sliding_window_view(wave.astype(np.float64), layer.kernel)[:: layer.stride]
    mean = windows.mean(axis=0)
    centred = windows - mean
    covariance = centred.T @ centred / len(centred)
    weight = layer.weight.cpu().double().numpy()
    variance = np.einsum("ci,ij,cj->c", weight, covariance, weight)
    gain = norm.weight.cpu().double().numpy() / np.sqrt(np.maximum(variance, 0) + norm.eps)
    # A bias of the convolution moves its mean by as much, and vanishes.
    shift = norm.bias.cpu().double().numpy() - gain * (weight @ mean)
    device, dtype = layer.weight.device, layer.weight.dtype
    return (
        torch.from_numpy(weight * gain[:, None]).to(device, dtype),
        torch.from_numpy(shift).to(device, dtype),
    )
