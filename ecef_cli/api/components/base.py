"""Base class of components: options, a version, an identity."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Sequence


class Options(BaseModel):
    """Options of a component, as a recipe spells them. Subclass it; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def decisive(self) -> dict[str, Any]:
        """Return the options that affect the output, as plain values; they are part of the key of stored results.

        Leave out options that say only where a file is or how fast to download it, and options without effect in
        combination with the others.
        """
        return self.model_dump(mode="json")


_Options = Options  # the class below has an attribute of this name


class Component(ABC):  # noqa: B024 - each kind adds its own abstract methods
    """Part of the system that a recipe names. `options` is an instance of the class's own `Options`."""

    Options: ClassVar[type[_Options]] = _Options
    version: ClassVar[str] = "1"
    """Change it when the same input and options give other output than before; stored results are then recomputed."""

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
        """Return a string for everything besides name, version and options that affects the output.

        For example, a checksum of the weights.
        """
        return ""
