"""The training loop."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from ecef_cli import output
from ecef_cli.card import write_card
from ecef_cli.encoders import build_encoders
from ecef_cli.errors import DataError, UsageProblem
from ecef_cli.metrics import METRICS, score
from ecef_cli.network.inference import run_network
from ecef_cli.run import build_network, create_run, open_run, save_weights
from ecef_cli.samples.batches import bucketed
from ecef_cli.samples.inputs import load_inputs, load_variants
from ecef_cli.samples.windows import NO_TARGET
from ecef_cli.settings import differences
from ecef_cli.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from ecef_cli.training.optimization import JointLoss, build_optimizer, rate_factor, running_average
from ecef_cli.training.start import find_start, take_over
from ecef_cli.workspace import checksum, locked, write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ecef_cli.encoders import Encoders
    from ecef_cli.network.model import EcefNetwork
    from ecef_cli.recipe import Recipe
    from ecef_cli.run import Run
    from ecef_cli.samples.inputs import Inputs
    from ecef_cli.samples.windows import Sample
    from ecef_cli.tolerance import Tolerance
    from ecef_cli.workspace import Workspace

CHECKPOINT = "last.safetensors"
SAVE_EVERY = 300.0  # seconds of training that a killed process loses at most


def train(
    workspace: Workspace,
    recipe: Recipe,
    *,
    name: str,
    device: str,
    tolerance: Tolerance | None = None,
    force: bool = False,
) -> Run:
    """Train a recipe and return its run; goes on from the last checkpoint where there is one.

    The epoch is chosen on the dev split alone. The same recipe, data and machine give the same weights, whether
    the training was interrupted or not.

    Args:
        workspace: where the dataset is and the run goes.
        recipe: the recipe.
        name: the run's name.
        device: where to compute.
        tolerance: how many recordings may be broken; none where None.
        force: throw away a run of this name.

    Raises:
        UsageProblem: a run of this name follows another recipe.
        DataError: the dataset has no train or dev split, or no target in one of them.
        KeyboardInterrupt: interrupted, with the state saved.
        EcefError: another process trains this run.
    """
    with locked(workspace.run(name), f"the run {name!r}"):
        return _train(workspace, recipe, name=name, device=device, tolerance=tolerance, force=force)


def _train(
    workspace: Workspace, recipe: Recipe, *, name: str, device: str, tolerance: Tolerance | None, force: bool
) -> Run:
    folder = workspace.run(name)
    start = find_start(workspace, recipe, folder)
    if force:
        shutil.rmtree(folder, ignore_errors=True)
    _same_recipe(folder, recipe)
    encoders = build_encoders(recipe, device=device)
    inputs = load_inputs(workspace, recipe, encoders, tolerance=tolerance, training=True)
    chosen = _with_targets(inputs, recipe)
    _warn_of_silence(inputs, recipe, chosen)
    inputs = load_variants(workspace, recipe, inputs, encoders, tolerance=tolerance)
    run = _begin(folder, recipe, inputs, encoders, start)
    training = Trainer(run, inputs, chosen, encoders, device, start)
    if training.progress.finished:
        output.note(f"train {name}: nothing to do, the run is in {folder}")
        return run
    del encoders  # the frozen part is in the features now
    training.run_epochs()
    output.note(training.outcome())
    write_card(run)
    return run


def _same_recipe(folder: Path, recipe: Recipe) -> None:
    if not (folder / "recipe.yaml").is_file():
        return
    different = differences(open_run(folder).recipe.dumped(), recipe.dumped())
    if different:
        raise UsageProblem(
            f"the run {folder.name!r} follows another recipe: {'; '.join(different)}",
            hint="give this one a --name, or throw that one away with --force",
        )


def _with_targets(inputs: Inputs, recipe: Recipe) -> list[Sample]:
    for split in ("train", "dev"):
        for task in recipe.tasks:
            if all(s.targets[task] == NO_TARGET for s in inputs.samples.get(split, ())):
                raise DataError(
                    f"the dataset {recipe.dataset!r} has no {task.upper()} target in its {split} split",
                    hint="training needs labelled train and dev dialogues; see `ecef prepare`",
                )
    return [s for s in inputs.samples["train"] if any(n != NO_TARGET for n in s.targets.values())]


def _warn_of_silence(inputs: Inputs, recipe: Recipe, chosen: list[Sample]) -> None:
    """Warn where nothing teaches a network of text and audio what to say without a recording."""
    training, audio = recipe.training, inputs.audio
    if inputs.features is None or audio is None or training.modality_dropout.audio or "text" in training.freeze:
        return
    if all(any(audio.length(sample.split, number) for number in sample.numbers) for sample in chosen):
        output.warn(
            "every training window has a recording, so that the model does not learn to answer without one "
            "(training.modality_dropout.audio=0.2 teaches it)"
        )


def _begin(folder: Path, recipe: Recipe, inputs: Inputs, encoders: Encoders, start: Run | None) -> Run:
    identities = encoders.identities
    if start is not None:
        identities["start"] = checksum(start.weights)
    if recipe.tagger is not None and recipe.reads("text"):
        identities["tagger"] = recipe.component("tagger").identity()
    dataset = {"name": inputs.prepared.name, "key": inputs.prepared.key}
    if (folder / "run.json").is_file() and (folder / "recipe.yaml").is_file():
        run = open_run(folder)
        if (dict(run.identities), dict(run.dataset)) != (identities, dataset):
            raise UsageProblem(
                f"the run {folder.name!r} was begun with other data or other frozen weights",
                hint="give this one a --name, or throw that one away with --force",
            )
        return run
    return create_run(folder, recipe, labels=inputs.prepared.labels, identities=identities, dataset=dataset)


class Trainer:
    """One training, from wherever its checkpoint is.

    Args:
        run: the run that is trained.
        inputs: tags and features.
        chosen: the training samples.
        encoders: give the layers that are trained.
        device: where to compute.
        start: the run that the training starts from, or None.
    """

    def __init__(
        self,
        run: Run,
        inputs: Inputs,
        chosen: list[Sample],
        encoders: Encoders,
        device: str,
        start: Run | None,
    ) -> None:
        self.run, self.inputs, self.chosen, self.device = run, inputs, chosen, device
        self.settings = run.recipe.training
        torch.manual_seed(self.settings.seed)
        self.network = build_network(run.recipe, encoders, len(run.labels))
        if start is not None:
            take_over(self.network, start, run)
        self.network = self.network.to(device)
        self.average = running_average(self.network, self.settings)
        self.optimizer = build_optimizer(self.network, self.settings)
        self.loss = JointLoss(self.settings, chosen, run.recipe.tasks, len(run.labels)).to(device)
        self.lengths = inputs.lengths(chosen)
        self.steps = sum(1 for _ in self._batches(0))
        self.checkpoint = run.folder / CHECKPOINT
        self.progress = Progress()
        if self.checkpoint.is_file():
            self.progress = load_checkpoint(self.checkpoint, self._state(), self.optimizer)
        if not self.progress.finished:
            output.note(
                f"train {run.folder.name}: {len(chosen):,} windows, {self.steps:,} steps an epoch, "
                f"{'going on' if self.checkpoint.is_file() else 'starting'} in epoch {self.progress.epoch + 1}"
            )

    def run_epochs(self) -> None:
        """Train until the epochs are used up or the validation score stops rising."""
        progress, settings = self.progress, self.settings
        with _deferred_interrupt() as interrupted:
            while not progress.finished:
                watch = output.Stopwatch()
                self._train_epoch(interrupted)
                entry = self._validate(watch)
                progress.log.append(entry)
                if progress.best is None or entry["selection"] > progress.best:
                    progress.best, progress.best_epoch = entry["selection"], progress.epoch
                    save_weights(self.run.weights, self._kept())
                progress.epoch, progress.batch, progress.loss = progress.epoch + 1, 0, 0.0
                waited = progress.epoch - 1 - (progress.best_epoch or 0)
                progress.finished = progress.epoch == settings.epochs or waited >= settings.patience
                self._write_log()
                self._save()

    def outcome(self) -> str:
        """Return in one line how the training ended and which epoch is kept."""
        progress = self.progress
        done, kept = len(progress.log), (progress.best_epoch or 0) + 1
        early = (
            f" of {self.settings.epochs}: no better for {self.settings.patience}" if done < self.settings.epochs else ""
        )
        return f"train {self.run.folder.name}: ended after {done} epochs{early}; epoch {kept} is kept"

    def _train_epoch(self, interrupted: threading.Event) -> None:
        progress, watch = self.progress, output.Stopwatch()
        self.network.train()
        label = f"epoch {progress.epoch + 1}/{self.settings.epochs}"
        with output.Progress(self.steps, label, "batches") as bar:
            bar.advance(progress.batch)
            for number, members in enumerate(self._batches(progress.epoch)):
                if number < progress.batch:
                    continue
                progress.loss += self._step(members, progress.epoch * self.steps + number)
                progress.batch = number + 1
                bar.advance()
                if interrupted.is_set():
                    self._save()
                    raise KeyboardInterrupt
                if watch.seconds > SAVE_EVERY:
                    self._save()
                    watch = output.Stopwatch()

    def _step(self, members: list[int], step: int) -> float:
        factor = rate_factor(step, self.steps * self.settings.epochs, self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
        batch = self.inputs.varied(self.chosen[n] for n in members).to(self.device)
        loss: torch.Tensor = self.loss(self.network(batch), batch.labels)
        if not torch.isfinite(loss):
            raise DataError(f"the loss is {loss.item()} in step {step + 1}", hint="lower training.learning_rate")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return loss.item()

    def _validate(self, watch: output.Stopwatch) -> dict[str, Any]:
        entry: dict[str, Any] = {"epoch": self.progress.epoch + 1, "loss": self.progress.loss / self.steps}
        chosen = []
        outcomes = run_network(self._kept(), self.inputs, "dev", device=self.device)
        for task, outcome in outcomes.items():
            scores = score(outcome.gold, outcome.predicted, self.run.labels)
            entry[task] = {metric: getattr(scores, metric) for metric in METRICS}
            chosen.append(entry[task][getattr(self.settings.select, task)])
        entry["selection"] = sum(chosen) / len(chosen)
        output.note(self._epoch_line(entry, watch.seconds))
        return entry

    def _epoch_line(self, entry: dict[str, Any], seconds: float) -> str:
        parts = [f"epoch {entry['epoch']}/{self.settings.epochs}: loss {entry['loss']:.4f}"]
        for task in self.run.recipe.tasks:
            metric = getattr(self.settings.select, task)
            parts.append(f"dev {task.upper()} {METRICS[metric]} {entry[task][metric]:.2f}")
        return ", ".join([*parts, f"{seconds:.0f} s"])

    def _write_log(self) -> None:
        lines = [json.dumps(entry) for entry in self.progress.log]
        write_text(self.run.folder / "log.jsonl", "\n".join(lines) + "\n")
        best = self.progress.log[self.progress.best_epoch or 0]
        write_json(self.run.folder / "metrics.json", {"split": "dev", "best": best, "finished": self.progress.finished})

    def _save(self) -> None:
        save_checkpoint(self.checkpoint, self.progress, self._state(), self.optimizer)

    def _state(self) -> dict[str, nn.Module]:
        parts: dict[str, nn.Module] = {"network": self.network}
        return parts if self.average is None else {**parts, "average": self.average}

    def _kept(self) -> EcefNetwork:
        """Return the network that is validated and kept."""
        return self.network if self.average is None else cast("EcefNetwork", self.average.module)

    def _batches(self, epoch: int) -> Iterator[list[int]]:
        # The order depends on seed and epoch alone, so that an interrupted epoch can be entered anywhere.
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + epoch)
        return bucketed(self.lengths, self.settings.batch_size, generator)


@contextmanager
def _deferred_interrupt() -> Iterator[threading.Event]:
    """Turn Ctrl-C into an event that is looked at between two steps; a second Ctrl-C stops at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(*_: object) -> None:
        event.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, handle)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
