"""Optimiser, learning rate schedule and loss of a recipe."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from ecef_cli.samples.windows import NO_TARGET

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ecef_cli.network.model import EcefNetwork
    from ecef_cli.recipe.sections import Training
    from ecef_cli.samples.windows import Sample


def build_optimizer(network: EcefNetwork, settings: Training) -> torch.optim.Optimizer:
    """Return the optimiser. Encoder layers have their own learning rates; biases and norms have no weight decay."""
    encoder = _encoder_rates(network, settings)
    groups: dict[tuple[float | None, bool], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            groups.setdefault((encoder.get(parameter), parameter.ndim > 1), []).append(parameter)
    described = [
        {
            "params": parameters,
            "lr": settings.learning_rate if rate is None else rate,
            "weight_decay": settings.weight_decay if decays else 0.0,
        }
        for (rate, decays), parameters in groups.items()
    ]
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return kind(described)


def _encoder_rates(network: EcefNetwork, settings: Training) -> dict[nn.Parameter, float]:
    """Return the full learning rate of each parameter of the encoder's trainable layers."""
    top = None if network.text is None else network.text.top
    if top is None:
        return {}
    rate, decay = settings.encoder_learning_rate or settings.learning_rate, settings.encoder_layer_decay
    layers = list(cast("Iterable[nn.Module]", getattr(top, "layers", ())))
    rates = dict.fromkeys(top.parameters(), rate * decay ** max(0, len(layers) - 1))
    for below, layer in enumerate(reversed(layers)):
        rates.update(dict.fromkeys(layer.parameters(), rate * decay**below))
    return rates


def running_average(network: EcefNetwork, settings: Training) -> AveragedModel | None:
    """Return the exponential running average of the network's weights, or None if the recipe has none.

    After n steps the decay is (1 + n) / (10 + n), up to its full value, so early weights are forgotten soon.
    """

    def averaged(average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        decay = min(settings.average, (1 + int(count)) / (10 + int(count)))
        return torch.lerp(average, current, 1 - decay)

    return AveragedModel(network, avg_fn=averaged) if settings.average else None


def build_schedule(optimizer: torch.optim.Optimizer, settings: Training, *, total: int, done: int) -> LambdaLR:
    """Return the schedule of the learning rates.

    Args:
        optimizer: the optimiser as built, at its full learning rates.
        settings: the recipe's training block.
        total: steps of the whole training run.
        done: finished steps.
    """
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return LambdaLR(optimizer, lambda step: rate_factor(step, total, settings), last_epoch=done - 1)


def rate_factor(step: int, total: int, settings: Training) -> float:
    """Return the factor on the full learning rate at a step, from 0, of `total` steps."""
    rising = int(settings.warmup * total)
    if step < rising:
        return (step + 1) / (rising + 1)
    done = (step - rising) / max(1, total - rising)
    if settings.schedule == "linear":
        return max(0.0, 1.0 - done)
    if settings.schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
    return 1.0


def class_weights(numbers: Sequence[int], labels: int, balance: float) -> Tensor:
    """Return (labels,) class weights: inverse frequency to the power `balance`, with mean 1 over the targets.

    A class that never occurs gets the weight of a class that occurs once.
    """
    counts = torch.bincount(torch.tensor(numbers, dtype=torch.long), minlength=labels).clamp(min=1).float()
    weights = (counts.sum() / counts) ** balance
    return weights * counts.sum() / (weights * counts).sum()


class JointLoss(nn.Module):
    """The sum of the tasks' cross entropies, each weighted by task and by class, over a batch that may be shared.

    Sentiment counts as a task with equal class weights.

    With soft targets, a task's loss is `(1 - w) * cross entropy + w * T^2 * KL(teachers || network)`, both
    distributions at the temperature T (Hinton et al., 2015). The divergence has the class weight of the window's label.

    The loss of a task is PyTorch's `cross_entropy` with `reduction="mean"` over the whole batch: the sum over windows,
    divided by the sum of their class weights. That divisor is known beforehand, so the shares of a batch add up.

    Args:
        settings: the recipe's training block.
        samples: the training samples; class frequencies are counted over them.
        classes: number of classes by task, including sentiment if it is trained.
    """

    def __init__(self, settings: Training, samples: Sequence[Sample], classes: Mapping[str, int]) -> None:
        super().__init__()
        self._smoothing = settings.label_smoothing
        self._distillation = settings.distillation
        self._task_weights = {task: getattr(settings.task_weights, task) for task in classes}
        self._class_weights: dict[str, list[float]] = {}
        for task, count in classes.items():
            numbers = [s.targets[task] for s in samples if s.targets[task] != NO_TARGET]
            weights = class_weights(numbers, count, getattr(settings.class_balance, task, 0.0))
            self._class_weights[task] = weights.tolist()
            self.register_buffer(task, weights, persistent=False)

    def totals(self, targets: Iterable[Mapping[str, int]]) -> dict[str, float]:
        """Return, by task, the sum of the class weights of a whole batch's targets.

        Args:
            targets: the target label's number by task, for each window.
        """
        found = dict.fromkeys(self._task_weights, 0.0)
        for asked in targets:
            for task, weights in self._class_weights.items():
                found[task] += 0.0 if asked[task] == NO_TARGET else weights[asked[task]]
        return found

    def forward(
        self,
        logits: Mapping[str, Tensor],
        targets: Mapping[str, Tensor],
        totals: Mapping[str, float],
        soft: Mapping[str, Tensor],
    ) -> Tensor:
        """Return a share of a batch's loss; a task without a target in the share adds zero.

        Args:
            logits: by task, (B, labels) of the share.
            targets: by task, (B,) of the share.
            totals: divisors of the whole batch, from `totals`.
            soft: by task, (B, labels) of the share, the teachers' log-probabilities; a task may be missing.
        """
        total = torch.zeros((), device=next(iter(logits.values())).device)
        for task, weight in self._task_weights.items():
            summed = nn.functional.cross_entropy(
                logits[task],
                targets[task],
                weight=self.get_buffer(task),
                ignore_index=NO_TARGET,
                label_smoothing=self._smoothing,
                reduction="sum",
            )
            if task in soft:
                share = self._distillation.weight
                summed = (1 - share) * summed + share * self._divergence(task, logits[task], targets[task], soft[task])
            total = total + weight * summed / (totals[task] or 1.0)
        return total

    def _divergence(self, task: str, logits: Tensor, targets: Tensor, soft: Tensor) -> Tensor:
        """Return T^2 times the sum over windows with a target of the weighted divergence from the soft targets."""
        temperature, asked = self._distillation.temperature, targets != NO_TARGET
        own = (logits[asked] / temperature).log_softmax(dim=1)
        apart = nn.functional.kl_div(own, soft[asked], reduction="none", log_target=True).sum(dim=1)
        return temperature**2 * (self.get_buffer(task)[targets[asked]] * apart).sum()
