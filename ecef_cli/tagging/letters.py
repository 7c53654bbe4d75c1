"""Letters of relations in printed tags, as in the paper's Figure 2: `0/I`, `0/IH`, `1/N`, `0/N`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli.plugin.boundary import calling

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ecef_cli.api.components import Tagger

NO_RELATION = "N"
"""Letter for no relation; no relation has this letter."""


def relation_letters(tagger: Tagger, relations: Iterable[str]) -> dict[str, str]:
    """Return the letters of each relation; one that the tagger has no letters for is written out in angle brackets.

    Raises:
        PluginError: the tagger fails.
    """
    with calling(tagger, "letters"):
        letters = tagger.letters
        return {name: letters.get(name, f"<{name}>") for name in relations}


def tag(recurrence: int, relations: Sequence[str], letters: Mapping[str, str]) -> str:
    """Return a pair's tag: recurrence, then the letters of its relations in the given order."""
    return f"{recurrence}/{''.join(letters[name] for name in relations) or NO_RELATION}"
