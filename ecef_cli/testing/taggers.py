"""Check the contract of a tagger."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ecef_cli.tagging.letters import NO_RELATION
from ecef_cli.testing.requirements import check_identity, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecef_cli.api.components import Tagger

ODD_LEMMAS = (
    "happy",
    "glad",
    "sad",
    "rain",
    "umbrella",
    "don't",
    "naïve",
    "42",
    "🙂",
    "x" * 300,
    "_",
    "東京",
)
"""Lemmas that a tagger must handle; most lexicons know only a few of them."""

_MOST_RELATIONS = 64


def check_tagger(tagger: Tagger, *, lemmas: Sequence[str] = ()) -> None:
    """Check a tagger.

    Args:
        tagger: the tagger.
        lemmas: words of its source with relations between them; the check adds unusual ones.

    Raises:
        AssertionError: the tagger breaks its contract.
    """
    import numpy as np

    check_identity(tagger)
    relations, available = tagger.relations, tagger.available()
    require(isinstance(relations, tuple), "relations must be a tuple")
    require(len(set(relations)) == len(relations), "duplicate relation in relations")
    require(len(relations) <= _MOST_RELATIONS, "relations must be at most 64, the bits of a mask")
    require(
        all(isinstance(r, str) and isinstance(n, int) and n >= 0 for r, n in available.items()),
        "available() must map names of relations to numbers of pairs",
    )
    unknown = [r for r in relations if r not in available]
    require(not unknown, f"relations that available() does not list: {', '.join(unknown)}")
    _check_letters(tagger.letters)

    asked = list(dict.fromkeys([*lemmas, *ODD_LEMMAS]))
    masks = tagger.relate(asked)
    _check_masks(masks, len(asked), len(relations))
    require(np.array_equal(masks, tagger.relate(asked)), "relate() returns different masks the second time")
    require(
        np.array_equal(masks, tagger.relate(asked[::-1])[::-1, ::-1]),
        "the relations between two words depend on the order of the lemmas",
    )
    for i, j in [*pairwise(range(len(asked))), *map(tuple, np.argwhere(masks).tolist())]:
        require(
            tagger.relate([asked[i], asked[j]])[0, 1] == masks[i, j],
            f"the relations between {asked[i]!r} and {asked[j]!r} depend on the other lemmas",
        )
    for size in (0, 1):
        _check_masks(tagger.relate(asked[:size]), size, len(relations))
    if lemmas:
        require(masks.any(), "no relation holds between any of the given lemmas")


def _check_letters(letters: Any) -> None:
    require(isinstance(letters, Mapping), "letters must be a mapping of relations")
    require(all(isinstance(found, str) and found for found in letters.values()), "letters must be strings, none empty")
    require(len(set(letters.values())) == len(letters), "two relations have the same letters")
    require(NO_RELATION not in letters.values(), f"the letter {NO_RELATION} stands for no relation")


def _check_masks(masks: Any, size: int, relations: int) -> None:
    import numpy as np

    require(isinstance(masks, np.ndarray), "relate() must return an array")
    require(masks.dtype == np.uint64, f"masks must be uint64, not {masks.dtype}")
    require(masks.shape == (size, size), f"masks of {size} lemmas must be ({size}, {size}), not {masks.shape}")
    require(np.array_equal(masks, masks.T), "masks must be symmetric: a relation holds in either direction")
    require(not masks.diagonal().any(), "the diagonal must be zero: no word is related to itself")
    highest = int(masks.max(initial=0))
    require(highest.bit_length() <= relations, f"bit {highest.bit_length() - 1} is set, but there is no such relation")
