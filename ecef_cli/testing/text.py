"""Check the contract of a text encoder."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ecef_cli.api.components import TextFeatures, TextWindow, Turn
from ecef_cli.api.dialogue import words
from ecef_cli.testing.requirements import TOLERANCE, check_identity, require

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ecef_cli.api.components import TextEncoder

PLAIN = ((0, "we won the game today"), (1, "that is good news"), (0, "yes and i am so happy"))
_LONG = 150  # positions; longer windows share a batch with few others, because they take the most time


def text_window(*turns: tuple[int, str]) -> TextWindow:
    """Return a window of turns, each given as the speaker's number and the text."""
    return TextWindow(tuple(Turn(speaker, text, words(text)) for speaker, text in turns))


def odd_windows() -> dict[str, TextWindow]:
    """Return unusual windows that an encoder must handle, by description."""
    return {
        "plain English": text_window(*PLAIN),
        "one word": text_window((0, "yes")),
        "an empty text": text_window((0, "are you there?"), (1, "")),
        "nothing but an empty text": text_window((0, "")),
        "spaces around the text": text_window((0, "  well   then \t")),
        "emoji": text_window((0, "I love it 😀👍🏽"), (1, "👨‍👩‍👧 🎉!!!")),
        "curly quotes": text_window((0, "“Don’t” – she said…"), (1, "‘Why?’")),  # noqa: RUF001 - on purpose
        "digits": text_window((0, "it's 3.14, or 1,000,000 in 2024")),
        "other scripts": text_window((0, "Привет, как дела?"), (1, "東京に行きます")),
        "a very long word": text_window((0, "a" * 1000), (1, "what?")),
        "a very long window": text_window(*((i % 3, "so it goes on and on " * 4) for i in range(60))),
        "a very long last turn": text_window((0, "go on"), (1, "it never ends " * 400)),
        "many speakers": text_window(*((i, "hello there") for i in range(30))),
    }


def check_text_encoder(encoder: TextEncoder, *, tolerance: float = TOLERANCE) -> None:
    """Check a text encoder: shapes, coverage of positions, independence of windows, trained layers.

    Args:
        encoder: the encoder, on the CPU.
        tolerance: maximum difference of states between batches.

    Raises:
        AssertionError: the encoder breaks its contract.
    """
    check_identity(encoder)
    require(isinstance(encoder.width, int) and encoder.width > 0, "width must be a whole number above 0")
    windows = odd_windows()
    alone = {}
    for name, window in windows.items():
        alone[name] = _encode(encoder, [window], name)[0]
        _check_features(alone[name], window, encoder.width, name)
        again = _encode(encoder, [window], name)[0]
        require(_distance(alone[name], again) == 0, f"{name}: the states differ when computed a second time")
    covered = _covered(alone["plain English"])
    missing = set(range(windows["plain English"].positions)) - covered
    require(not missing, f"plain English: no state covers the positions {sorted(missing)}")

    short = [name for name, window in windows.items() if window.positions < _LONG]
    long = [name for name in windows if name not in short]
    for order in (short, short[::-1], [short[0], *long, short[-1]]):
        batch = _encode(encoder, [windows[name] for name in order], "a batch of windows")
        for name, features in zip(order, batch, strict=True):
            distance = _distance(alone[name], features)
            require(
                distance <= tolerance,
                f"{name}: the states depend on the other windows of the batch (by {distance:.2g})",
            )
    _check_trainable(encoder, alone["plain English"], alone["emoji"], tolerance)


def _encode(encoder: TextEncoder, windows: list[TextWindow], name: str) -> list[TextFeatures]:
    try:
        found = encoder.encode(windows)
    except Exception as error:
        raise AssertionError(f"{name}: encode() raises {type(error).__name__}: {error}") from error
    require(isinstance(found, list), "encode() must return a list")
    require(len(found) == len(windows), f"{name}: {len(windows)} windows gave {len(found)} results")
    require(all(isinstance(f, TextFeatures) for f in found), "encode() must return TextFeatures")
    return found


