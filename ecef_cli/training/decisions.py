"""Fit the cues of a trained run on train; choose its shares, shifts and temperatures on dev."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli import console
from ecef_cli.network.inference import run_network
from ecef_cli.runs.decision import FILE, Cues, Decision, save_cues, save_decisions
from ecef_cli.runs.metrics import METRICS, score
from ecef_cli.samples.windows import NO_TARGET, windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from ecef_cli.api.components import TextWindow
    from ecef_cli.network.inference import Outcome
    from ecef_cli.network.model import EcefNetwork
    from ecef_cli.runs.run import Run
    from ecef_cli.samples.inputs import Inputs

_GRID = tuple(n / 10 for n in range(11))
_COLDEST, _HOTTEST = 0.25, 4.0


def settle(run: Run, inputs: Inputs, network: EcefNetwork, *, device: str) -> bool:
    """Write the decisions of a run with final weights, and return whether anything was written.

    Args:
        run: the run.
        inputs: its inputs, with the train and dev splits.
        network: its network; the kept weights are loaded into it.
        device: where to compute.
    """
    if not run.recipe.decides or (run.folder / FILE).is_file():
        return False
    network.load_state_dict(run.stored())
    texts = {split: list(windows(inputs.prepared.splits[split], run.recipe.history)) for split in ("train", "dev")}
    cues = Cues.of(run)
    if cues is not None:
        asked = [(n, s.targets["erc"]) for n, s in enumerate(inputs.samples["train"]) if s.targets["erc"] != NO_TARGET]
        targets = [target for _, target in asked]
        state = cues.fit([texts["train"][n] for n, _ in asked], targets, len(run.labels))
        save_cues(run.folder, state)
        cues.restore(state)
    settled = {}
    for task, outcome in run_network(network, inputs, "dev", device=device).items():
        numbers = [s.targets[task] for s in inputs.samples["train"] if s.targets[task] != NO_TARGET]
        counts = np.bincount(numbers, minlength=len(run.labels)).clip(min=1)
        heard = [texts["dev"][row] for row in outcome.rows]
        settled[task] = _Choice(
            run, task, outcome, counts / counts.sum(), heard, cues if task == "erc" else None
        ).made()
    save_decisions(run.folder, settled)
    return True


class _Choice:
    """Choice of the decision for one task.

    Args:
        run: the run.
        task: the task.
        outcome: the network's predictions on dev.
        prior: (labels,) share of each label in the train targets.
        heard: the text of each target's window.
        cues: the classifier, or None.
    """

    def __init__(
        self,
        run: Run,
        task: str,
        outcome: Outcome,
        prior: npt.NDArray[np.float64],
        heard: Sequence[TextWindow],
        cues: Cues | None,
    ) -> None:
        self._run, self._task, self._gold = run, task, outcome.gold
        self._metric: str = getattr(run.recipe.training.select, task)
        self._prior = tuple(map(float, prior))
        self._network = outcome.probabilities
        self._cues = None if cues is None else cues.probabilities(heard)
        self._worded = np.asarray([bool(window.turns[-1].words) for window in heard])

    def made(self) -> Decision:
        """Return the decision and report it.

        Shares and shifts maximise the metric that also chooses the epoch; ties go to the smallest. The temperature
        then minimises the negative log-likelihood.
        """
        settings = self._run.recipe.decision
        share = 0.0 if self._cues is None else settings.cues
        shift, warmth = getattr(settings.prior_shift, self._task), getattr(settings.temperature, self._task)
        shares = _GRID if share == "dev" else (share,)
        shifts = _GRID if shift == "dev" else (shift,)
        made = max((self._decision(*pair) for pair in product(shares, shifts)), key=self._score)
        made = self._decision(made.cues, made.prior_shift, self._warmth(made) if warmth == "dev" else warmth)
        before, after = (getattr(self._scores(p), self._metric) for p in (self._network, self._apply(made)))
        console.note(
            f"train {self._run.folder.name}: dev {self._task.upper()} {METRICS[self._metric]} {before:.2f} becomes "
            f"{after:.2f} with cues {made.cues:.1f}, prior shift {made.prior_shift:.1f}, "
            f"temperature {made.temperature:.2f}"
        )
        return made

    def _decision(self, share: float, shift: float, temperature: float = 1.0) -> Decision:
        return Decision(share, shift, temperature, self._prior)

    def _apply(self, decision: Decision) -> npt.NDArray[np.float32]:
        return decision.apply(self._network, self._cues, self._worded)

    def _scores(self, probabilities: npt.NDArray[np.float32]) -> object:
        return score(self._gold, probabilities.argmax(axis=1), self._run.labels)

    def _score(self, decision: Decision) -> float:
        return float(getattr(self._scores(self._apply(decision)), self._metric))

    def _warmth(self, decision: Decision) -> float:
        from scipy.optimize import minimize_scalar

        def loss(log_temperature: float) -> float:
            warm = self._decision(decision.cues, decision.prior_shift, float(np.exp(log_temperature)))
            given = self._apply(warm)[np.arange(len(self._gold)), self._gold]
            return float(-np.log(np.maximum(given, np.float32(1e-12))).mean())

        found = minimize_scalar(loss, bounds=(np.log(_COLDEST), np.log(_HOTTEST)), method="bounded")
        return float(np.exp(found.x))
