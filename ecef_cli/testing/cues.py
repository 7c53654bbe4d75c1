"""Does a cue classifier keep its contract?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.testing.requirements import TOLERANCE, check_identity, require
from ecef_cli.testing.text import odd_windows, text_window

if TYPE_CHECKING:
    from ecef_cli.api.components import CueClassifier

_LABELS = 3
_SAYINGS = ("I am so happy, we won!", "Get out of my house!", "The meeting is at ten.")


def check_cue_classifier(one: CueClassifier) -> None:
    """Check a cue classifier: what it learns, that it can be stored, and that windows do not mix.

    Args:
        one: the classifier; it is fitted, and a second one with the same options takes what it has learned.

    Raises:
        AssertionError: it does not keep its contract.
    """
    check_identity(one)
    other = type(one)(one.options)
    taught = [text_window((0, "so"), (1, text)) for text in _SAYINGS for _ in range(4)]
    targets = [label for label in range(_LABELS) for _ in range(4)]
    state = one.fit(taught, targets, _LABELS)
    again = other.fit(taught, targets, _LABELS)
    require(dict(state.facts) == json.loads(json.dumps(dict(state.facts))), "facts must be plain JSON values")
    require(
        all(np.array_equal(values, again.arrays[name]) for name, values in state.arrays.items()),
        "fit() must return the same for the same windows and targets",
    )
    one.restore(state)
    other.restore(state)
    windows = [*taught, *odd_windows().values()]
    found = one.probabilities(windows)
    require(found.shape == (len(windows), _LABELS), f"probabilities() must be (N, labels), not {found.shape}")
    require(found.dtype == np.float32 and np.isfinite(found).all(), "probabilities must be finite float32")
    require((found > 0).all() and np.allclose(found.sum(axis=1), 1, atol=TOLERANCE), "rows must be above 0, sum 1")
    require(np.array_equal(found, other.probabilities(windows)), "restore() must give what was learned, bit for bit")
    alone = np.concatenate([one.probabilities([window]) for window in windows])
    require(np.array_equal(found, alone), "a window's probabilities must not depend on the others beside it")
    absent = other.fit(taught, [0, *[1] * (len(taught) - 1)], _LABELS)
    other.restore(absent)
    require((other.probabilities(taught)[:, 2] > 0).all(), "a label without an example must keep a probability above 0")
