"""What every component has: options, a version, an identity."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Sequence


class Options(BaseModel):
    """The options of a component, as a recipe spells them. Subclass it; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def decisive(self) -> dict[str, Any]:
        """Return the options that decide the output, as plain values; stored results are known by them.

        Leave out what only says where a thing lies or how fast to fetch it, and what has no effect beside the
        other options.
        """
        return self.model_dump(mode="json")


_Options = Options  # the class below has an attribute of this name


class Component(ABC):  # noqa: B024 - each kind adds its own abstract methods
    """A part that a recipe names. `options` is an instance of the class's own `Options`."""

    Options: ClassVar[type[_Options]] = _Options
    version: ClassVar[str] = "1"
    """Raise it when the same input and options give other output than before: stored results are then made anew."""

    notes: Sequence[str] = ()
    """Lines that `ecef recipes inspect` prints about this component."""

    origin: str = ""
    """Kind, name and distribution, for messages; the host sets it on a component that a plugin registered."""

    def __init__(self, options: _Options) -> None:
        self.options = options

    @classmethod
    def without_weights(cls, options: Any) -> Component:
        """Return a component of the same sizes for `ecef recipes inspect`, which reads its shapes and never its values.

        Override it in a component that loads pretrained weights: build their modules from the configuration on
        PyTorch's `meta` device.
        """
        return cls(options)

    def identity(self) -> str:
        """Return what else than name, version and options decides the output, such as a checksum of weights."""
        return ""
