"""The convolution over frames that tells a wav2vec-like model where a frame stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable


class GroupedConvolution(nn.Module):
    """Frames (N, C) to (N, C): a grouped convolution with as many frames as before; beyond the ends is zero.

    On the CPU it goes through the frequency domain, by overlap-save: blocks of frames are transformed, multiplied
    with the kernel's spectrum, and transformed back. With a kernel of 128 frames, as most models have, this takes a
    tenth of the time of the direct sum. Elsewhere the direct sum is taken.

    Args:
        convolution: the convolution, its weight computed.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, convolution: nn.Conv1d) -> None:
        super().__init__()
        bias = torch.zeros(convolution.out_channels) if convolution.bias is None else convolution.bias
        self.register_buffer("weight", convolution.weight.detach().clone())
        self.register_buffer("bias", bias.detach().clone())
        self._groups = convolution.groups
        self.kernel = int(convolution.kernel_size[0])
        self._block = 2 ** (2 * self.kernel - 1).bit_length()
        # Not a buffer, as only the CPU needs it: (frequencies, groups, in, out).
        spectrum = torch.fft.rfft(self.weight.flip(-1), n=self._block)
        self._spectrum = spectrum.unflatten(0, (self._groups, -1)).permute(3, 0, 2, 1).contiguous()

    @property
    def before(self) -> int:
        """Frames before a frame that it depends on; after it, they are no more."""
        return self.kernel // 2

    def forward(self, frames: Tensor) -> Tensor:
        """Return the convolved frames."""
        if frames.device.type != "cpu":
            padded = functional.pad(frames.t(), (self.before, self.kernel - 1 - self.before))
            return functional.conv1d(padded[None], self.weight, self.bias, groups=self._groups)[0].t()
        fresh = self._block - self.kernel + 1  # frames that a block gives
        blocks = -(-len(frames) // fresh)
        tail = blocks * fresh + self.kernel - 1 - self.before - len(frames)
        padded = functional.pad(frames.t(), (self.before, tail)).unfold(1, self._block, fresh)
        spectra = torch.fft.rfft(padded).unflatten(0, (self._groups, -1)).permute(3, 0, 2, 1)
        products = torch.matmul(spectra.contiguous(), self._spectrum)
        summed = torch.fft.irfft(products.permute(2, 1, 3, 0), n=self._block)
        whole: Tensor = summed[..., self.kernel - 1 :].flatten(1, 2).transpose(1, 2).flatten(0, 1)
        return whole[: len(frames)] + self.bias


class Positions(nn.Module):
    """What is added to frames to tell where they stand: waves side by side, none seeing its neighbours.

    Args:
        module: transformers' module: one convolution, or several with a normalisation each, as data2vec has.
        activation: what follows each convolution.
    """

    def __init__(self, module: Any, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        layers = list(getattr(module, "layers", [module]))
        self._convolutions = nn.ModuleList(GroupedConvolution(_plain(layer.conv)) for layer in layers)
        self._norms = nn.ModuleList(getattr(layer, "layer_norm", nn.Identity()) for layer in layers)
        self._first = getattr(module, "batch_norm", None) or nn.Identity()
        self._activation = activation
        self._gap = max(int(getattr(layer.conv, "kernel_size")[0]) for layer in layers) // 2  # noqa: B009

    def forward(self, frames: Tensor, lengths: list[int]) -> Tensor:
        """Return (N, C) for frames (N, C), of which each wave has its length.

        Zeros are put between the waves, as many as a convolution reaches, before each convolution.
        """
        real = self._places(lengths, frames.device)
        size = sum(lengths) + self._gap * (len(lengths) - 1)
        frames = self._first(frames)
        for convolution, norm in zip(self._convolutions, self._norms, strict=True):
            spread = frames.new_zeros((size, frames.shape[1]))
            spread[real] = frames
            frames = self._activation(norm(convolution(spread)[real]))
        return frames

    def _places(self, lengths: list[int], device: torch.device) -> Tensor:
        shift = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths)) * self._gap
        return (torch.arange(sum(lengths)) + shift).to(device)


def _plain(convolution: nn.Conv1d) -> nn.Conv1d:
    """Return the convolution with its weight as it is used, and not as direction and length."""
    from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

    if is_parametrized(convolution, "weight"):
        remove_parametrizations(convolution, "weight")
    return convolution
