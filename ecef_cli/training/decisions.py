"""Fit the cues and the forecaster of a trained run on train; choose its shares, shifts and temperatures on dev."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli import console
from ecef_cli.network.inference import run_network
from ecef_cli.runs.decision import FILE, Cues, Decision, Decisions, pasts, save_cues, save_decisions
from ecef_cli.runs.forecaster import Forecaster
from ecef_cli.runs.metrics import METRICS, score
from ecef_cli.samples.windows import NO_TARGET, UNKNOWN, windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from ecef_cli.api.components import CueState, TextWindow
    from ecef_cli.network.inference import Outcome
    from ecef_cli.network.model import EcefNetwork
    from ecef_cli.runs.run import Run
    from ecef_cli.samples.inputs import Inputs
    from ecef_cli.samples.windows import Sample

_GRID = tuple(n / 10 for n in range(11))
FOLDS = 5
"""Folds of train dialogues; the forecaster sees each with cues that were fitted on the others."""
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
    cues = _fit_cues(run, inputs.samples["train"], texts["train"])
    if cues is not None:
        save_cues(run.folder, cues[1])
    outcomes = run_network(network, inputs, "dev", device=device)
    settled: dict[str, Decision] = {}
    for task in sorted(outcomes, key=("erc", "epc").index):  # the forecaster reads the decided recognition
        outcome, second, mixed = outcomes[task], None, None
        heard = [texts["dev"][row] for row in outcome.rows]
        if task == "erc" and cues is not None:
            second, mixed = cues[0].probabilities(heard), np.asarray([bool(w.turns[-1].words) for w in heard])
        if task == "epc" and run.recipe.decision.forecaster:
            forecaster = fit_forecaster(run, inputs, network, settled["erc"], texts["train"], device=device)
            forecaster.save(run.folder)
            decisions = Decisions(settled, None if cues is None else cues[0])
            recognised = decisions.apply("erc", outcomes["erc"].answers, texts["dev"])
            every = pasts(recognised, inputs.samples["dev"], texts["dev"])
            second = forecaster.foresee([every[row] for row in outcome.rows]).probabilities
        numbers = [s.targets[task] for s in inputs.samples["train"] if s.targets[task] != NO_TARGET]
        counts = np.bincount(numbers, minlength=len(run.labels)).clip(min=1)
        settled[task] = _Choice(run, task, outcome, counts / counts.sum(), second, mixed).made()
    save_decisions(run.folder, settled)
    return True


def _fit_cues(run: Run, samples: Sequence[Sample], texts: Sequence[TextWindow]) -> tuple[Cues, CueState] | None:
    """Return the recipe's cues and their state, fitted on samples of train; None if it has none."""
    cues = Cues.of(run)
    if cues is None:
        return None
    asked = [sample for sample in samples if sample.targets["erc"] != NO_TARGET]
    state = cues.fit([texts[s.number] for s in asked], [s.targets["erc"] for s in asked], len(run.labels))
    return cues.restore(state), state


def fit_forecaster(
    run: Run, inputs: Inputs, network: EcefNetwork, decision: Decision, texts: Sequence[TextWindow], *, device: str
) -> Forecaster:
    """Return a forecaster fitted on the emotions recognised in train, with cues of folds that exclude the dialogue.

    Args:
        run: the run.
        inputs: its inputs, with the train split.
        network: its trained network.
        decision: the decision for ERC.
        texts: the text of each window of train.
        device: where to compute.
    """
    samples = inputs.samples["train"]
    recognised = run_network(network, inputs, "train", device=device)["erc"].answers
    folds = min(FOLDS, samples[-1].dialogue + 1) if run.recipe.cues is not None else 1
    for fold in range(folds):
        found = _fit_cues(run, [s for s in samples if folds == 1 or s.dialogue % folds != fold], texts)
        rows = [s.number for s in samples if s.dialogue % folds == fold]
        decisions = Decisions({"erc": decision}, None if found is None else found[0])
        recognised[rows] = decisions.apply("erc", recognised[rows], [texts[row] for row in rows])
    asked = [s.number for s in samples if s.targets["epc"] != NO_TARGET]
    every = pasts(recognised, samples, texts)
    known = [every[row] for row in asked]
    current, target = (np.asarray([samples[row].targets[task] for row in asked]) for task in ("erc", "epc"))
    changes = np.where(current == NO_TARGET, NO_TARGET, current != target)
    if run.recipe.epc.next_speaker:  # the forecaster must also do without
        known += [replace(past, next_speaker=UNKNOWN) for past in known]
        target, changes = np.tile(target, 2), np.tile(changes, 2)
    return Forecaster.fit(known, target, changes, len(run.labels))


