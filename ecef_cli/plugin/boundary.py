"""Whose code an unforeseen error comes from: a plugin's, or ecef's own."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING

from ecef_cli.api.errors import EcefError, PluginError, described
from ecef_cli.api.libraries import import_failure
from ecef_cli.plugin.manager import get_registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from ecef_cli.plugin.manager import Entry

_HOST = "ecef_cli"
# What a plugin inherits or fills in is part of its own work: an error there says nothing of who is at fault.
_SHARED = ("ecef_cli.api.components", "ecef_cli.api.dialogue")
_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
"""Errors of the system that no code can help: full, broken or write-protected disks, no memory, no files left."""
_NO_MEMORY = "OutOfMemoryError"  # PyTorch's, which is not to be imported for this


@contextmanager
def blaming() -> Iterator[None]:
    """Tell at once whose code an error comes from that arises within the block.

    Raises:
        PluginError: it is a plugin's.
    """
    try:
        yield
    except (SystemExit, Exception) as error:
        found = import_failure(error) or blamed(error)
        if found is None:
            raise
        raise found from error


def blamed(error: BaseException) -> PluginError | None:
    """Return the error that names the component in whose code another arose.

    What counts is the innermost call between ecef and the plugins: code of ecef's that a plugin calls answers for
    itself, and so does a plugin's that such code calls back.

    Args:
        error: an error that nobody foresaw.

    Returns:
        None where it arose in ecef's own code, is one of ecef's own, or is the fault of the machine.
    """
    if isinstance(error, EcefError | KeyboardInterrupt | BrokenPipeError) or of_the_machine(error):
        return None
    if not get_registry.cache_info().currsize:
        return None  # no plugin has been at work
    entries = get_registry().entries()
    calls = _calls(error, entries)
    if not calls:
        return None
    (first, _), (last, line) = calls[0], calls[-1]
    found = _component([frame for frame, _ in calls], entries)
    distribution = (found or _of_package(_module(first), entries)[0]).distribution
    problem = f"{found or f'a plugin of {distribution}'} failed in {first.f_code.co_name}: {described(error)}"
    hint = f"`ecef -v …` shows the traceback, for the authors of {distribution}"
    return PluginError(problem, where=f"{Path(last.f_code.co_filename).name}:{line}", hint=hint)


def of_the_machine(error: BaseException) -> bool:
    """Tell whether an error says that memory or files ran out, or that a disk is full, broken or write-protected."""
    if isinstance(error, MemoryError) or type(error).__name__ == _NO_MEMORY:
        return True
    return isinstance(error, OSError) and error.errno in _MACHINE


def _calls(error: BaseException, entries: Sequence[Entry]) -> list[tuple[FrameType, int]]:
    """Return the plugin's calls since ecef's own code was last left, the outermost first, with their lines."""
    packages = {_package(entry.target) for entry in entries} - {_HOST}
    calls: list[tuple[FrameType, int]] = []
    for frame, line in walk_tb(error.__traceback__):
        module = _module(frame)
        if _package(module) in packages:
            calls.append((frame, line))
        elif _package(module) == _HOST and not module.startswith(_SHARED):
            calls.clear()
    return calls


def _component(calls: Sequence[FrameType], entries: Sequence[Entry]) -> Entry | None:
    """Return the component that was called, or None where that cannot be told."""
    known = {entry.target: entry for entry in entries}
    for frame in calls:
        # A component that inherits from another is found before that.
        for kind in type(frame.f_locals.get("self")).__mro__:
            if f"{kind.__module__}:{kind.__qualname__}" in known:
                return known[f"{kind.__module__}:{kind.__qualname__}"]
    modules = {_module(frame) for frame in calls}
    near = [entry for entry in entries if entry.target.partition(":")[0] in modules]
    near = near or _of_package(_module(calls[0]), entries)
    return near[0] if len(near) == 1 else None


def _of_package(module: str, entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in entries if _package(entry.target) == _package(module)]


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _package(target: str) -> str:
    return target.partition(":")[0].partition(".")[0]
