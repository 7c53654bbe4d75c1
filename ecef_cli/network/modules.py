"""Build and call the modules of components, and name the component in errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ecef_cli.api.errors import PluginError
from ecef_cli.plugin.boundary import calling, origin

if TYPE_CHECKING:
    from ecef_cli.api.components import Component


def built(component: Component, method: str, *given: Any) -> nn.Module | None:
    """Return the module that a component's method builds, or None if it builds none.

    Raises:
        PluginError: the method fails, or returns something else.
    """
    with calling(component, method):
        module = getattr(component, method)(*given)
    if module is None:
        return None
    if not isinstance(module, nn.Module):
        found = type(module).__name__
        raise PluginError(f"{origin(component)} breaks its contract: {method} must return a module, not {found}")
    vars(module)["origin"] = origin(component)
    return module


def forward(module: nn.Module, *given: Any) -> Any:
    """Return the output of a component's module.

    Raises:
        PluginError: the module fails. Errors of PyTorch's compiler pass unchanged.
    """
    if torch.compiler.is_compiling():
        return module(*given)
    with calling(module, "forward"):
        return module(*given)
