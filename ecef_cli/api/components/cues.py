"""Cue classifiers: recognition from the words of an utterance, beside the network."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecef_cli.api.components.base import Component

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from ecef_cli.api.components.text import TextWindow


@dataclass(frozen=True, slots=True)
class CueState:
    """Fitted state of a cue classifier, as a run stores it.

    Attributes:
        arrays: its numbers, by name.
        facts: all else, as plain values that JSON can hold.
    """

    arrays: Mapping[str, npt.NDArray[Any]]
    facts: Mapping[str, Any]


class CueClassifier(Component):
    """Recognises the emotion of a window's last utterance from its words; the network's answer is mixed with its own.

    It learns from the train split alone. A window never holds a later utterance.
    """

    @abstractmethod
    def fit(self, windows: Sequence[TextWindow], targets: Sequence[int], labels: int) -> CueState:
        """Return what is learned from windows and the numbers of their last utterances' labels, 0 to `labels` - 1.

        The same windows and targets always give the same state.
        """

    @abstractmethod
    def restore(self, state: CueState) -> None:
        """Make ready to answer with what `fit` has returned, here or in another process."""

    @abstractmethod
    def probabilities(self, windows: Sequence[TextWindow]) -> npt.NDArray[np.float32]:
        """Return (N, labels) probabilities of the last utterances' labels, all above 0.

        A window's row depends on no other window.
        """
