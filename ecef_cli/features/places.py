"""Utterances of a prepared dataset, by split and row."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.corpus.manifest import Prepared

_SHOWN = 20  # maximum utterances to name in a message


class Place(NamedTuple):
    """Location of an utterance: its split, and its position in the split's manifest, from 0."""

    split: str
    row: int


class Utterances:
    """The utterances of a prepared dataset by their places.

    Args:
        prepared: the dataset.
    """

    def __init__(self, prepared: Prepared) -> None:
        self._splits = {
            split: tuple(utterance for dialogue in dialogues for utterance in dialogue.utterances)
            for split, dialogues in prepared.splits.items()
        }

    @property
    def counts(self) -> dict[str, int]:
        """The number of utterances by split."""
        return {split: len(members) for split, members in self._splits.items()}

    @property
    def places(self) -> tuple[Place, ...]:
        """The places of all utterances."""
        return tuple(Place(split, row) for split, count in self.counts.items() for row in range(count))

    def heard(self) -> tuple[Place, ...]:
        """Return the places of all utterances that have a recording."""
        return tuple(place for place in self.places if self.at(place).audio is not None)

    def repeats(self) -> dict[Place, Place]:
        """Return the places that repeat the recording segment of an earlier place, each with the first such place."""
        first: dict[tuple[Path | None, float | None, float | None, int | None], Place] = {}
        found: dict[Place, Place] = {}
        for place in self.heard():
            said = self.at(place)
            original = first.setdefault((said.audio, said.start, said.end, said.channel), place)
            if original is not place:
                found[place] = original
        return found

    def at(self, place: Place) -> Utterance:
        """Return the utterance at a place."""
        return self._splits[place.split][place.row]

    def name(self, place: Place) -> str:
        """Return the name of an utterance in a message."""
        found = self.at(place)
        return f"{place.split} {found.dialogue}/{found.utterance}"

    def names(self, places: Iterable[Place]) -> str:
        """Return the names of several utterances in a message."""
        named = [self.name(place) for place in places]
        rest = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        return ", ".join(named[:_SHOWN]) + rest
