"""The kit for authors of plugins: does a component keep its contract?

Each check is a plain function that takes a component and raises an `AssertionError` with a sentence that says
what is wrong. Call it from a test:

    def test_contract():
        check_tagger(MyTagger(MyOptions()))
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ecef_cli.components import Corpus, TextFeatures, TextWindow, Turn
from ecef_cli.dialogue import parse_row, to_json, to_row, words
from ecef_cli.workspace import SPLITS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from ecef_cli.components import Component, Dataset, Tagger, TextEncoder
    from ecef_cli.dialogue import Dialogue, Utterance

TOLERANCE = 1e-5
"""How far apart numbers of different batches may lie, relative to the largest of them or to 1."""

ODD_LEMMAS = (
    "happy",
    "glad",
    "sad",
    "rain",
    "umbrella",
    "don't",
    "naïve",
    "42",
    "🙂",
    "x" * 300,
    "_",
    "東京",
)
"""Lemmas that a tagger must bear; most lexicons know only a few of them."""

PLAIN = ((0, "we won the game today"), (1, "that is good news"), (0, "yes and i am so happy"))
_MOST_RELATIONS = 64
_LONG = 150  # positions; longer windows share a batch with few others, for they take the most time


def text_window(*turns: tuple[int, str]) -> TextWindow:
    """Return a window of turns, each given as the speaker's number and the text."""
    return TextWindow(tuple(Turn(speaker, text, words(text)) for speaker, text in turns))


def odd_windows() -> dict[str, TextWindow]:
    """Return windows that an encoder must bear, by what is odd about them."""
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


def _require(condition: object, sentence: str) -> None:
    if not condition:
        raise AssertionError(sentence)


def _check_identity(component: Component) -> None:
    _require(isinstance(component.identity(), str), "identity() must return a string")
    _require(component.identity() == component.identity(), "identity() must return the same every time")
    _require(isinstance(component.version, str) and component.version, "version must be a string, not empty")


# ---------------------------------------------------------------------------------------------- taggers


def check_tagger(tagger: Tagger, *, lemmas: Sequence[str] = ()) -> None:
    """Check a tagger.

    Args:
        tagger: the tagger.
        lemmas: words that its source knows, among which relations hold; odd ones are added.

    Raises:
        AssertionError: it does not keep its contract.
    """
    import numpy as np

    _check_identity(tagger)
    relations, available = tagger.relations, tagger.available()
    _require(isinstance(relations, tuple), "relations must be a tuple")
    _require(len(set(relations)) == len(relations), "a relation stands twice in relations")
    _require(len(relations) <= _MOST_RELATIONS, "a mask has room for 64 relations")
    _require(
        all(isinstance(r, str) and isinstance(n, int) and n >= 0 for r, n in available.items()),
        "available() must map names of relations to numbers of pairs",
    )
    unknown = [r for r in relations if r not in available]
    _require(not unknown, f"relations that available() does not list: {', '.join(unknown)}")

    asked = list(dict.fromkeys([*lemmas, *ODD_LEMMAS]))
    masks = tagger.relate(asked)
    _check_masks(masks, len(asked), len(relations))
    _require(np.array_equal(masks, tagger.relate(asked)), "relate() gives something else the second time")
    _require(
        np.array_equal(masks, tagger.relate(asked[::-1])[::-1, ::-1]),
        "the relations between two words depend on the order of the lemmas",
    )
    for i, j in [*pairwise(range(len(asked))), *map(tuple, np.argwhere(masks).tolist())]:
        _require(
            tagger.relate([asked[i], asked[j]])[0, 1] == masks[i, j],
            f"the relations between {asked[i]!r} and {asked[j]!r} depend on the other lemmas",
        )
    for size in (0, 1):
        _check_masks(tagger.relate(asked[:size]), size, len(relations))
    if lemmas:
        _require(masks.any(), "no relation holds between any of the lemmas that were given")


