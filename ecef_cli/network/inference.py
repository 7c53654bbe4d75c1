"""Run a network over the samples of a split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ecef_cli.samples.batches import bucketed
from ecef_cli.samples.windows import NO_TARGET

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from ecef_cli.network.model import EcefNetwork
    from ecef_cli.samples.inputs import Inputs

BATCH = 64


@dataclass(frozen=True, slots=True)
class Outcome:
    """Predictions of a network for one task.

    Attributes:
        rows: (N,) numbers of the samples with a target, in the order of the manifest.
        gold: (N,) numbers of the gold labels.
        answers: (samples, labels) float32, the probabilities of every sample, with or without a target.
    """

    rows: npt.NDArray[np.int64]
    gold: npt.NDArray[np.int64]
    answers: npt.NDArray[np.float32]

    @property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """The probabilities of each target, (N, labels)."""
        return self.answers[self.rows]

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """The most probable label of each target, (N,)."""
        best: npt.NDArray[np.int64] = np.argmax(self.probabilities, axis=1)
        return best


@torch.inference_mode()
def run_network(network: EcefNetwork, inputs: Inputs, split: str, *, device: str) -> Mapping[str, Outcome]:
    """Return the outcome of each task over a split; the network keeps its mode."""
    chosen = inputs.samples[split]
    training = network.training
    network.eval()
    collected: dict[str, list[npt.NDArray[np.float32]]] = {task: [] for task in network.tasks}
    order: list[int] = []
    for numbers in bucketed(inputs.lengths(chosen), BATCH, None):
        logits = network(inputs.batch(chosen[n] for n in numbers).to(device))
        order += numbers
        for task, values in logits.items():
            collected[task].append(values.softmax(dim=1).float().cpu().numpy())
    network.train(training)
    found = {}
    for task, parts in collected.items():
        probabilities = np.concatenate(parts)[np.argsort(order)]
        gold = np.asarray([s.targets[task] for s in chosen], dtype=np.int64)
        rows = np.flatnonzero(gold != NO_TARGET)
        found[task] = Outcome(rows, gold[rows], probabilities)
    return found
