"""The training loop."""

from __future__ import annotations

import math
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch

from ecef_cli import console
from ecef_cli.api.errors import DataError
from ecef_cli.runs.card import write_card
from ecef_cli.runs.run import save_weights
from ecef_cli.samples.batches import bucketed
from ecef_cli.samples.windows import NO_TARGET
from ecef_cli.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from ecef_cli.training.computing import Taught, compiling, seed_part
from ecef_cli.training.decisions import settle
from ecef_cli.training.interruption import deferred_interrupt
from ecef_cli.training.optimization import JointLoss, build_optimizer, build_schedule, running_average
from ecef_cli.training.preparation import prepare_training
from ecef_cli.training.processes import Processes
from ecef_cli.training.tracking import Tracking
from ecef_cli.training.validation import dev_scores, epoch_line, write_log
from ecef_cli.workspace import locked

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from torch import nn

    from ecef_cli.corpus.tolerance import Tolerance
    from ecef_cli.network.model import EcefNetwork
    from ecef_cli.recipe.model import Recipe
    from ecef_cli.runs.run import Run
    from ecef_cli.samples.windows import Sample
    from ecef_cli.training.preparation import Ready
    from ecef_cli.workspace import Workspace

CHECKPOINT = "last.safetensors"
SAVE_EVERY = 300.0  # maximum seconds of training that a killed process loses


def train(
    workspace: Workspace,
    recipe: Recipe,
    *,
    name: str,
    device: str,
    tolerance: Tolerance | None = None,
    force: bool = False,
    tensorboard: bool = False,
) -> Run:
    """Train a recipe and return its run. Resume from the last checkpoint if there is one.

    The dev split alone chooses the epoch. The same recipe, data, machine and number of processes give the same
    weights, interrupted or not. Apart from random draws, the loss of a step does not depend on the number of
    processes and parts.

    Args:
        workspace: the workspace of the dataset and the run.
        recipe: the recipe.
        name: the run's name.
        device: where to compute.
        tolerance: how many recordings may be unreadable; None for none.
        force: delete an existing run of this name first.
        tensorboard: write curves for TensorBoard into the run's folder.

    Raises:
        UsageProblem: a run of this name follows another recipe, or TensorBoard is requested but not installed.
        DataError: the train or dev split is missing or has no target.
        KeyboardInterrupt: interrupted, with the state saved.
        EcefError: another process is training this run, or the network cannot be compiled.
    """
    processes = Processes(recipe.training.precision, device)
    with ExitStack() as stack:
        processes.alone(lambda: stack.enter_context(locked(workspace.run(name), f"the run {name!r}")))
        ready = processes.together(
            lambda: prepare_training(
                workspace,
                recipe,
                name=name,
                device=processes.device,
                tolerance=tolerance,
                force=force and processes.main,
            )
        )
        training = Trainer(ready, processes)
        trained = not training.progress.finished
        if trained:
            training.run_epochs(tensorboard=tensorboard)
            console.note(training.outcome())
        else:
            console.note(f"train {name}: nothing to do, the run is in {ready.run.folder}")
        settled = processes.alone(lambda: settle(ready.run, ready.inputs, training.network, device=processes.device))
        if trained or settled:
            processes.alone(lambda: write_card(ready.run))
    return ready.run


