"""Interface of the sources of ConceptNet relations: the embedded lexicon, the dump, the web API."""

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
        """Checksum of everything that affects the source's relations."""

    @property
    @abstractmethod
    def relations(self) -> Mapping[str, int]:
        """Every relation of the source, with the number of its pairs of terms."""

    @abstractmethod
    def known(self, terms: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return (W,) whether the source knows each term."""

    @abstractmethod
    def masks(self, terms: Sequence[str], relations: Sequence[str], *, min_weight: float) -> npt.NDArray[np.uint64]:
        """Return the relations between each two of W distinct terms, in either direction.

        Args:
            terms: the terms.
            relations: bit r of a mask is `relations[r]`.
            min_weight: minimum weight of an edge.

        Returns:
            Masks of shape (W, W), symmetric, with a zero diagonal.
        """

    @abstractmethod
    def edges(self, first: str, second: str, relations: Sequence[str], *, min_weight: float) -> tuple[Edge, ...]:
        """Return the edges between two terms, in either direction, heaviest first."""
