"""Made-up targets and forecasts that tests of statistics share."""

from __future__ import annotations

import numpy as np

from ecef_cli.evaluation.baselines import Forecast, forecast
from ecef_cli.evaluation.bootstrap import Draws
from ecef_cli.evaluation.measure import task_report
from ecef_cli.evaluation.results import Report, Resampling
from ecef_cli.evaluation.targets import FIRST, Targets
from ecef_cli.recipe.model import Recipe, check_recipe
from ecef_cli.samples.windows import NO_TARGET

LABELS = ("anger", "joy", "neutral")


def made_targets(seed: int, dialogues: int, *, task: str = "epc", unlabelled: float = 0.1, longest: int = 8) -> Targets:
    """Return targets in dialogues of different length, of whose present some have no label."""
    random = np.random.default_rng(seed)
    dialogue = np.repeat(np.arange(dialogues), random.integers(1, longest + 1, size=dialogues))
    count = len(dialogue)
    current = random.choice(3, size=count, p=[0.2, 0.3, 0.5])
    gold = np.where(random.random(count) < 0.4, current, random.integers(0, 3, size=count))
    current[random.random(count) < unlabelled] = NO_TARGET
    return Targets(
        task=task,
        labels=LABELS,
        gold=gold,
        dialogue=dialogue,
        dialogues=dialogues,
        current=current,
        before=np.full(count, FIRST),
        following=np.full(count, FIRST),
        identities=tuple((f"d{d}", n, "…") for n, d in enumerate(dialogue)),
        key="k",
        dataset="made",
    )


def made_forecast(targets: Targets, seed: int, *, skill: float = 1.0) -> Forecast:
    """Return a forecast that knows something of the targets, with probabilities of two digits so that scores tie."""
    random = np.random.default_rng([seed, 1])

    def probabilities(knows: np.ndarray) -> np.ndarray:
        values = np.exp(random.normal(size=(len(knows), 3)) + skill * np.eye(3)[np.maximum(knows, 0)])
        rounded: np.ndarray = np.round(values / values.sum(axis=1, keepdims=True), 2)
        return rounded

    return forecast(targets, probabilities(targets.gold), probabilities(targets.current))


def taken(targets: Targets, forecasts: Forecast, dialogues: list[int]) -> tuple[Targets, Forecast]:
    """Return the targets and forecasts of dialogues, each as often as it is named, one after another."""
    rows = np.concatenate([np.flatnonzero(targets.dialogue == d) for d in dialogues])
    sizes = [int((targets.dialogue == d).sum()) for d in dialogues]
    chosen = Targets(
        targets.task,
        targets.labels,
        targets.gold[rows],
        np.repeat(np.arange(len(dialogues)), sizes),
        len(dialogues),
        targets.current[rows],
        targets.before[rows],
        targets.following[rows],
        tuple(targets.identities[row] for row in rows),
        targets.key,
        targets.dataset,
    )
    deployable, oracle = (None if v is None else v[rows] for v in (forecasts.deployable, forecasts.oracle))
    return chosen, Forecast(forecasts.probabilities[rows], deployable, oracle)


def made_report(
    name: str,
    targets: Targets,
    *forecasts: Forecast,
    recipe: Recipe | None = None,
    seeds: tuple[int, ...] | None = None,
    draws: int = 300,
) -> Report:
    """Return the report of a run that said this of the targets, one forecast a seed, beside a baseline."""
    drawn = Draws.of(targets.dialogues, draws=draws, seed=0)
    constant = forecast(targets, np.tile([0.2, 0.3, 0.5], (len(targets.gold), 1)), None)
    found = task_report(targets, forecasts, {"majority": [constant] * len(forecasts)}, drawn)
    return Report(
        run=name,
        dataset=targets.dataset,
        split="test",
        labels=targets.labels,
        weights="w",
        tasks={targets.task: found},
        key=targets.key,
        seeds=seeds or tuple(range(1, 1 + len(forecasts))),
        recipe=recipe or made_recipe(targets.dataset, targets.task),
        resampling=Resampling(draws, 0, 0.95),
    )


def made_recipe(dataset: str, task: str, **changes: object) -> Recipe:
    """Return a recipe of the paper's size for a dataset and a task."""
    values = {
        "name": "made",
        "dataset": dataset,
        "tasks": [task],
        "modalities": ["text", "audio"],
        "tagger": {"name": "conceptnet", "source": "dump"},
        "text_encoder": {"name": "huggingface", "model": "roberta-base", "trainable_layers": 0},
        "audio_encoder": {"name": "huggingface", "model": "microsoft/wavlm-base"},
        "prosody": {"name": "srdvc"},
        "fusion": {"name": "mfm"},
        "network": {"width": 1024},
        "training": {"optimizer": "adam"},
        **changes,
    }
    return check_recipe(values, where="made")
