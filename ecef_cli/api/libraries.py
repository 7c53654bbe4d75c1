"""Name the installed library that cannot be imported, and the pip command that repairs it."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from importlib.util import find_spec
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING

from ecef_cli.api.errors import EcefError, described

if TYPE_CHECKING:
    from packaging.requirements import Requirement

HOST = "ecef-cli"
PARTNERS = {"torch": "numpy", "torchaudio": "torch", "transformers": "torch", "soundfile": "numpy"}
"""Libraries with compiled parts, or that import such libraries, and the library that each must match."""


def installed(library: str) -> str | None:
    """Return the installed version of a library, or None when it is not installed."""
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def import_failure(error: BaseException) -> EcefError | None:
    """Return an error that names the library whose import raised `error`, or None if no import of one raised it.

    When one library imports another, the inner one is named.
    """
    cause: BaseException | None = error
    while cause is not None:
        found = cause.name if isinstance(cause, ModuleNotFoundError) and cause.name in PARTNERS else None
        for frame, _ in walk_tb(cause.__traceback__):
            library = str(frame.f_globals.get("__name__", "")).partition(".")[0]
            if frame.f_code.co_name == "<module>" and library in PARTNERS:
                found = library
        if found is not None:
            return import_problem(found, cause)
        cause = cause.__cause__ or cause.__context__
    return None


def import_problem(library: str, error: BaseException) -> EcefError:
    """Return one line for a failed import: both libraries, their versions, the cause and the command that repairs it.

    Args:
        library: a key of `PARTNERS`.
        error: what the import raised.
    """
    partner = PARTNERS[library]
    found = installed(library)
    if found is None:
        problem = f"{library} is not installed"
    else:
        problem = f"{library} {found} cannot be imported with {partner} {installed(partner)}: {described(error)[:200]}"
    return EcefError(problem + shadowed(library), hint=f"run `{cure(library)}`")


def shadowed(library: str) -> str:
    """Return a remark if another module of this name comes before the installed library on the path, else nothing."""
    spec = find_spec(library)
    if spec is None or spec.origin is None:
        return ""
    try:
        own = Path(str(distribution(library).locate_file(""))).resolve()
    except PackageNotFoundError:
        return f" (imported from {spec.origin})"
    if Path(spec.origin).resolve().is_relative_to(own):
        return ""
    return f" (imported from {spec.origin}, which hides the installed {library}: move it away first)"


def cure(library: str) -> str:
    """Return the pip command that installs a library and its partner in matching versions.

    The versions are the ranges in this distribution's requirements. If the installed versions are within the ranges,
    the files themselves are damaged, and the command reinstalls both.
    """
    pair = [_requirement(name) for name in (PARTNERS[library], library)]
    present = [(wanted, installed(wanted.name)) for wanted in pair]
    fits = all(found is not None and wanted.specifier.contains(found) for wanted, found in present)
    names = " ".join(f'"{wanted.name}{wanted.specifier}"' for wanted in pair)
    return f"pip install {'--force-reinstall ' if fits else ''}{names}"


def _requirement(library: str) -> Requirement:
    from packaging.requirements import Requirement

    found = (Requirement(line) for line in requires(HOST) or ())
    return next(wanted for wanted in found if wanted.name == library and not wanted.extras and wanted.marker is None)


def hide_torchaudio() -> None:
    """Keep transformers from importing torchaudio.

    ecef does not use torchaudio through transformers. Its import takes time, and a version that does not match PyTorch
    would break a prediction from text alone. Call this function before the first import of transformers.
    """
    if {"transformers", "torchaudio"} & set(sys.modules):
        return  # transformers has looked already, or finds a torchaudio that works
    sys.modules["torchaudio"] = None  # type: ignore[assignment]  # Python treats None as a module that is not found
    try:
        from transformers.utils.import_utils import is_torchaudio_available

        is_torchaudio_available()  # transformers remembers the answer
    finally:
        del sys.modules["torchaudio"]
