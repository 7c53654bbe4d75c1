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
    """Statement of a source of relations, complete enough to cite.

    Attributes:
        relation: the relation, such as `IsA`.
        start: the term at its start.
        end: the term at its end.
        weight: confidence of the source; 1 is typical.
        source: origin of the statement, as the source names it.
    """

    relation: str
    start: str
    end: str
    weight: float
    source: str


class Tagger(Component):
    """Look up the relations between terms.

    A term is the lemma of a word, or several words joined by underscores, such as `fall_asleep`.
    """

    @property
    @abstractmethod
    def relations(self) -> tuple[str, ...]:
        """The relations to look up, at most 64; bit r of a mask is `relations[r]`."""

    @abstractmethod
    def available(self) -> Mapping[str, int]:
        """Return every relation of the source, with the number of its word pairs."""

    @abstractmethod
    def relate(self, lemmas: Sequence[str]) -> npt.NDArray[np.uint64]:
        """Return which relations hold between each two of W distinct lemmas.

        Returns:
            Masks of shape (W, W), symmetric, with a zero diagonal: bit r is set if `relations[r]` holds between the
            two, in either direction.
        """

    @property
    def letters(self) -> Mapping[str, str]:
        """Letters of relations in a printed tag, such as `I` for `IsA`; no two alike, and none `N`.

        A relation without letters is written out.
        """
        return {}

    @property
    def longest_term(self) -> int:
        """Number of words in the longest term to look up; 1 if terms are single words."""
        return 1

    def known(self, terms: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return (W,) whether the source knows each term; used only for terms of several words, and for statistics."""
        import numpy as np

        return np.ones(len(terms), dtype=np.bool_)

    def edges(self, first: str, second: str) -> tuple[Edge, ...]:
        """Return the statements about two terms, in either direction; none if the source does not keep them."""
        del first, second
        return ()

    def download(self, progress: Callable[[int, int | None], None]) -> Path:
        """Download the files of the source, and return their path.

        Args:
            progress: receives the number of bytes that are there, and the total if it is known.

        Raises:
            UsageProblem: there is nothing to download.
        """
        del progress
        raise UsageProblem(f"{type(self).__name__} has nothing to download", hint="leave out --download")
