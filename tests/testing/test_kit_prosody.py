"""The kit for prosody encoders: right ones pass, and each way to be wrong is found and named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from ecef_cli.api.components import Options, ProsodyEncoder
from ecef_cli.testing import check_prosody_encoder

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH = 8


class Enc(nn.Module):
    """Right: a linear layer that looks at its own position and at the mean of the real ones."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        found: Tensor = self.inner(torch.cat([features, mean_of(features, mask).expand_as(features)], dim=-1))
        return found


def mean_of(features: Tensor, mask: Tensor) -> Tensor:
    real = mask[..., None].to(features.dtype)
    return (features * real).sum(1, keepdim=True) / real.sum(1, keepdim=True).clamp(min=1)


class Warped(Enc):
    """Right: in training, moves on by one position at random and leaves features out."""

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        if self.training:
            features = nn.functional.dropout(features.roll(int(torch.randint(2, ())), dims=-1))
        return super().forward(features, mask)


class Closed(Enc):
    """Right: a gate that is closed at first."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return self.gate * super().forward(features, mask)


class StoredNorm(Enc):
    """Right: batch normalisation whose statistics are stored and never change."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(WIDTH)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        found: Tensor = self.norm.eval()(super().forward(features, mask).transpose(1, 2)).transpose(1, 2)
        return found


class BatchNorm(StoredNorm):
    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        self.norm.train(self.training)
        found: Tensor = self.norm(Enc.forward(self, features, mask).transpose(1, 2)).transpose(1, 2)
        return found


class Unmasked(Enc):
    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return super().forward(features, torch.ones_like(mask))


class UnmaskedInTraining(Enc):
    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return super().forward(features, mask | self.training)


class AcrossBatch(Enc):
    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        found = super().forward(features, mask) * mask[..., None]
        return found + found.sum(dim=(0, 1))


class ByLength(Enc):
    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return super().forward(features, mask) / features.shape[1]


class AlwaysDropout(Enc):
    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(features, mask))


class Narrow(Enc):
    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return super().forward(features, mask)[..., :1]


class InEights(Enc):
    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        batch, length, width = features.shape
        found = super().forward(features, mask)
        return found.view(batch, length // 8, 8, width).flip(2).flatten(1, 2)


class LongerThanOne(Enc):
    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        if features.shape[1] < 2:
            raise ValueError("too short")
        return super().forward(features, mask)


class NotFiniteBehindTheMask(Enc):
    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return super().forward(features, mask).masked_fill(~mask[..., None], float("nan"))


class Detached(Enc):
    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return super().forward(features.detach(), mask)


class Idle(Enc):
    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(WIDTH, WIDTH)


class Sharp(Enc):
    """Takes a root of zero, whose slope is infinite."""

    def __init__(self) -> None:
        super().__init__()
        self.edge = nn.Parameter(torch.ones(1))

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return super().forward(features, mask) + (self.edge - self.edge.detach()).sqrt()


class WithStates(Enc):
    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        return super().forward(features, mask), features


class Sharing(Enc):
    inner_of_all = nn.Linear(2 * WIDTH, WIDTH)

    def __init__(self) -> None:
        super().__init__()
        self.inner = self.inner_of_all


def prosody(make: Callable[[], Any]) -> ProsodyEncoder:
    class Made(ProsodyEncoder):
        def build(self, width: int) -> nn.Module:
            assert width == WIDTH
            made: nn.Module = make()
            return made

    return Made(Options())


@pytest.mark.parametrize("make", [Enc, Warped, Closed, StoredNorm])
def test_a_right_prosody_encoder_passes(make: Callable[[], nn.Module]) -> None:
    check_prosody_encoder(prosody(make), width=WIDTH)


ONE = Enc()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: "a module", r"must return a torch\.nn\.Module"),
        (lambda: ONE, "a fresh module at every call"),
        (Sharing, "a fresh module at every call"),
        (Narrow, r"must return the shape \(40, 43, 8\), not \(40, 43, 1\)"),
        (InEights, r"raises RuntimeError on \(40, 43, 8\)"),
        (LongerThanOne, r"raises ValueError on \(1, 1, 8\): too short"),
        (NotFiniteBehindTheMask, "a value is not finite"),
        (AlwaysDropout, "differs when computed a second time"),
        (Unmasked, "audio: masked positions affect the output"),
        (AcrossBatch, "depends on its batch or its padding"),
        (ByLength, "depends on its batch or its padding"),
        (BatchNorm, "in training, a window depends on audio of the other windows of its batch"),
        (UnmaskedInTraining, "audio: in training, masked positions affect the output"),
        (Detached, "no gradient reaches audio"),
        (WithStates, "must return a tensor"),
        (Sharp, "the gradient of the parameter edge is not finite"),
        (Idle, r"no gradient reaches the parameter spare\.weight"),
    ],
)
def test_a_wrong_prosody_encoder_is_found(make: Callable[[], nn.Module], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_prosody_encoder(prosody(make), width=WIDTH)


def test_the_caller_s_random_numbers_go_on_as_if_nothing_had_been_checked() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check_prosody_encoder(prosody(Warped), width=WIDTH)
    assert torch.equal(torch.rand(2), expected)
