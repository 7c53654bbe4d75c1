"""Remarkable facts about the rows of the user's own dialogues."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MANY = 3  # examples in a remark


@dataclass(slots=True)
class Findings:
    """Facts about rows, for remarks.

    Attributes:
        repaired: number of repaired utterances, by what was repaired.
        places: the places of rows, by what is remarkable about them.
        lines: further lines, each once.
        labelled: whether any row has a value for the emotion, or its table a column.
    """

    repaired: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[str]] = field(default_factory=dict)
    labelled: bool = False
    lines: dict[str, None] = field(default_factory=dict)

    def add(self, what: str, where: str | None) -> None:
        """Note the place of a row."""
        self.places.setdefault(what, []).append(where or "")

    def remarks(self) -> Iterator[str]:
        """Yield a line for each remarkable fact."""
        yield from self.lines
        for what, places in self.places.items():
            more = ", …" if len(places) > _MANY else ""
            yield f"{len(places):,} row{'s' if len(places) > 1 else ''}: {what} ({', '.join(places[:_MANY])}{more})"