class Trainer:
    """One training run, resumed from its checkpoint if there is one.

    Args:
        ready: the run to train, with its inputs and network.
        processes: the processes that train it.
    """

    def __init__(self, ready: Ready, processes: Processes) -> None:
        self.run, self.inputs, self.chosen, self.processes = ready.run, ready.inputs, ready.chosen, processes
        self.settings = self.run.recipe.training
        self.network = ready.network.to(processes.device)
        self.average = running_average(self.network, self.settings)
        self.soft = {task: values.to(processes.device) for task, values in ready.soft.items()}
        self.loss = JointLoss(self.settings, self.chosen, self.run.recipe.classes(len(self.run.labels)))
        self.model, self.optimizer = processes.accelerator.prepare(
            Taught(self.network, self.loss, self.settings, shared=processes.count > 1),
            build_optimizer(self.network, self.settings),
        )
        self.lengths = self.inputs.lengths(self.chosen)
        self.steps = self._count_steps()
        self.checkpoint = self.run.folder / CHECKPOINT
        self.tracking: Tracking | None = None  # in the main process, while it trains
        self.progress = Progress()
        if self.checkpoint.is_file():
            self._resume()
        self.schedule = build_schedule(self.optimizer, self.settings, total=sum(self.steps), done=self._done)
        if not self.progress.finished:
            console.note(
                f"train {self.run.folder.name}: {len(self.chosen):,} windows, {self._epoch_steps:,} steps an epoch, "
                f"{'resuming' if self.checkpoint.is_file() else 'starting'} in epoch {self.progress.epoch + 1}"
            )

    def run_epochs(self, *, tensorboard: bool = False) -> None:
        """Train until the last epoch or until the validation score stops rising, and report events."""
        with ExitStack() as stack, deferred_interrupt() as interrupted:
            self.processes.alone(lambda: stack.enter_context(self._told(tensorboard=tensorboard)))
            while not self.progress.finished:
                watch = console.Stopwatch()
                self._train_epoch(interrupted)
                self.progress = self.processes.alone(partial(self._end_epoch, watch))

    @contextmanager
    def _told(self, *, tensorboard: bool) -> Iterator[None]:
        """Report training events while the block runs."""
        self.tracking = Tracking(self.run, step=self._done, tensorboard=tensorboard)
        self.tracking.tell("started", self._done, self.run.recipe.dumped())
        try:
            yield
            self.tracking.tell("finished", self._done, self.progress.log[self.progress.best_epoch or 0])
        finally:
            self.tracking.close()

    @property
    def _done(self) -> int:
        """Number of finished optimiser steps."""
        return sum(self.steps[: self.progress.epoch]) + self.progress.batch

    @property
    def _epoch_steps(self) -> int:
        """Number of steps in the current epoch."""
        return self.steps[self.progress.epoch]

    def outcome(self) -> str:
        """Return one line that says how training ended and which epoch is kept."""
        progress = self.progress
        done, kept = len(progress.log), (progress.best_epoch or 0) + 1
        early = (
            f" of {self.settings.epochs}: no better for {self.settings.patience}" if done < self.settings.epochs else ""
        )
        epochs = "1 epoch" if done == 1 else f"{done} epochs"
        return f"train {self.run.folder.name}: ended after {epochs}{early}; epoch {kept} is kept"

    def _train_epoch(self, interrupted: threading.Event) -> None:
        progress, watch = self.progress, console.Stopwatch()
        self.network.train()
        label = f"epoch {progress.epoch + 1}/{self.settings.epochs}"
        with console.Progress(self._epoch_steps, label, "batches") as bar:
            bar.advance(progress.batch)
            for number, members in enumerate(self._batches(progress.epoch)):
                if number < progress.batch:
                    continue
                loss = self._step(members, self._done)
                progress.loss, progress.batch = progress.loss + loss, number + 1
                if self.tracking is not None:
                    rate = self.optimizer.param_groups[0]["lr"]
                    self.tracking.tell("step", self._done, {"loss": loss, "learning_rate": rate})
                self.schedule.step()
                bar.advance()
                if self.processes.any(interrupted.is_set()):
                    self.processes.alone(self._save)
                    raise KeyboardInterrupt
                if self.processes.main and watch.seconds > SAVE_EVERY:
                    self._save()
                    watch = console.Stopwatch()

    def _step(self, members: Sequence[int], step: int) -> float:
        """Update the weights once and return the loss of the batch; this process computes its share of it."""
        accelerator, settings = self.processes.accelerator, self.settings
        totals = self.loss.totals(self.chosen[n].targets for n in members)
        losses = torch.zeros((), device=self.processes.device)
        self.optimizer.zero_grad(set_to_none=True)
        for part, own in enumerate(self.processes.shares(members, settings.accumulate)):
            seed_part(settings.seed, step, self.processes.rank, part)
            with self.processes.apart():
                batch = self.inputs.varied(self._windows(own, members)).to(self.processes.device)
            soft = {task: values[list(own or members[:1])] for task, values in self.soft.items()}
            with self.processes.syncing(self.model, last=part == settings.accumulate - 1), compiling(settings):
                loss = self.model(batch, totals, soft)
                accelerator.backward(loss * self.processes.count)  # gradients are averaged over processes
            losses += loss.detach()
        total = self.processes.total(losses)
        if not math.isfinite(total):
            raise DataError(f"the loss is {total} in step {step + 1}", hint="lower training.learning_rate")
        accelerator.clip_grad_norm_(self.network.parameters(), settings.clip)
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return total

    def _windows(self, own: Sequence[int], members: Sequence[int]) -> list[Sample]:
        """Return the windows of a share. An empty share gets one window without targets, as it must not be empty."""
        if own:
            return [self.chosen[n] for n in own]
        shortest = self.chosen[members[0]]
        return [replace(shortest, targets=dict.fromkeys(shortest.targets, NO_TARGET))]

    def _end_epoch(self, watch: console.Stopwatch) -> Progress:
        """Validate, keep the best weights, save, and return the progress."""
        progress, settings = self.progress, self.settings
        entry = self._validate(watch)
        progress.log.append(entry)
        if progress.best is None or entry["selection"] > progress.best:
            progress.best, progress.best_epoch = entry["selection"], progress.epoch
            save_weights(self.run.weights, self._kept())
        progress.epoch, progress.batch, progress.loss = progress.epoch + 1, 0, 0.0
        if self.tracking is not None:
            self.tracking.tell("epoch", self._done, entry)
        waited = progress.epoch - 1 - (progress.best_epoch or 0)
        progress.finished = progress.epoch == settings.epochs or waited >= settings.patience
        write_log(self.run, progress)
        self._save()
        return progress

    def _validate(self, watch: console.Stopwatch) -> dict[str, Any]:
        scores = dev_scores(self._kept(), self.inputs, self.run, device=self.processes.device)
        entry = {"epoch": self.progress.epoch + 1, "loss": self.progress.loss / self._epoch_steps, **scores}
        console.note(epoch_line(entry, self.run, watch.seconds))
        return entry

    def _save(self) -> None:
        scaler = self.processes.accelerator.scaler
        self.progress.scaler = {} if scaler is None else scaler.state_dict()
        save_checkpoint(self.checkpoint, self.progress, self._state(), self.optimizer)

    def _resume(self) -> None:
        self.progress = load_checkpoint(self.checkpoint, self._state(), self.optimizer)
        if self.progress.scaler:
            self.processes.accelerator.scaler.load_state_dict(self.progress.scaler)

    def _state(self) -> dict[str, nn.Module]:
        parts: dict[str, nn.Module] = {"network": self.network}
        return parts if self.average is None else {**parts, "average": self.average}

    def _kept(self) -> EcefNetwork:
        """Return the network to validate and keep."""
        return self.network if self.average is None else cast("EcefNetwork", self.average.module)

    def _batches(self, epoch: int) -> Iterator[list[int]]:
        # The order depends on seed and epoch alone, so an interrupted epoch can resume at any batch.
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + epoch)
        limit = self.settings.batch_positions
        return bucketed(self.lengths, self.settings.batch_size, generator, positions=limit)

    def _count_steps(self) -> list[int]:
        """Return the number of steps per epoch; epochs differ only if a batch is limited by positions."""
        epochs = self.settings.epochs
        if self.settings.batch_positions is None:
            return [sum(1 for _ in self._batches(0))] * epochs
        return [sum(1 for _ in self._batches(epoch)) for epoch in range(epochs)]
