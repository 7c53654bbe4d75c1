"""Check modules of components: a window's output depends only on the real positions of that window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from ecef_cli.testing.requirements import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import Tensor, nn

_LOUD = 1e3  # scale of noise at masked positions
_PASSES = 3  # forward passes with added gradients, because a pass may leave out parts at random


@dataclass(frozen=True, slots=True)
class Part:
    """Input of a module from one modality.

    Attributes:
        name: name of the modality.
        values: (B, N, d), or (B, N, G, d) if a position has G frames.
        mask: (B, N), true at real positions.
        frame_mask: (B, N, G), true at real frames; None if positions have no frames.
    """

    name: str
    values: Tensor
    mask: Tensor
    frame_mask: Tensor | None = None

    @property
    def shown(self) -> Tensor:
        """(B, N, 1) or (B, N, G, 1), true at real values."""
        return (self.mask if self.frame_mask is None else self.frame_mask)[..., None]


class Call(Protocol):
    """Call of a module with its parts; the output (B, N, d) has the positions of the last part."""

    def __call__(self, module: nn.Module, parts: Sequence[Part], /) -> Tensor:
        """Return the output."""


def made_up(name: str, masks: Iterable[str], width: int) -> Part:
    """Return windows of random values, padded to three positions more than the longest.

    Args:
        name: name of the modality.
        masks: a string per window, with `x` for a real and `.` for a masked position.
        width: d.
    """
    import torch

    rows = list(masks)
    length = max(map(len, rows)) + 3
    mask = torch.tensor([[mark == "x" for mark in row.ljust(length, ".")] for row in rows])
    values = torch.randn(len(rows), length, width, generator=torch.Generator().manual_seed(len(rows) + length))
    return Part(name, torch.where(mask[..., None], values, 0.0), mask)


def build_twice(build: Callable[[], nn.Module]) -> nn.Module:
    """Return a module, after checking that a second build is a separate one.

    Parameters that start at zero get other values, so that a gate that is closed at first hides nothing.
    """
    import torch

    module, second = build(), build()
    require(isinstance(module, torch.nn.Module), "build() must return a torch.nn.Module")
    others = {id(p) for p in second.parameters()}
    shared = module is second or any(id(p) in others for p in module.parameters())
    require(not shared, "build() must return a fresh module at every call")
    chance = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.any():
                parameter.uniform_(0.1, 0.3, generator=chance)
    return module


def output(module: nn.Module, call: Call, parts: Sequence[Part]) -> Tensor:
    """Return a module's output, after checking its shape and that all values are finite, even masked ones."""
    import torch

    last = parts[-1]
    try:
        found = call(module, parts)
    except Exception as error:
        shapes = " and ".join(str(tuple(part.values.shape)) for part in parts)
        raise AssertionError(f"the module raises {type(error).__name__} on {shapes}: {error}") from error
    require(isinstance(found, torch.Tensor), "the module must return a tensor")
    if last.frame_mask is None:
        shape = tuple(last.values.shape)
        require(found.shape == shape, f"the module must return the shape {shape}, not {tuple(found.shape)}")
    require(found.isfinite().all(), "a value is not finite")
    return found


def check_evaluation(module: nn.Module, call: Call, parts: Sequence[Part], tolerance: float) -> None:
    """Check that an output is the same a second time, with other padding, and without the rest of its batch."""
    import torch

    module.eval()
    mask = parts[-1].mask
    with torch.inference_mode():
        together = output(module, call, parts)
        require(
            torch.equal(output(module, call, parts)[mask], together[mask]),
            "in evaluation, the output differs when computed a second time",
        )
        for part in parts:
            noise = _LOUD * torch.randn_like(part.values)
            loud = replace(part, values=torch.where(part.shown, part.values, noise))
            found = output(module, call, [loud if one is part else one for one in parts])
            require(
                distance(found[mask], together[mask]) <= tolerance,
                f"{part.name}: masked positions affect the output",
            )
        for row in range(len(mask)):
            alone = output(module, call, [_window(part, row) for part in parts])
            real = mask[row, : alone.shape[1]]
            require(
                distance(alone[0, real], together[row, : alone.shape[1]][real]) <= tolerance,
                "a window's output depends on its batch or its padding",
            )


def check_training(module: nn.Module, call: Call, parts: Sequence[Part], tolerance: float) -> None:
    """Check that gradients reach all trained parameters, and none comes from outside of a window.

    Outputs are random in training, for example because of dropout, so they cannot be compared. Gradients show what an
    output depends on within one pass.
    """
    import torch

    module.train()
    module.zero_grad(set_to_none=True)
    mask = parts[-1].mask
    given = [replace(part, values=part.values.clone().requires_grad_()) for part in parts]
    for _ in range(_PASSES):
        found = output(module, call, given)
        (found * torch.randn_like(found))[mask].sum().backward()  # type: ignore[no-untyped-call]
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            require(grad.any(), f"no gradient reaches the parameter {name}")
            require(grad.isfinite().all(), f"the gradient of the parameter {name} is not finite")
    for part in given:
        reached = part.values.grad is not None and (part.values.grad * part.shown).any()
        require(reached, f"no gradient reaches {part.name}")
    _check_reach(module, call, given, tolerance)
    for row in range(len(mask)):
        output(module, call, [_window(part, row) for part in parts])


def _check_reach(module: nn.Module, call: Call, given: Sequence[Part], tolerance: float) -> None:
    """Check what the output of one window depends on, in training."""
    import torch

    row = len(given[-1].mask) // 2
    found = output(module, call, given)[row][given[-1].mask[row]]
    loss = (found * torch.randn_like(found)).sum()
    gradients = torch.autograd.grad(loss, [part.values for part in given], allow_unused=True)
    for part, found_gradient in zip(given, gradients, strict=True):
        gradient = torch.zeros_like(part.values) if found_gradient is None else found_gradient.abs()
        least = tolerance * gradient.max().item()
        others = torch.arange(len(part.mask)) != row
        require(
            gradient[others].max().item() <= least,
            f"in training, a window depends on {part.name} of the other windows of its batch, as with batch "
            "normalisation",
        )
        hidden = gradient[row] * ~part.shown[row]
        require(hidden.max().item() <= least, f"{part.name}: in training, masked positions affect the output")


def distance(one: Tensor, other: Tensor) -> float:
    """Return the largest difference of two tensors, relative to the largest value or to 1."""
    return (one - other).abs().max().item() / max(1.0, one.abs().max().item())


def _window(part: Part, row: int) -> Part:
    """Return one window without its padding."""
    length = int(part.mask[row].nonzero().max()) + 1
    frames = None if part.frame_mask is None else part.frame_mask[row : row + 1, :length]
    values, mask = part.values[row : row + 1, :length], part.mask[row : row + 1, :length]
    return replace(part, values=values, mask=mask, frame_mask=frames)
