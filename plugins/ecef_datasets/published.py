"""How a corpus at hand differs from what was published about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def differences(found: Mapping[str, int], published: Mapping[str, int], source: str) -> tuple[str, ...]:
    """Return one line that lists the numbers that are not the published ones, or none where all are.

    Args:
        found: the numbers at hand, by what is counted; what is missing counts 0.
        published: the numbers that there should be, by the same names.
        source: where they were published.
    """
    other = [
        f"{what} {found.get(what, 0):,} for {number:,}"
        for what, number in published.items()
        if found.get(what) != number
    ]
    return (f"numbers that are not those of {source}: {', '.join(other)}",) if other else ()