def _check_masks(masks: Any, size: int, relations: int) -> None:
    import numpy as np

    _require(isinstance(masks, np.ndarray), "relate() must return an array")
    _require(masks.dtype == np.uint64, f"masks must be uint64, not {masks.dtype}")
    _require(masks.shape == (size, size), f"masks of {size} lemmas must be ({size}, {size}), not {masks.shape}")
    _require(np.array_equal(masks, masks.T), "masks must be symmetric: a relation holds in either direction")
    _require(not masks.diagonal().any(), "the diagonal must be zero: no word is related to itself")
    highest = int(masks.max(initial=0))
    _require(highest.bit_length() <= relations, f"bit {highest.bit_length() - 1} is set, which is no relation")


# ---------------------------------------------------------------------------------------- text encoders


def check_text_encoder(encoder: TextEncoder, *, tolerance: float = TOLERANCE) -> None:
    """Check a text encoder: shapes, coverage of positions, independence of windows, and what is trained.

    Args:
        encoder: the encoder, on the CPU.
        tolerance: how far states may lie apart that are computed in another batch.

    Raises:
        AssertionError: it does not keep its contract.
    """
    _check_identity(encoder)
    _require(isinstance(encoder.width, int) and encoder.width > 0, "width must be a whole number above 0")
    windows = odd_windows()
    alone = {}
    for name, window in windows.items():
        alone[name] = _encode(encoder, [window], name)[0]
        _check_features(alone[name], window, encoder.width, name)
        again = _encode(encoder, [window], name)[0]
        _require(_distance(alone[name], again) == 0, f"{name}: the states differ when computed a second time")
    covered = _covered(alone["plain English"])
    missing = set(range(windows["plain English"].positions)) - covered
    _require(not missing, f"plain English: no state covers the positions {sorted(missing)}")

    short = [name for name, window in windows.items() if window.positions < _LONG]
    long = [name for name in windows if name not in short]
    for order in (short, short[::-1], [short[0], *long, short[-1]]):
        batch = _encode(encoder, [windows[name] for name in order], "a batch of windows")
        for name, features in zip(order, batch, strict=True):
            distance = _distance(alone[name], features)
            _require(
                distance <= tolerance,
                f"{name}: the states depend on the other windows of the batch (by {distance:.2g})",
            )
    _check_trainable(encoder, alone["plain English"], alone["emoji"], tolerance)


def _encode(encoder: TextEncoder, windows: list[TextWindow], name: str) -> list[TextFeatures]:
    try:
        found = encoder.encode(windows)
    except Exception as error:
        raise AssertionError(f"{name}: encode() raises {type(error).__name__}: {error}") from error
    _require(isinstance(found, list), "encode() must return a list")
    _require(len(found) == len(windows), f"{name}: {len(windows)} windows gave {len(found)} results")
    _require(all(isinstance(f, TextFeatures) for f in found), "encode() must return TextFeatures")
    return found


def _check_features(features: TextFeatures, window: TextWindow, width: int, name: str) -> None:
    import numpy as np

    states, first, last = features.states, features.first, features.last
    _require(isinstance(states, np.ndarray) and states.dtype == np.float32, f"{name}: states must be float32")
    _require(
        states.ndim == 2 and states.shape[1] == width,  # noqa: PLR2004 - (L, d)
        f"{name}: states must have the shape (L, {width}), not {states.shape}",
    )
    _require(np.isfinite(states).all(), f"{name}: a state is not finite")
    for label, values in (("first", first), ("last", last)):
        _require(
            isinstance(values, np.ndarray) and values.dtype == np.int32 and values.shape == states.shape[:1],
            f"{name}: {label} must be int32, with one value a state",
        )
        _require(
            ((values >= -1) & (values < window.positions)).all(),
            f"{name}: {label} names a position that the window does not have",
        )
    _require(((first == -1) == (last == -1)).all(), f"{name}: a state has a first position but no last, or reverse")
    _require((first <= last).all(), f"{name}: a state covers positions that end before they begin")
    speaker = window.positions - 1 - len(window.turns[-1].words)
    _require(speaker in _covered(features), f"{name}: no state covers the last turn's speaker")


def _covered(features: TextFeatures) -> set[int]:
    spans = zip(features.first.tolist(), features.last.tolist(), strict=True)
    return {position for first, last in spans if first >= 0 for position in range(first, last + 1)}


