"""Text encoders and their input windows."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecef_cli.api.components.base import Component

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    from torch import nn

    from ecef_cli.api.dialogue import Word


@dataclass(frozen=True, slots=True)
class Turn:
    """An utterance, as input of a text encoder.

    Attributes:
        speaker: number of the speaker in the order of first appearance within the window, from 0.
        text: the utterance's text.
        words: the words of `text`.
    """

    speaker: int
    text: str
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class TextWindow:
    """The turns of a window, oldest first. Each turn has one position for the speaker and one per word."""

    turns: tuple[Turn, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of positions of each turn."""
        return tuple(1 + len(turn.words) for turn in self.turns)

    @property
    def positions(self) -> int:
        """The number of positions, K."""
        return sum(self.sizes)


@dataclass(frozen=True, slots=True)
class TextFeatures:
    """The hidden states of a window.

    Attributes:
        states: (L, d) float32.
        first: (L,) int32, the first position that a state covers; -1 if it covers none, as with `[CLS]`.
        last: (L,) int32, the last position that a state covers, inclusive; -1 if it covers none.
    """

    states: npt.NDArray[np.float32]
    first: npt.NDArray[np.int32]
    last: npt.NDArray[np.int32]


class TextEncoder(Component):
    """Turn windows into hidden states. The frozen part is `encode`, the trained part `trainable`."""

    @property
    @abstractmethod
    def width(self) -> int:
        """The width d of a state."""

    @property
    def longest(self) -> int:
        """The maximum tokens of a window that `encode` reads. `predict` cuts longer utterances to as many words."""
        return 2048

    @abstractmethod
    def encode(self, windows: Sequence[TextWindow]) -> list[TextFeatures]:
        """Return the frozen states of each window, computed as one batch.

        A position that no state covers counts as absent: its text gave no token, or the window is longer than the
        model's input and was cut off. The last turn's speaker must always be covered.
        """

    def trainable(self) -> nn.Module | None:
        """Return a fresh copy of the layers that are trained on top of `encode`, or None.

        The module maps states (B, L, d) and a mask (B, L), true at real states, to states (B, L, d). If it has a module
        list `layers`, lowest first, `training.encoder_layer_decay` gives each of them a learning rate of its own; its
        other parts train at the rate of the lowest layer.
        """
        return None

    def place(self, device: str) -> None:
        """Move the frozen part to a device such as `cpu` or `cuda:0`."""
