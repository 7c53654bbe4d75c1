"""Check the contract of a fusion."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ecef_cli.api.components import FusedStreams, FusionInput, SecondStepInput, Spectrum
from ecef_cli.testing.modules import Part, build_twice, check_evaluation, check_training, distance, made_up, output
from ecef_cli.testing.requirements import TOLERANCE, check_identity, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from ecef_cli.api.components import Fusion
    from ecef_cli.testing.modules import Call

# The positions of text and audio in each window. Text has gaps at positions that no state of the encoder covers.
_TEXT = ("x", "x", "xxxxx", "xx.xxx.x", "....xx", "xxxxxxxxxxxxx", "xx")
_AUDIO = (1, 9, 1, 5, 40, 17, 2)
# The patches of the spectrum in each window: `x` full of frames, `h` partly filled, `o` without a recording.
_SPECTRUM = ("h", "xxh", "xoxh", "xxxxxxxxxxxxxxxxxh", "x", "xhxhxh", "o")


def check_fusion(fusion: Fusion, *, width: int = 64, tolerance: float = TOLERANCE) -> None:
    """Check the modules that a fusion builds, on windows of several lengths of text, audio and spectrum.

    A window has no later utterance than its last, so a fusion may attend to all of it. The future could leak in only
    from the other windows of a batch, because one may end later in the same dialogue. In evaluation and in training, a
    window must not depend on them, which excludes batch normalisation.

    Args:
        fusion: the fusion.
        width: d of the module.
        tolerance: maximum difference of values between batches, relative to the largest or to 1.

    Raises:
        AssertionError: the fusion breaks its contract.
    """
    import torch

    check_identity(fusion)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = build_twice(lambda: fusion.build(width))
        parts = [made_up("text", _TEXT, width), made_up("audio", ("x" * length for length in _AUDIO), width)]
        check_evaluation(module, _call, parts, tolerance)
        _check_all_matter(module, _call, parts)
        check_training(module, _call, parts, tolerance)
        if fusion.spectrum is not None:
            _check_second(fusion, fusion.spectrum, width, tolerance)


def _check_second(fusion: Fusion, spectrum: Spectrum, width: int, tolerance: float) -> None:
    """Check the second step, for each of its two streams."""
    require(isinstance(spectrum, Spectrum), "spectrum must be a Spectrum or None")
    require(isinstance(fusion.patch, int) and fusion.patch > 0, "patch must be a whole number above 0")

    def second() -> nn.Module:
        found = fusion.build_second(width)
        if found is None:
            raise AssertionError("build_second() must return a module if there is a spectrum")
        return found

    module = build_twice(second)
    fused = made_up("F_ta", ("x" * length for length in _AUDIO), width)
    image = _made_up_spectrum(fusion.patch, spectrum.bins)
    for call, parts in ((_fused_stream, [image, fused]), (_spectrum_stream, [fused, image])):
        check_evaluation(module, call, parts, tolerance)
        _check_all_matter(module, call, parts)
    check_training(module, _both_streams, [fused, image], tolerance)


def _made_up_spectrum(patch: int, bins: int) -> Part:
    import torch

    marks = made_up("spectrum", (row.replace("h", "x").replace("o", "x") for row in _SPECTRUM), 1).mask
    frames = marks[..., None].repeat(1, 1, patch)
    for row, own in enumerate(_SPECTRUM):
        for place, mark in enumerate(own):
            if mark != "x":
                frames[row, place, patch // 3 if mark == "h" else 0 :] = False
    values = torch.randn(*frames.shape, bins, generator=torch.Generator().manual_seed(1))
    return Part("spectrum", torch.where(frames[..., None], values, 0.0), marks, frames)


def _check_all_matter(module: nn.Module, call: Call, parts: Sequence[Part]) -> None:
    import torch

    mask = parts[-1].mask
    with torch.inference_mode():
        before = output(module.eval(), call, parts)
        for part in parts:
            other = replace(part, values=torch.where(part.shown, torch.randn_like(part.values), 0.0))
            after = output(module, call, [other if one is part else one for one in parts])
            # The same input gives the same output bit for bit, so any difference counts.
            for row, real in enumerate(mask):
                if not part.shown[row].any():
                    continue
                moved = distance(after[row, real], before[row, real])
                require(moved > 0, f"{part.name} does not affect the output")


def _call(module: nn.Module, parts: Sequence[Part], /) -> Tensor:
    text, audio = parts
    found: Tensor = module(FusionInput(text.values, text.mask, audio.values, audio.mask))
    return found


def _streams(module: nn.Module, fused: Part, spectrum: Part) -> FusedStreams:
    assert spectrum.frame_mask is not None  # noqa: S101 - for the type checker
    given = SecondStepInput(fused.values, fused.mask, spectrum.values, spectrum.frame_mask, spectrum.mask)
    found: FusedStreams = module(given)
    require(isinstance(found, FusedStreams), "the second step must return FusedStreams")
    shape, wanted = tuple(found.fused.shape), tuple(fused.values.shape)
    require(shape == wanted, f"the second step's `fused` must have the shape {wanted}, not {shape}")
    batch, patches = spectrum.mask.shape
    shape, width = tuple(found.spectrum.shape), wanted[-1]
    right = len(shape) == len(wanted) and shape[0] == batch and shape[1] % patches == 0 and shape[2] == width
    require(shape[1] and right, f"the second step's `spectrum` must have the shape (B, N * R, d), not {shape}")
    return found


def _fused_stream(module: nn.Module, parts: Sequence[Part], /) -> Tensor:
    spectrum, fused = parts
    return _streams(module, fused, spectrum).fused


def _spectrum_stream(module: nn.Module, parts: Sequence[Part], /) -> Tensor:
    fused, spectrum = parts
    return _by_patch(_streams(module, fused, spectrum).spectrum, spectrum)


def _by_patch(stream: Tensor, spectrum: Part) -> Tensor:
    """Return (B, N, R * d) from (B, N * R, d)."""
    return stream.reshape(*spectrum.mask.shape, -1)


def _both_streams(module: nn.Module, parts: Sequence[Part], /) -> Tensor:
    """Return the stream of the spectrum, plus the sum of the other stream over the window."""
    fused, spectrum = parts
    found = _streams(module, fused, spectrum)
    own = (found.fused * fused.mask[..., None]).sum(dim=(1, 2))
    return _by_patch(found.spectrum, spectrum) + own[:, None, None]