def _distance(one: TextFeatures, other: TextFeatures) -> float:
    """Return the largest difference of two results' states, infinite where the positions differ."""
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
        _require(module is second, "trainable() returns a module at one call and None at another")
        return
    parameters = [p for p in module.parameters() if p.requires_grad]
    _require(parameters, "trainable() returns a module in which nothing is trained")
    others = {id(p) for p in second.parameters()}
    shared = any(id(p) in others for p in module.parameters())
    _require(not shared, "trainable() must return a fresh copy at every call")
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
        _require(
            (found - noisy)[mask].abs().max().item() <= tolerance * max(1.0, found[mask].abs().max().item()),
            "trainable(): what the mask hides changes what it shows",
        )
        for row, real in enumerate((short, long)):
            bare = _apply(module, real[None], torch.ones(1, len(real), dtype=torch.bool))[0]
            _require(
                (found[row, : len(real)] - bare).abs().max().item() <= tolerance * max(1.0, bare.abs().max().item()),
                "trainable(): a window's states depend on its batch or its padding",
            )


def _apply(module: nn.Module, states: Tensor, mask: Tensor) -> Tensor:
    found: Tensor = module(states, mask)
    _require(
        found.shape == states.shape,
        f"trainable() must map {tuple(states.shape)} to the same shape, not {tuple(found.shape)}",
    )
    _require(found[mask].isfinite().all(), "trainable(): a state is not finite")
    return found


# --------------------------------------------------------------------------------------------- datasets


def check_dataset(dataset: Dataset, sources: Sequence[Path]) -> Corpus:
    """Check a reader on a corpus.

    Args:
        dataset: the reader.
        sources: files or folders that hold a corpus, or a small part of one.

    Returns:
        What the reader found, for further checks.

    Raises:
        AssertionError: it does not keep its contract.
    """
    _check_identity(dataset)
    corpus = dataset.read(sources)
    _require(isinstance(corpus, Corpus), "read() must return a Corpus")
    _require(corpus == dataset.read(sources), "read() gives something else the second time")
    _require(corpus.labels, "labels is empty")
    _require(len(set(corpus.labels)) == len(corpus.labels), "a label stands twice in labels")
    _require(corpus.sources and all(p.is_file() for p in corpus.sources), "sources must list the files read")
    odd = [split for split in corpus.splits if split not in SPLITS]
    _require(not odd, f"splits must be {', '.join(SPLITS)}, not {', '.join(odd)}")
    _require(any(corpus.splits.values()), "no dialogue was found")
    for split, dialogues in corpus.splits.items():
        names = [dialogue.id for dialogue in dialogues]
        _require(len(set(names)) == len(names), f"{split}: two dialogues have the same id")
        for dialogue in dialogues:
            _check_dialogue(dialogue, corpus.labels)
    for dropped in corpus.dropped:
        _require(dropped.reason and dropped.where, f"{dropped.item} was dropped without a reason or a place")
    _require(
        all(isinstance(n, int) and n > 0 for n in corpus.repaired.values()),
        "repaired must map what was mended to how often",
    )
    return corpus


def _check_dialogue(dialogue: Dialogue, labels: tuple[str, ...]) -> None:
    _require(dialogue.utterances, f"dialogue {dialogue.id} is empty")
    ids = [utterance.utterance for utterance in dialogue.utterances]
    _require(len(set(ids)) == len(ids), f"dialogue {dialogue.id}: two utterances have the same id")
    for utterance in dialogue.utterances:
        _check_utterance(utterance, dialogue.id, labels)


def _check_utterance(utterance: Utterance, dialogue: str, labels: tuple[str, ...]) -> None:
    label = f"dialogue {dialogue}, utterance {utterance.utterance}"
    _require(utterance.dialogue == dialogue, f"{label}: says that it belongs to {utterance.dialogue!r}")
    _require(
        utterance.emotion is None or utterance.emotion in labels,
        f"{label}: the emotion {utterance.emotion!r} is not among the labels",
    )
    _require(utterance.text.strip() or utterance.audio, f"{label}: has neither text nor audio")
    line = to_json(to_row(utterance))
    again = parse_row(line, where=label, dialogue=dialogue, number=-1)
    _require(again == utterance, f"{label}: is another when it is written to a manifest and read again")
