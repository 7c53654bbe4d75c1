"""A tagger that reads relations from a table: one pair of words a line, `word TAB relation TAB word`."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path  # noqa: TC003 - pydantic looks it up when the class is made
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from ecef_cli.api.components import Options, Tagger
from ecef_cli.api.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

_COLUMNS = 3
_MOST = 64  # a mask has one bit a relation


class TableOptions(Options):
    """Which table, and which of its relations."""

    path: Path = Field(description="the table, relative to the folder in which ecef runs")
    relations: tuple[str, ...] = Field((), max_length=_MOST, description="relations to ask for; all where empty")


class TableTagger(Tagger):
    """Two words are related where the table has a line for them, in either direction."""

    Options = TableOptions

    def __init__(self, options: TableOptions) -> None:
        super().__init__(options)
        self._pairs = _read(options.path)
        self._relations = options.relations or tuple(self.available())[:_MOST]
        for relation in self._relations:
            if relation not in self.available():
                hint = did_you_mean(relation, self.available())
                raise DataError(f"no relation is called {relation!r}", where=str(options.path), hint=hint)
        self._checksum = hashlib.sha256(options.path.read_bytes()).hexdigest()

    @property
    def relations(self) -> tuple[str, ...]:
        """The relations that are asked for."""
        return self._relations

    def identity(self) -> str:
        """Return a checksum of the table: another table under the same path gives other tags."""
        return self._checksum

    def available(self) -> Mapping[str, int]:
        """Return every relation of the table with the number of its word pairs."""
        return dict(sorted(Counter(relation for relation, _ in self._pairs).items()))

    def relate(self, lemmas: Sequence[str]) -> npt.NDArray[np.uint64]:
        """Return the masks (W, W) of W distinct lemmas."""
        masks = np.zeros((len(lemmas), len(lemmas)), np.uint64)
        place = {lemma: index for index, lemma in enumerate(lemmas)}
        for bit, relation in enumerate(self._relations):
            for found, pair in self._pairs:
                indices = [place[word] for word in pair if word in place]
                if found == relation and len(indices) == len(pair):
                    i, j = indices
                    masks[i, j] |= np.uint64(1 << bit)
                    masks[j, i] |= np.uint64(1 << bit)
        return masks


def _read(path: Path) -> frozenset[tuple[str, frozenset[str]]]:
    """Return the table as relations with the two words between which they hold."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", where=str(path)) from None
    pairs = set()
    for number, line in enumerate(lines, start=1):
        cells = [cell.strip() for cell in line.split("\t")]
        if not line.strip():
            continue
        if len(cells) != _COLUMNS or not all(cells):
            raise DataError("a line reads word TAB relation TAB word", where=f"{path}:{number}")
        first, relation, second = cells
        if first != second:  # no word is related to itself
            pairs.add((relation, frozenset((first.casefold(), second.casefold()))))
    return frozenset(pair for pair in pairs if len(pair[1]) > 1)
