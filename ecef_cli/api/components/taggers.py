"""Sources of word relations (KWRT)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecef_cli.api.components.base import Component
from ecef_cli.api.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Edge:
    """A statement of a source of relations, as one may cite it.

    Attributes:
        relation: the relation, such as `IsA`.
        start: the term that it is said of.
        end: the term that it leads to.
        weight: how sure the source is; 1 is ordinary.
        source: where the statement comes from, as the source names it.
    """

    relation: str
    start: str
    end: str
    weight: float
    source: str


class Tagger(Component):
    """Knows which relations hold between two terms.

    A term is the lemma of a word, or several words joined by underscores, such as `fall_asleep`.
    """

    @property
    @abstractmethod
    def relations(self) -> tuple[str, ...]:
        """The relations that are asked for, at most 64; bit r of a mask is `relations[r]`."""

    @abstractmethod
    def available(self) -> Mapping[str, int]:
        """Return every relation that the source holds, with the number of its word pairs."""

    @abstractmethod
    def relate(self, lemmas: Sequence[str]) -> npt.NDArray[np.uint64]:
        """Return which relations hold between each two of W distinct lemmas.

        Returns:
            Masks of shape (W, W), symmetric, with a zero diagonal: bit r is set where `relations[r]` holds
            between the two, in either direction.
        """

    @property
    def letters(self) -> Mapping[str, str]:
        """Letters of relations in a printed tag, such as `I` for `IsA`; no two alike, and none `N`.

        A relation without letters is written out.
        """
        return {}

    @property
    def longest_term(self) -> int:
        """Words in the longest term that is looked up; 1 where terms are single words."""
        return 1

    def known(self, terms: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return (W,) which terms the source knows; asked only of terms of several words, and for statistics."""
        import numpy as np

        return np.ones(len(terms), dtype=np.bool_)

    def edges(self, first: str, second: str) -> tuple[Edge, ...]:
        """Return what the source says of two terms, in either direction; nothing where it keeps no record."""
        del first, second
        return ()

    def download(self, progress: Callable[[int, int | None], None]) -> Path:
        """Fetch what the source is made of, and return where it lies.

        Args:
            progress: is told the bytes that are there, and how many there will be where that is known.

        Raises:
            UsageProblem: there is nothing to fetch.
        """
        del progress
        raise UsageProblem(f"{type(self).__name__} has nothing to download", hint="leave --download out")
