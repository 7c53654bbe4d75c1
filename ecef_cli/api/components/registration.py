"""How a plugin announces its components."""

from __future__ import annotations

from typing import Protocol


class Register(Protocol):
    """What a hook calls for each component."""

    def __call__(self, name: str, target: str, *, summary: str = "") -> None:
        """Announce a component.

        Args:
            name: how recipes call it.
            target: `package.module:Class`, imported only when a recipe asks for it.
            summary: one line for `ecef plugins`.
        """
