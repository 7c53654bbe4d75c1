"""Decision step of a prediction: mix in cues, shift the prior, apply a temperature."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ecef_cli.api.components import CueState
from ecef_cli.api.errors import DataError
from ecef_cli.plugin.boundary import calling
from ecef_cli.workspace import read_json, replacing, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from ecef_cli.api.components import CueClassifier, TextWindow
    from ecef_cli.recipe.model import Block
    from ecef_cli.runs.run import Run

    Array = npt.NDArray[np.float32]

FILE = "decision.json"
CUES = "cues.safetensors"
_LEAST = 1e-7  # smallest probability to take the logarithm of


@dataclass(frozen=True, slots=True)
class Decision:
    """Parameters that turn the network's probabilities into those of one task's prediction.

    Attributes:
        cues: share of the cues in the score.
        prior_shift: share of each label's log prior to subtract from its score.
        temperature: divisor of the scores.
        prior: (labels,) share of each label in the train targets.
    """

    cues: float
    prior_shift: float
    temperature: float
    prior: tuple[float, ...]

    def apply(
        self, probabilities: Array, cues: Array | None = None, worded: npt.NDArray[np.bool_] | None = None
    ) -> Array:
        """Return (N, labels) probabilities from the network's.

        A row's score is `(1 - c) log p + c log q - s log prior`, divided by the temperature; c is 0 without text.

        Args:
            probabilities: (N, labels) of the network, p.
            cues: (N, labels) of the cue classifier, q; None if there is no classifier.
            worded: (N,) whether the row's utterance has text.
        """
        scores = np.log(np.maximum(probabilities, _LEAST))
        if cues is not None and worded is not None:
            share = np.where(worded, np.float32(self.cues), np.float32(0))[:, None]
            scores = (1 - share) * scores + share * np.log(np.maximum(cues, _LEAST))
        shift = np.asarray(self.prior_shift * np.log(np.maximum(self.prior, _LEAST)), dtype=np.float32)
        scores = (scores - shift) / np.float32(self.temperature)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        found: Array = powers / powers.sum(axis=1, keepdims=True)
        return found


class Decisions:
    """The decisions of a run.

    Args:
        by_task: the decision of each task that has one.
        cues: the fitted classifier; None without cues.
    """

    def __init__(self, by_task: Mapping[str, Decision], cues: Cues | None = None) -> None:
        self.by_task, self.cues = by_task, cues

    def apply(self, task: str, probabilities: Array, windows: Sequence[TextWindow]) -> Array:
        """Return the run's final probabilities, (N, labels).

        Args:
            task: the task.
            probabilities: (N, labels) of the network.
            windows: the text of each row's window.
        """
        decision = self.by_task.get(task)
        if decision is None:
            return probabilities
        if self.cues is None or not decision.cues:
            return decision.apply(probabilities)
        worded = np.asarray([bool(window.turns[-1].words) for window in windows])
        return decision.apply(probabilities, self.cues.probabilities(windows), worded)


@dataclass(frozen=True, slots=True)
class Cues:
    """A cue classifier, called through the plugin boundary."""

    classifier: CueClassifier

    @classmethod
    def of(cls, run: Run) -> Cues | None:
        """Return the run's classifier, not fitted yet; None if the recipe has none."""
        block: Block | None = run.recipe.cues
        return None if block is None else cls(run.recipe.component("cues"))

    def fit(self, windows: Sequence[TextWindow], targets: Sequence[int], labels: int) -> CueState:
        """Fit the classifier and return its state."""
        with calling(self.classifier, "fit", "the train split"):
            return self.classifier.fit(windows, targets, labels)

    def restore(self, state: CueState) -> Cues:
        """Load a fitted state and return this object."""
        with calling(self.classifier, "restore", "its learned state"):
            self.classifier.restore(state)
        return self

    def probabilities(self, windows: Sequence[TextWindow]) -> Array:
        """Return (N, labels) probabilities."""
        with calling(self.classifier, "probabilities", f"{len(windows)} windows"):
            return self.classifier.probabilities(windows)


def open_decisions(run: Run) -> Decisions:
    """Return the decisions of a run; none if the recipe has none or training has not ended.

    Raises:
        DataError: they are missing or corrupt.
    """
    path = run.folder / FILE
    if not run.recipe.decides or not (path.is_file() or run.finished):
        return Decisions({})
    if not path.is_file():
        raise DataError("the decision is missing", where=str(path), hint="train the run again to create it")
    try:
        by_task = {
            task: Decision(**{**found, "prior": tuple(found["prior"])}) for task, found in read_json(path).items()
        }
    except (KeyError, TypeError, AttributeError):
        raise DataError("is not the decision of a run", where=str(path), hint="train again with --force") from None
    cues = Cues.of(run)
    return Decisions(by_task, None if cues is None else cues.restore(_load_cues(run.folder / CUES)))


def save_decisions(folder: Path, by_task: Mapping[str, Decision]) -> None:
    """Write the decisions of a run."""
    write_json(folder / FILE, {task: asdict(decision) for task, decision in by_task.items()})


def save_cues(folder: Path, state: CueState) -> None:
    """Write the fitted state of a cue classifier."""
    arrays = {name: np.ascontiguousarray(values) for name, values in state.arrays.items()}
    with replacing(folder / CUES) as part:
        save_file(arrays, part, metadata={"facts": json.dumps(dict(state.facts))})


def _load_cues(path: Path) -> CueState:
    try:
        with safe_open(path, framework="np") as stored:
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - no mapping
            return CueState(arrays, json.loads(stored.metadata()["facts"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"no cues: {error}", where=str(path), hint="train again with --force") from None
