"""Embedded lexicon: direct relations between words, built from WordNet by `tests/generators/build_lexicon.py`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.api.components import Edge
from ecef_conceptnet.source import Source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt


@dataclass(frozen=True)
class Neighbours:
    """The edges of chosen relations, listed under both of their words.

    Attributes:
        start: (W+1,) index of each word's first edge.
        other: (E,) int32, the word at the other end, different for each edge of a word.
        mask: (E,) uint64, bit r is set if the r-th chosen relation holds in either direction.
    """

    start: npt.NDArray[np.int64]
    other: npt.NDArray[np.int32]
    mask: npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Lexicon:
    """Words and the directed relations between them.

    Attributes:
        words: every word, sorted.
        relations: bit r of an edge's mask stands for `relations[r]`.
        start: (W+1,) index of each word's first edge.
        tail: (E,) int32, the word at the end of an edge.
        mask: (E,) uint16, the relations of an edge.
        checksum: SHA-256 of the file.
    """

    words: tuple[str, ...]
    relations: tuple[str, ...]
    start: npt.NDArray[np.int32]
    tail: npt.NDArray[np.int32]
    mask: npt.NDArray[np.uint16]
    checksum: str

    @classmethod
    def parse(cls, content: bytes) -> Lexicon:
        """Return the lexicon in the bytes of an npz file."""
        with np.load(BytesIO(content), allow_pickle=False) as arrays:
            return cls(
                words=tuple(arrays["words"].tobytes().decode().split("\n")),
                relations=tuple(arrays["relations"].tobytes().decode().split("\n")),
                start=arrays["start"],
                tail=arrays["tail"],
                mask=arrays["mask"],
                checksum=hashlib.sha256(content).hexdigest(),
            )

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The number of each word."""
        return {word: number for number, word in enumerate(self.words)}

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """The number of word pairs of each relation."""
        return {name: len(self.neighbours([name]).other) // 2 for name in self.relations}

    def between(self, head: str, tail: str) -> tuple[str, ...]:
        """Return the relations from one word to another, possibly none."""
        if head not in self.numbers or tail not in self.numbers:
            return ()
        number = self.numbers[head]
        edges = slice(*self.start[number : number + 2])
        (found,) = np.nonzero(self.tail[edges] == self.numbers[tail])
        mask = int(np.bitwise_or.reduce(self.mask[edges][found], initial=0))
        return tuple(name for bit, name in enumerate(self.relations) if mask >> bit & 1)

    def neighbours(self, relations: Sequence[str]) -> Neighbours:
        """Return the edges of the given relations, listed under both words; bits follow the given order."""
        size = len(self.words)
        mask = np.zeros(len(self.mask), dtype=np.uint64)
        for bit, name in enumerate(relations):
            held = (self.mask >> self.relations.index(name)) & 1
            mask |= held.astype(np.uint64) << np.uint64(bit)
        kept = np.flatnonzero(mask)
        head = np.repeat(np.arange(size, dtype=np.int64), np.diff(self.start))[kept]
        tail = self.tail[kept].astype(np.int64)
        keys = np.concatenate([head * size + tail, tail * size + head])
        order = np.argsort(keys, kind="stable")
        keys, masks = keys[order], np.tile(mask[kept], 2)[order]
        distinct = np.flatnonzero(np.diff(keys, prepend=-1))
        # `reduceat` needs at least one index.
        merged = np.bitwise_or.reduceat(masks, distinct) if len(distinct) else masks
        rows, other = np.divmod(keys[distinct], size)
        start = np.searchsorted(rows, np.arange(size + 1))
        return Neighbours(start.astype(np.int64), other.astype(np.int32), merged)


WEIGHT = 1.0
"""Weight of every edge of the lexicon."""

_CITED = "WordNet 3.0"


class LexiconSource(Source):
    """Relations of the embedded lexicon."""

    def __init__(self) -> None:
        self._lexicon = load_lexicon()
        self._chosen: tuple[tuple[str, ...], Neighbours] | None = None

    @property
    def checksum(self) -> str:
        """The checksum of the lexicon."""
        return self._lexicon.checksum

    @property
    def relations(self) -> Mapping[str, int]:
        """Every relation with the number of its word pairs."""
        return self._lexicon.counts

    def known(self, terms: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return (W,) whether each term is a word of the lexicon."""
        return np.array([term in self._lexicon.numbers for term in terms], dtype=np.bool_)

    def masks(self, terms: Sequence[str], relations: Sequence[str], *, min_weight: float) -> npt.NDArray[np.uint64]:
        """Return the relations between each two terms, as masks (W, W)."""
        lexicon, edges = self._lexicon, self._neighbours(tuple(relations))
        table = np.zeros((len(terms), len(terms)), dtype=np.uint64)
        known = np.array([(i, lexicon.numbers[w]) for i, w in enumerate(terms) if w in lexicon.numbers], dtype=np.int64)
        if not len(known) or min_weight > WEIGHT:
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

    def edges(self, first: str, second: str, relations: Sequence[str], *, min_weight: float) -> tuple[Edge, ...]:
        """Return the edges between two terms, in either direction, by relation."""
        if min_weight > WEIGHT or first == second:
            return ()
        found = [
            Edge(name, start, end, WEIGHT, _CITED)
            for start, end in ((first, second), (second, first))
            for name in self._lexicon.between(start, end)
            if name in relations
        ]
        return tuple(sorted(found, key=lambda edge: (edge.relation, edge.start)))

    def _neighbours(self, relations: tuple[str, ...]) -> Neighbours:
        if self._chosen is None or self._chosen[0] != relations:
            self._chosen = relations, self._lexicon.neighbours(relations)
        return self._chosen[1]


@cache
def load_lexicon() -> Lexicon:
    """Return the lexicon in the package."""
    return Lexicon.parse(files("ecef_conceptnet").joinpath("data", "lexicon.npz").read_bytes())
