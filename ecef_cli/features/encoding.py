"""What is asked of an encoder's answer before it is stored, and whom to name when it is wrong."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ecef_cli.api.errors import EcefError, PluginError, described
from ecef_cli.api.libraries import import_failure
from ecef_cli.plugin.boundary import of_the_machine
from ecef_cli.plugin.manager import get_registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sized

    import numpy.typing as npt


@contextmanager
def answering(kind: str, encoder: str, asked: str) -> Iterator[None]:
    """Turn what an encoder raises within the block into an error that names it and what it was asked about.

    Args:
        kind: which kind of component it is.
        encoder: its name.
        asked: what it was asked about.

    Raises:
        PluginError: something was raised that is no error of ecef's own, nor the fault of the machine.
    """
    try:
        yield
    except EcefError:
        raise
    except Exception as error:
        if of_the_machine(error):
            raise
        if (failure := import_failure(error)) is not None:
            raise failure from error
        known = (entry for entry in get_registry().entries(kind) if entry.name == encoder)
        called = str(next(known, f"the encoder {encoder!r}"))
        hint = "everything before is saved"
        raise PluginError(f"{called} failed on {asked}: {described(error)}", hint=hint) from error


def check_number(encoder: str, asked: str, found: Sized, wanted: int) -> None:
    """Check that an encoder answers each question once.

    Raises:
        PluginError: it does not.
    """
    if len(found) != wanted:
        raise PluginError(f"the encoder {encoder!r} gave {len(found)} results for {wanted}, on {asked}")


def as_stored(encoder: str, asked: str, array: npt.NDArray[Any], width: int, dtype: str) -> npt.NDArray[Any]:
    """Return an encoder's (N, d) states or frames in the type in which they are stored.

    Raises:
        PluginError: the array has another shape, or a value is not finite or becomes so in this type.
    """
    if array.ndim != 2 or array.shape[1] != width:  # noqa: PLR2004 - a matrix
        raise PluginError(f"the encoder {encoder!r} gave the shape {array.shape} and not (N, {width}), on {asked}")
    if not np.isfinite(array).all():
        raise PluginError(f"the encoder {encoder!r} gave values that are not finite, on {asked}")
    with np.errstate(over="ignore"):
        stored = array.astype(dtype)
    if not np.isfinite(stored).all():
        problem = f"the encoder {encoder!r} gave values too large for {dtype}, on {asked}"
        raise PluginError(problem, hint="set features.dtype to float32")
    return stored
