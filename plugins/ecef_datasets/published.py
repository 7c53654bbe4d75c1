"""Compare counts of a corpus with published ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def differences(found: Mapping[str, int], published: Mapping[str, int], source: str) -> tuple[str, ...]:
    """Return one line that lists counts that differ from the published ones, or none if all agree.

    Args:
        found: the counts of the corpus, by name; a missing name counts 0.
        published: the published counts, by the same names.
        source: the publication.
    """
    other = [
        f"{name} {found.get(name, 0):,} instead of {number:,}"
        for name, number in published.items()
        if found.get(name) != number
    ]
    return (f"counts differ from {source}: {', '.join(other)}",) if other else ()
