"""What a source of ConceptNet relations can be asked: the embedded lexicon, the dump, the web API."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from ecef_cli.api.components import Edge


class Source(ABC):
    """Relations between terms, each term in lower case with underscores, without language and sense."""

    @property
    @abstractmethod
    def checksum(self) -> str:
        """What decides all that the source says."""

    @property
    @abstractmethod
    def relations(self) -> Mapping[str, int]:
        """Every relation that the source holds, with the number of its pairs of terms."""

    @abstractmethod
    def known(self, terms: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return (W,) which terms the source knows."""

    @abstractmethod
    def masks(self, terms: Sequence[str], relations: Sequence[str], *, min_weight: float) -> npt.NDArray[np.uint64]:
        """Return which relations hold between each two of W distinct terms, in either direction.

        Args:
            terms: the terms.
            relations: bit r of a mask stands for `relations[r]`.
            min_weight: edges below it do not count.

        Returns:
            Masks of shape (W, W), symmetric, with a zero diagonal.
        """

    @abstractmethod
    def edges(self, first: str, second: str, relations: Sequence[str], *, min_weight: float) -> tuple[Edge, ...]:
        """Return the edges between two terms, in either direction, heaviest first."""
