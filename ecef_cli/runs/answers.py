"""Answers of a run to every window of a split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli.runs.decision import Decided, open_decisions
from ecef_cli.samples.windows import windows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecef_cli.network.inference import Outcome
    from ecef_cli.runs.run import Run
    from ecef_cli.samples.inputs import Inputs


def decide(run: Run, inputs: Inputs, split: str, outcomes: Mapping[str, Outcome]) -> Decided:
    """Return a run's answers to every window of a split.

    Args:
        run: the run.
        inputs: the inputs of its recipe.
        split: the split.
        outcomes: the predictions of its network, from `run_network`.

    Raises:
        DataError: the decisions are missing or corrupt.
    """
    decisions = open_decisions(run)
    heard = list(windows(inputs.prepared.splits[split], run.recipe.history)) if decisions.by_task else []
    return Decided.of(decisions, {task: o.answers for task, o in outcomes.items()}, inputs.samples[split], heard)
