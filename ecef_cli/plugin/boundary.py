"""Turn any exception of a component into a one-line error that names the component."""

from __future__ import annotations

import errno
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING

from ecef_cli.api.errors import EcefError, PluginError, described
from ecef_cli.api.libraries import import_failure

if TYPE_CHECKING:
    from types import TracebackType

    from ecef_cli.api.components import Component

_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
"""System errors that are no fault of the code: disk full, failing or write-protected; out of memory or files."""
_NO_MEMORY = "OutOfMemoryError"  # PyTorch's, compared by name because PyTorch is not imported here


class calling:  # noqa: N801 - reads as a statement: `with calling(tagger, "relate"):`
    """Wrap one call into a component and turn its exceptions into a `PluginError` that names the component.

    Errors of `ecef_cli.api.errors`, interruptions, closed pipes and system errors pass unchanged. If a library cannot
    be imported, the error names the library.

    Args:
        component: the component, a module it built, or its origin before it is built.
        call: the method that is called.
        asked: description of the input for the message.
        hint: remedy for the user, before the hint to use `ecef -v`.

    Raises:
        PluginError: the call raised any other exception.
    """

    __slots__ = ("_asked", "_call", "_component", "_hint")

    def __init__(self, component: object, call: str, asked: str = "", *, hint: str = "") -> None:
        self._component, self._call, self._asked, self._hint = component, call, asked, hint

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, traceback: TracebackType | None) -> None:
        if isinstance(error, SystemExit | Exception) and not (
            isinstance(error, EcefError | BrokenPipeError) or of_the_machine(error)
        ):
            raise import_failure(error) or self._failure(error, traceback) from error

    def _failure(self, error: BaseException, traceback: TracebackType | None) -> PluginError:
        about = f", on {self._asked}" if self._asked else ""
        hints = (self._hint, "`ecef -v …` shows the traceback, for its authors")
        return PluginError(
            f"{origin(self._component)} failed in {self._call}{about}: {described(error)}",
            where=_innermost(traceback),
            hint="; ".join(filter(None, hints)),
        )


def _innermost(traceback: TracebackType | None) -> str | None:
    """Return `file:line` of the innermost frame outside `importlib`, or None if the call itself failed."""
    places = [
        f"{Path(frame.f_code.co_filename).name}:{line}"
        for frame, line in walk_tb(traceback)
        if not str(frame.f_globals.get("__name__")).startswith("importlib")
    ]
    return places[-1] if len(places) > 1 else None


def origin(component: object) -> str:
    """Return the kind, name and distribution of a component, or its class if no plugin registered it."""
    return component if isinstance(component, str) else getattr(component, "origin", "") or type(component).__name__


def identity(component: Component) -> str:
    """Return the identity of a component.

    Raises:
        PluginError: the component fails.
    """
    with calling(component, "identity"):
        return component.identity()


def of_the_machine(error: BaseException) -> bool:
    """Return whether an error means out of memory or files, or a full, failing or write-protected disk."""
    if isinstance(error, MemoryError) or type(error).__name__ == _NO_MEMORY:
        return True
    return isinstance(error, OSError) and error.errno in _MACHINE