def _check_features(features: TextFeatures, window: TextWindow, width: int, name: str) -> None:
    import numpy as np

    states, first, last = features.states, features.first, features.last
    require(isinstance(states, np.ndarray) and states.dtype == np.float32, f"{name}: states must be float32")
    require(
        states.ndim == 2 and states.shape[1] == width,  # noqa: PLR2004 - (L, d)
        f"{name}: states must have the shape (L, {width}), not {states.shape}",
    )
    require(np.isfinite(states).all(), f"{name}: a state is not finite")
    for label, values in (("first", first), ("last", last)):
        require(
            isinstance(values, np.ndarray) and values.dtype == np.int32 and values.shape == states.shape[:1],
            f"{name}: {label} must be int32, with one value per state",
        )
        require(
            ((values >= -1) & (values < window.positions)).all(),
            f"{name}: {label} names a position that the window does not have",
        )
    require(((first == -1) == (last == -1)).all(), f"{name}: a state has a first position but no last, or the reverse")
    require((first <= last).all(), f"{name}: a state covers positions that end before they begin")
    speaker = window.positions - 1 - len(window.turns[-1].words)
    require(speaker in _covered(features), f"{name}: no state covers the last turn's speaker")


def _covered(features: TextFeatures) -> set[int]:
    spans = zip(features.first.tolist(), features.last.tolist(), strict=True)
    return {position for first, last in spans if first >= 0 for position in range(first, last + 1)}


def _distance(one: TextFeatures, other: TextFeatures) -> float:
    """Return the largest difference of two results' states, infinite if the positions differ."""
    import numpy as np

    if one.states.shape != other.states.shape:
        return math.inf
    if not (np.array_equal(one.first, other.first) and np.array_equal(one.last, other.last)):
        return math.inf
    scale = max(1.0, float(np.abs(one.states).max(initial=0)))
    return float(np.abs(one.states - other.states).max(initial=0)) / scale


def _check_trainable(encoder: TextEncoder, one: TextFeatures, other: TextFeatures, tolerance: float) -> None:
    """Check the trained layers on two windows of different lengths."""
    import torch

    module, second = encoder.trainable(), encoder.trainable()
    if module is None or second is None:
        require(module is second, "trainable() returns a module in one call and None in another")
        return
    parameters = [p for p in module.parameters() if p.requires_grad]
    require(parameters, "trainable() returns a module without trained parameters")
    others = {id(p) for p in second.parameters()}
    shared = any(id(p) in others for p in module.parameters())
    require(not shared, "trainable() must return a fresh copy at every call")
    module.eval()
    short, long = sorted((torch.from_numpy(f.states) for f in (one, other)), key=len)
    states = torch.zeros(2, len(long) + 3, encoder.width)
    mask = torch.zeros(states.shape[:2], dtype=torch.bool)
    for row, real in enumerate((short, long)):
        states[row, : len(real)] = real
        mask[row, : len(real)] = True
    with torch.inference_mode():
        found = _apply(module, states, mask)
        noisy = _apply(module, torch.where(mask[..., None], states, 1e3), mask)
        require(
            (found - noisy)[mask].abs().max().item() <= tolerance * max(1.0, found[mask].abs().max().item()),
            "trainable(): masked positions affect the output",
        )
        for row, real in enumerate((short, long)):
            bare = _apply(module, real[None], torch.ones(1, len(real), dtype=torch.bool))[0]
            require(
                (found[row, : len(real)] - bare).abs().max().item() <= tolerance * max(1.0, bare.abs().max().item()),
                "trainable(): a window's states depend on its batch or its padding",
            )


def _apply(module: nn.Module, states: Tensor, mask: Tensor) -> Tensor:
    found: Tensor = module(states, mask)
    require(
        found.shape == states.shape,
        f"trainable() must map {tuple(states.shape)} to the same shape, not {tuple(found.shape)}",
    )
    require(found[mask].isfinite().all(), "trainable(): a state is not finite")
    return found
