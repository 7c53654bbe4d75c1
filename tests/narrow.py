"""Narrow the type of a value, and fail where it is another."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

T = TypeVar("T")


def present(value: T | None) -> T:
    """Return a value that must not be None."""
    assert value is not None
    return value


def instance(kind: Callable[..., T], value: object) -> T:
    """Return a value that must be an instance of the class `kind`, which may be abstract."""
    assert isinstance(kind, type)
    assert isinstance(value, kind), type(value)
    return cast("T", value)
