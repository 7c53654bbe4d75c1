"""Decision step of a prediction: mix in cues or a forecaster, shift the prior, apply a temperature."""

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
from ecef_cli.runs.forecaster import FILE as FORECASTER
from ecef_cli.runs.forecaster import Forecaster, Foreseen, Past
from ecef_cli.workspace import read_json, replacing, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from ecef_cli.api.components import CueClassifier, TextWindow
    from ecef_cli.recipe.model import Block
    from ecef_cli.runs.run import Run
    from ecef_cli.samples.windows import Sample

    Array = npt.NDArray[np.float32]

FILE = "decision.json"
CUES = "cues.safetensors"
PARTS = (FILE, CUES, FORECASTER)
"""Files in a run's folder that hold what is decided after its network."""
_LEAST = 1e-7  # smallest probability to take the logarithm of


@dataclass(frozen=True, slots=True)
class Decision:
    """Parameters that turn the network's probabilities into those of one task's prediction.

    Attributes:
        cues: share of the cues in the score; 0 for EPC.
        prior_shift: share of each label's log prior to subtract from its score.
        temperature: divisor of the scores.
        prior: (labels,) share of each label in the train targets.
        forecaster: share of the forecaster in the score; 0 for ERC.
    """

    cues: float
    prior_shift: float
    temperature: float
    prior: tuple[float, ...]
    forecaster: float = 0.0

    @property
    def share(self) -> float:
        """Share of the cues or the forecaster."""
        return self.cues + self.forecaster

    def apply(
        self, probabilities: Array, second: Array | None = None, mixed: npt.NDArray[np.bool_] | None = None
    ) -> Array:
        """Return (N, labels) probabilities from the network's.

        A row's score is `(1 - c) log p + c log q - s log prior`, divided by the temperature. c is the share of the
        cues or the forecaster, and 0 in a row that is not mixed.

        Args:
            probabilities: (N, labels) of the network, p.
            second: (N, labels) of the cue classifier or the forecaster, q; None without one.
            mixed: (N,) whether to mix the row, for the cues: whether its utterance has text; None for all.
        """
        scores = np.log(np.maximum(probabilities, _LEAST))
        if second is not None:
            share = np.where(True if mixed is None else mixed[:, None], self.share, 0).astype(np.float32)
            scores = (1 - share) * scores + share * np.log(np.maximum(second, _LEAST))
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
        forecaster: the fitted forecaster; None without one.
    """

    def __init__(
        self, by_task: Mapping[str, Decision], cues: Cues | None = None, forecaster: Forecaster | None = None
    ) -> None:
        self.by_task, self.cues, self.forecaster = by_task, cues, forecaster

    def apply(self, task: str, probabilities: Array, windows: Sequence[TextWindow]) -> Array:
        """Return the run's final probabilities, (N, labels), but the network's own for EPC with a forecaster.

        Args:
            task: the task.
            probabilities: (N, labels) of the network.
            windows: the text of each row's window.
        """
        decision = self.by_task.get(task)
        if decision is None or (task == "epc" and self.forecaster is not None):
            return probabilities
        if self.cues is None or not decision.cues:
            return decision.apply(probabilities)
        worded = np.asarray([bool(window.turns[-1].words) for window in windows])
        return decision.apply(probabilities, self.cues.probabilities(windows), worded)

    def foresee(self, probabilities: Array, pasts: Sequence[Past]) -> Foreseen:
        """Return the final forecasts of a run with a forecaster.

        Args:
            probabilities: (N, labels) of the network, for EPC.
            pasts: the past of each row.
        """
        assert self.forecaster is not None  # noqa: S101 - for the type checker
        found = self.forecaster.foresee(pasts)
        return Foreseen(self.by_task["epc"].apply(probabilities, found.probabilities), found.change)


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """Final probabilities of every sample of a split.

    Attributes:
        answers: (samples, labels) by task.
        change: (samples,) probability that EPC's target differs from the last utterance's emotion; None without a
            forecaster.
    """

    answers: Mapping[str, Array]
    change: npt.NDArray[np.float32] | None = None

    @classmethod
    def of(
        cls,
        decisions: Decisions,
        network: Mapping[str, Array],
        samples: Sequence[Sample],
        windows: Sequence[TextWindow],
    ) -> Decided:
        """Return the decided answers.

        Args:
            decisions: the decisions of the run.
            network: (samples, labels) of the network, by task.
            samples: all samples of the split.
            windows: the text of each sample's window; may be empty if there are no decisions.
        """
        answers = {task: decisions.apply(task, values, windows) for task, values in network.items()}
        if decisions.forecaster is None:
            return cls(answers)
        foreseen = decisions.foresee(network["epc"], pasts(answers["erc"], samples, windows))
        return cls(answers | {"epc": foreseen.probabilities}, foreseen.change)


def pasts(recognised: Array, samples: Sequence[Sample], windows: Sequence[TextWindow]) -> list[Past]:
    """Return the past of each sample.

    Args:
        recognised: (samples, labels) recognised probabilities of each sample's last utterance.
        samples: all samples of a split.
        windows: the text of each sample's window.
    """
    return [
        Past(
            recognised[sample.number - (sample.last - sample.first) : sample.number + 1],
            [turn.speaker for turn in window.turns],
            sample.next_speaker,
        )
        for sample, window in zip(samples, windows, strict=True)
    ]


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
    path = run.part(FILE)
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
    return Decisions(
        by_task,
        None if cues is None else cues.restore(_load_cues(run.part(CUES))),
        Forecaster.load(run.part(FORECASTER).parent) if run.recipe.decision.forecaster else None,
    )


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
