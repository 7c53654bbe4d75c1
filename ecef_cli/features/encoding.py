"""Run an encoder on a batch and validate its output before storing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ecef_cli.api.errors import PluginError
from ecef_cli.plugin.boundary import calling, origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from ecef_cli.api.components import AudioEncoder, AudioFeatures, TextEncoder, TextFeatures, TextWindow

SAVED = "the shards before are saved"
"""Hint for an encoder that fails during an extraction."""


@overload
def encoded(encoder: TextEncoder, given: Sequence[TextWindow], asked: str, *, hint: str = "") -> list[TextFeatures]: ...
@overload
def encoded(
    encoder: AudioEncoder, given: Sequence[npt.NDArray[np.float32]], asked: str, *, hint: str = ""
) -> list[AudioFeatures]: ...
def encoded(encoder: TextEncoder | AudioEncoder, given: Sequence[Any], asked: str, *, hint: str = "") -> list[Any]:
    """Return an encoder's results for a batch, one per member.

    Args:
        encoder: the encoder.
        given: windows or waveforms.
        asked: description of the batch for errors.
        hint: remedy for the user if the encoder fails.

    Raises:
        PluginError: the encoder fails or returns a different number of results.
    """
    with calling(encoder, "encode", asked, hint=hint):
        found = encoder.encode(given)
        count = len(found)
    if count != len(given):
        raise PluginError(f"{origin(encoder)} gave {count} results for {len(given)}, on {asked}")
    return found


def as_stored(encoder: str, asked: str, array: npt.NDArray[Any], width: int, dtype: str) -> npt.NDArray[Any]:
    """Return an encoder's (N, d) states or frames in their stored number type.

    Args:
        encoder: the encoder's origin, for errors.
        asked: the window or utterance of the array, for errors.
        array: the states or frames.
        width: d.
        dtype: the type on disk.

    Raises:
        PluginError: the shape is wrong, or a value is not finite or overflows in this type.
    """
    if array.ndim != 2 or array.shape[1] != width:  # noqa: PLR2004 - a matrix
        raise PluginError(f"{encoder} gave the shape {array.shape} and not (N, {width}), on {asked}")
    if not np.isfinite(array).all():
        raise PluginError(f"{encoder} gave values that are not finite, on {asked}")
    with np.errstate(over="ignore"):
        stored = array.astype(dtype)
    if not np.isfinite(stored).all():
        problem = f"{encoder} gave values too large for {dtype}, on {asked}"
        raise PluginError(problem, hint="set features.dtype to float32")
    return stored
