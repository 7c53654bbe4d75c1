"""A text encoder without weights: the hidden state of a word is the sum of its character n-grams' vectors."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from ecef_cli.api.components import Options, TextEncoder, TextFeatures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from ecef_cli.api.components import TextWindow

_LONGEST = 64  # characters of a word that count


class HashedOptions(Options):
    """The size of the vectors."""

    width: int = Field(64, ge=8, le=4096, description="width of a state")
    longest: int = Field(3, ge=1, le=8, description="characters of the longest n-gram")


class HashedEncoder(TextEncoder):
    """Gives a window one state for each position: its speaker's, or that of one word."""

    Options = HashedOptions

    def __init__(self, options: HashedOptions) -> None:
        super().__init__(options)
        self._width = options.width
        self._longest = options.longest

    @property
    def width(self) -> int:
        """The width of a state."""
        return self._width

    def encode(self, windows: Sequence[TextWindow]) -> list[TextFeatures]:
        """Return the states of each window; no window sees another."""
        return [self._encode(window) for window in windows]

    def _encode(self, window: TextWindow) -> TextFeatures:
        # A position is a speaker or a word, in the order of the window; every position has one state here.
        # An encoder with subwords gives a word several states, each with the same `first` and `last`.
        units = [u for t in window.turns for u in (f"\0speaker {t.speaker}", *(w.text for w in t.words))]
        states = np.stack([_state(unit, self._width, self._longest) for unit in units])
        positions = np.arange(len(units), dtype=np.int32)
        return TextFeatures(states, first=positions, last=positions.copy())


@lru_cache(maxsize=2**16)
def _state(unit: str, width: int, longest: int) -> npt.NDArray[np.float32]:
    """Return the unit vector (width,) of a word, or of a speaker, whose name is hashed as a whole."""
    grams = [unit] if unit.startswith("\0") else list(_grams(unit.casefold()[:_LONGEST], longest))
    total = sum(_hashed(gram, width) for gram in grams)
    state: npt.NDArray[np.float32] = np.asarray(total / np.linalg.norm(total), dtype=np.float32)
    state.setflags(write=False)
    return state


def _grams(word: str, longest: int) -> Iterator[str]:
    marked = f"<{word}>"
    yield marked
    for length in range(1, longest + 1):
        yield from (marked[i : i + length] for i in range(len(marked) - length + 1))


@lru_cache(maxsize=2**16)
def _hashed(gram: str, width: int) -> npt.NDArray[np.float64]:
    """Return a normally distributed vector that only the text decides, the same on every machine."""
    # Python's own hash() differs from process to process; features are stored, so theirs must not.
    seed = int.from_bytes(hashlib.sha256(gram.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(width)
