"""What the checks share: how a broken requirement is said, and what is asked of every component."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecef_cli.api.components import Component

TOLERANCE = 1e-5
"""How far apart numbers of different batches may lie, relative to the largest of them or to 1."""


def require(condition: object, sentence: str) -> None:
    """Raise an `AssertionError` that says the sentence, unless the condition holds."""
    if not condition:
        raise AssertionError(sentence)


def check_identity(component: Component) -> None:
    """Check what stored results are known by."""
    require(isinstance(component.identity(), str), "identity() must return a string")
    require(component.identity() == component.identity(), "identity() must return the same every time")
    require(isinstance(component.version, str) and component.version, "version must be a string, not empty")
