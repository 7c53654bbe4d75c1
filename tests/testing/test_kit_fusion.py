"""The kit for fusions: right ones pass, and each way to be wrong is found and named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from ecef_cli.api.components import Fusion, FusionInput, Options
from ecef_cli.testing import check_fusion

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH = 8


def mean_of(features: Tensor, mask: Tensor) -> Tensor:
    real = mask[..., None].to(features.dtype)
    return (features * real).sum(1, keepdim=True) / real.sum(1, keepdim=True)


class Fused(nn.Module):
    """Right: the mean of the text and the mean of the audio beside every position; a subclass spoils one thing."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3 * WIDTH, WIDTH)

    def forward(self, inputs: FusionInput) -> Tensor:
        means = [mean_of(inputs.text, inputs.text_mask), mean_of(inputs.audio, inputs.audio_mask)]
        found: Tensor = self.inner(torch.cat([inputs.audio, *(mean.expand_as(inputs.audio) for mean in means)], dim=-1))
        return found


class Gated(Fused):
    """Right: text enters through a gate that is closed at first."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, inputs: FusionInput) -> Tensor:
        return super().forward(replace(inputs, text=self.gate * inputs.text))


def fusion(change: Callable[[FusionInput], FusionInput], base: type[Fused] = Fused) -> Fusion:
    """Return a fusion that sees its input changed."""

    class Changed(base):  # type: ignore[misc, valid-type]  # mypy knows no class that is chosen at run time
        def forward(self, inputs: FusionInput) -> Tensor:
            found: Tensor = super().forward(change(inputs))
            return found

    class Made(Fusion):
        def build(self, width: int) -> nn.Module:
            assert width == WIDTH
            return Changed()

    return Made(Options())


class BatchNormed(Fused):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(WIDTH)

    def forward(self, inputs: FusionInput) -> Tensor:
        found: Tensor = self.norm(super().forward(inputs).transpose(1, 2)).transpose(1, 2)
        return found


class AtTheEnd(Fused):
    """Reads the text at the position that would be its last if it had no holes."""

    def forward(self, inputs: FusionInput) -> Tensor:
        last = inputs.text_mask.sum(1) - 1
        text = inputs.text[torch.arange(len(last)), last]
        return super().forward(inputs) + text[:, None]


class Paired(Fused):
    def forward(self, inputs: FusionInput) -> Tensor:
        return super().forward(inputs) + inputs.text


def across(features: Tensor, mask: Tensor) -> Tensor:
    """Return features to which something of every window of the batch was added."""
    return features + mean_of(features, mask).mean(dim=0)


def _all(mask: Tensor) -> Tensor:
    return torch.ones_like(mask)


@pytest.mark.parametrize("base", [Fused, Gated])
def test_a_right_fusion_passes(base: type[Fused]) -> None:
    check_fusion(fusion(lambda i: i, base), width=WIDTH)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (fusion(lambda i: replace(i, text_mask=_all(i.text_mask))), "text: masked positions affect"),
        (fusion(lambda i: replace(i, audio_mask=_all(i.audio_mask))), "audio: masked positions affect"),
        (fusion(lambda i: i, AtTheEnd), "text: masked positions affect"),
        (
            fusion(lambda i: replace(i, text=across(i.text, i.text_mask))),
            "depends on its batch or its padding",
        ),
        (
            fusion(lambda i: replace(i, audio=across(i.audio, i.audio_mask))),
            "depends on its batch or its padding",
        ),
        (fusion(lambda i: replace(i, text=i.text * 0)), "text does not affect"),
        (fusion(lambda i: replace(i, audio=i.audio * 0)), "audio does not affect"),
        (fusion(lambda i: replace(i, text=i.text.detach())), "no gradient reaches text"),
        (fusion(lambda i: replace(i, audio=i.audio[:, :-1], audio_mask=i.audio_mask[:, :-1])), "must return the shape"),
        (fusion(lambda i: i, Paired), "raises RuntimeError on"),
        (fusion(lambda i: i, BatchNormed), "in training, a window depends on text of the other windows of its batch"),
    ],
)
def test_a_wrong_fusion_is_found(wrong: Fusion, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_fusion(wrong, width=WIDTH)


def test_the_caller_s_random_numbers_go_on_as_if_nothing_had_been_checked() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check_fusion(fusion(lambda i: i), width=WIDTH)
    assert torch.equal(torch.rand(2), expected)
