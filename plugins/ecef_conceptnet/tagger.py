"""The tagger `conceptnet`: ConceptNet's relations between two words."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field

from ecef_cli.components import Options, Tagger
from ecef_cli.errors import did_you_mean
from ecef_conceptnet.lexicon import Neighbours, load_lexicon

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt


def _known_once(relations: list[str]) -> list[str]:
    known = load_lexicon().relations
    wrong = [f"no relation is called {n!r} ({did_you_mean(n, known)})" for n in relations if n not in known]
    twice = [f"{n!r} stands twice" for n in dict.fromkeys(relations) if relations.count(n) > 1]
    if wrong or twice:
        raise ValueError("; ".join(wrong + twice))
    return relations


class ConceptNetOptions(Options):
    """Options of the tagger `conceptnet`."""

    relations: Annotated[list[str], AfterValidator(_known_once)] = Field(
        default=["IsA", "HasContext", "Causes"],
        min_length=1,
        description="ConceptNet relations that tie two words; the default is the paper's",
    )
    source: Literal["lexicon"] = Field(
        default="lexicon", description="where relations come from: the embedded lexicon, made of WordNet"
    )


class ConceptNetTagger(Tagger):
    """Ties two words by the relations that ConceptNet's WordNet part holds between them."""

    Options = ConceptNetOptions
    options: ConceptNetOptions

    @property
    def relations(self) -> tuple[str, ...]:
        """The relations that are asked for."""
        return tuple(self.options.relations)

    def identity(self) -> str:
        """Return the checksum of the lexicon."""
        return load_lexicon().checksum

    def available(self) -> Mapping[str, int]:
        """Return every relation of the lexicon with the number of its word pairs."""
        return load_lexicon().counts

    def relate(self, lemmas: Sequence[str]) -> npt.NDArray[np.uint64]:
        """Return which relations hold between each two of W distinct lemmas, as masks (W, W)."""
        lexicon, edges = load_lexicon(), self._neighbours
        size = len(lemmas)
        table = np.zeros((size, size), dtype=np.uint64)
        known = np.array(
            [(i, lexicon.numbers[w]) for i, w in enumerate(lemmas) if w in lexicon.numbers], dtype=np.int64
        )
        if not len(known):
            return table
        place = np.full(len(lexicon.words), -1, dtype=np.int32)
        place[known[:, 1]] = known[:, 0]
        first = edges.start[known[:, 1]]
        lengths = edges.start[known[:, 1] + 1] - first
        # The edges of all lemmas, one run after another.
        ends = np.cumsum(lengths)
        edge = np.arange(ends[-1]) + np.repeat(first - (ends - lengths), lengths)
        column = place[edges.other[edge]]
        within = column >= 0
        table[np.repeat(known[:, 0], lengths)[within], column[within]] = edges.mask[edge[within]]
        return table

    @cached_property
    def _neighbours(self) -> Neighbours:
        return load_lexicon().neighbours(self.relations)