class _Choice:
    """Choice of the decision for one task.

    Args:
        run: the run.
        task: the task.
        outcome: the network's predictions on dev.
        prior: (labels,) share of each label in the train targets.
        second: (N, labels) of the cue classifier or the forecaster for each target; None without one.
        mixed: as in `Decision.apply`.
    """

    def __init__(
        self,
        run: Run,
        task: str,
        outcome: Outcome,
        prior: npt.NDArray[np.float64],
        second: npt.NDArray[np.float32] | None,
        mixed: npt.NDArray[np.bool_] | None,
    ) -> None:
        self._run, self._task, self._gold = run, task, outcome.gold
        self._metric: str = getattr(run.recipe.training.select, task)
        self._prior = tuple(map(float, prior))
        self._network, self._second, self._mixed = outcome.probabilities, second, mixed

    def made(self) -> Decision:
        """Return the decision and report it.

        Shares and shifts maximise the metric that also chooses the epoch; ties go to the smallest. If a larger shift
        may cost something, the largest one within that cost of the maximum replaces it, with its best share. The
        temperature then minimises the negative log-likelihood.
        """
        settings = self._run.recipe.decision
        share = 0.0 if self._second is None else settings.cues if self._task == "erc" else settings.forecaster
        shift, warmth = getattr(settings.prior_shift, self._task), getattr(settings.temperature, self._task)
        shares = _GRID if share == "dev" else (share,)
        shifts = _GRID if shift == "dev" else (shift,)
        scored = {made: self._score(made) for made in (self._decision(*pair) for pair in product(shares, shifts))}
        made = max(scored, key=lambda decision: scored[decision])
        if cost := getattr(settings.prior_shift_cost, self._task):
            within = [decision for decision in scored if scored[decision] >= scored[made] - cost]
            made = max(within, key=lambda decision: (decision.prior_shift, scored[decision]))
        made = replace(made, temperature=self._warmth(made) if warmth == "dev" else warmth)
        before, after = (getattr(self._scores(p), self._metric) for p in (self._network, self._apply(made)))
        second = "cues" if self._task == "erc" else "forecaster"
        console.note(
            f"train {self._run.folder.name}: dev {self._task.upper()} {METRICS[self._metric]} {before:.2f} becomes "
            f"{after:.2f} with {second} {made.share:.1f}, prior shift {made.prior_shift:.1f}, "
            f"temperature {made.temperature:.2f}"
        )
        return made

    def _decision(self, share: float, shift: float) -> Decision:
        cues, forecaster = (share, 0.0) if self._task == "erc" else (0.0, share)
        return Decision(cues, shift, 1.0, self._prior, forecaster)

    def _apply(self, decision: Decision) -> npt.NDArray[np.float32]:
        return decision.apply(self._network, self._second, self._mixed)

    def _scores(self, probabilities: npt.NDArray[np.float32]) -> object:
        return score(self._gold, probabilities.argmax(axis=1), self._run.labels)

    def _score(self, decision: Decision) -> float:
        return float(getattr(self._scores(self._apply(decision)), self._metric))

    def _warmth(self, decision: Decision) -> float:
        from scipy.optimize import minimize_scalar

        def loss(log_temperature: float) -> float:
            warm = replace(decision, temperature=float(np.exp(log_temperature)))
            given = self._apply(warm)[np.arange(len(self._gold)), self._gold]
            return float(-np.log(np.maximum(given, np.float32(1e-12))).mean())

        found = minimize_scalar(loss, bounds=(np.log(_COLDEST), np.log(_HOTTEST)), method="bounded")
        return float(np.exp(found.x))
