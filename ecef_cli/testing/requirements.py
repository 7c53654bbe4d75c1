"""Shared parts of the checks: reporting, and requirements of every component."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecef_cli.api.components import Component

TOLERANCE = 1e-5
"""Maximum difference of numbers between batches, relative to the largest of them or to 1."""


def require(condition: object, sentence: str) -> None:
    """Raise an `AssertionError` with the sentence unless the condition holds."""
    if not condition:
        raise AssertionError(sentence)


def check_identity(component: Component) -> None:
    """Check the parts of the key of stored results."""
    require(isinstance(component.identity(), str), "identity() must return a string")
    require(component.identity() == component.identity(), "identity() must return the same string every time")
    require(isinstance(component.version, str) and component.version, "version must be a string, not empty")
