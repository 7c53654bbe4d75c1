"""The kit for text encoders: right ones pass, and each way to be wrong is found and named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from ecef_cli.api.components import Options, TextEncoder, TextFeatures
from ecef_cli.testing import check_text_encoder, odd_windows, text_window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ecef_cli.api.components import TextWindow

WIDTH = 4


class PlainEncoder(TextEncoder):
    """Right: a state for each position, whose numbers are lengths; a subclass spoils one thing."""

    width = WIDTH

    def encode(self, windows: Sequence[TextWindow]) -> list[TextFeatures]:
        return [self.spoil(self.one(window), window, windows) for window in windows]

    def one(self, window: TextWindow) -> TextFeatures:
        lengths = [n for t in window.turns for n in (t.speaker, *(len(w.text) for w in t.words))]
        states = np.array([[n, n % 7, n % 5, 1] for n in lengths], np.float32)
        positions = np.arange(len(lengths), dtype=np.int32)
        return TextFeatures(states, positions, positions.copy())

    def spoil(self, features: TextFeatures, window: TextWindow, windows: Sequence[TextWindow]) -> TextFeatures:
        return features


class Layer(nn.Module):
    """Right: a linear layer that looks at its own state and at the mean of the real ones."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        kept = states.where(mask[..., None], 0.0)
        mean = kept.sum(1, keepdim=True) / mask.sum(1).clamp_min(1)[:, None, None]
        found: torch.Tensor = self.inner(torch.cat([states, mean.expand_as(states)], dim=-1))
        return found


def spoilt(change: Callable[..., Any]) -> PlainEncoder:
    class Spoilt(PlainEncoder):
        def spoil(self, *facts: Any) -> TextFeatures:
            found: TextFeatures = change(*facts)
            return found

    return Spoilt(Options())


def training(make: Callable[[], nn.Module | None]) -> PlainEncoder:
    class Training(PlainEncoder):
        def trainable(self) -> nn.Module | None:
            return make()

    return Training(Options())


def fresh() -> Layer:
    torch.manual_seed(0)
    return Layer()


class Unmasked(Layer):
    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return super().forward(states, torch.ones_like(mask))


class Narrow(Layer):
    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return super().forward(states, mask)[..., :1]


class AcrossBatch(Layer):
    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        found = super().forward(states, mask)
        return found + found.where(mask[..., None], 0.0).sum(dim=(0, 1))


def test_right_encoders_pass() -> None:
    check_text_encoder(PlainEncoder(Options()))
    check_text_encoder(training(fresh))


def _raise(*_: object) -> TextFeatures:
    raise IndexError("list index out of range")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f, *_: replace(f, states=f.states.astype(np.float64)), "states must be float32"),
        (lambda f, *_: replace(f, states=f.states[:, :2]), r"must have the shape \(L, 4\)"),
        (lambda f, *_: replace(f, states=f.states * np.float32(np.nan)), "not finite"),
        (lambda f, *_: replace(f, first=f.first.astype(np.int64)), "first must be int32"),
        (lambda f, *_: replace(f, last=f.last[:-1]), "last must be int32, with one value per state"),
        (lambda f, *_: replace(f, last=f.last + 1), "a position that the window does not have"),
        (lambda f, *_: replace(f, first=f.first * 0 - 1), "a first position but no last"),
        (lambda f, *_: replace(f, first=f.first[::-1].copy()), "end before they begin"),
        (lambda f, w, *_: _uncovered(f, _speaker(w)), "no state covers the last turn's speaker"),
        (lambda f, *_: _uncovered(f, 1), r"no state covers the positions \[1\]"),
        (lambda f, *_: replace(f, states=_noisy(f.states)), "differ when computed a second time"),
        (lambda f, _, ws: replace(f, states=f.states + len(ws)), "depend on the other windows of the batch"),
        (lambda f, w, ws: replace(f, states=f.states + (w is not ws[0])), "depend on the other windows"),
        (_raise, r"encode\(\) raises IndexError: list index out of range"),
        (lambda *_: None, "must return TextFeatures"),
    ],
)
def test_a_wrong_encoder_is_found(change: Callable[..., Any], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_text_encoder(spoilt(change))


def _speaker(window: TextWindow) -> int:
    return window.positions - 1 - len(window.turns[-1].words)


def _uncovered(features: TextFeatures, position: int) -> TextFeatures:
    def hide(values: np.ndarray) -> np.ndarray:
        return np.where(values == position, -1, values).astype(np.int32)

    return replace(features, first=hide(features.first), last=hide(features.last))


def _noisy(states: np.ndarray) -> np.ndarray:
    found: np.ndarray = states + np.random.default_rng().random(states.shape, np.float32) * np.float32(1e-3)
    return found


@pytest.mark.parametrize("odd", ["an empty text", "emoji", "a very long word", "a very long window"])
def test_an_encoder_that_cannot_bear_odd_input_is_found_with_what_was_odd(odd: str) -> None:
    texts = {turn.text for turn in odd_windows()[odd].turns}

    def fail(features: TextFeatures, window: TextWindow, _: object) -> TextFeatures:
        if {turn.text for turn in window.turns} == texts:
            raise ValueError("odd")
        return features

    with pytest.raises(AssertionError, match=rf"^{odd}: encode\(\) raises ValueError: odd"):
        check_text_encoder(spoilt(fail))


SHARED = fresh()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (Unmasked, "masked positions affect the output"),
        (Narrow, "must map .* to the same shape"),
        (AcrossBatch, "depend on its batch or its padding"),
        (lambda: SHARED, "a fresh copy at every call"),
        (lambda: fresh().requires_grad_(requires_grad=False), "without trained parameters"),
    ],
)
def test_wrong_trained_layers_are_found(make: Callable[[], nn.Module], sentence: str) -> None:
    torch.manual_seed(0)
    with pytest.raises(AssertionError, match=sentence):
        check_text_encoder(training(make))


def test_a_window_has_a_position_for_each_speaker_and_word() -> None:
    assert text_window((0, "well, no"), (1, "")).positions == 1 + 3 + 1
