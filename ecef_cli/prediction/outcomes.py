"""Outcomes of a row in a stream: predicted or rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.api.errors import DataError

WITHOUT_RECORDING = "without its recording"
LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Predicted:
    """An utterance with a prediction.

    Attributes:
        utterance: the utterance; without its recording if that cannot be read.
        row: the row to write.
        problem: the problem with the recording, or None.
    """

    utterance: Utterance
    row: Mapping[str, Any]
    problem: DataError | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row without a prediction.

    Attributes:
        problem: the problem with the row.
    """

    problem: DataError
