"""Registration of a plugin's components."""

from __future__ import annotations

from typing import Protocol


class Register(Protocol):
    """Function that a hook calls once per component."""

    def __call__(self, name: str, target: str, *, summary: str = "") -> None:
        """Register a component.

        Args:
            name: its name in recipes.
            target: `package.module:Class`, imported only when a recipe asks for it.
            summary: one line for `ecef plugins`.
        """
