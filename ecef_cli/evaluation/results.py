"""What an evaluation found: all that tables, pages and comparisons are made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ecef_cli.runs.metrics import MAIN, METRICS, PROBABILISTIC, Calibration, Scores, Shift

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecef_cli.evaluation.baselines import Forecast
    from ecef_cli.evaluation.bootstrap import Difference, Estimate
    from ecef_cli.evaluation.crossing import Crossing
    from ecef_cli.evaluation.targets import Targets
    from ecef_cli.recipe.model import Recipe

TITLES = {**METRICS, **PROBABILISTIC}
"""The heading of every metric by its key."""


@dataclass(frozen=True, slots=True)
class Measured(Scores):
    """Scores of a forecast, of its probabilities, and their intervals, in per cent.

    Of several seeds, metrics are means, and counts and bins are of all seeds together.

    Attributes:
        calibration: how far probabilities are from frequencies.
        shift: how well a change of emotion is told; None for recognition (ERC).
        figures: each metric by its key with its interval; without those that are not measured.
    """

    calibration: Calibration
    shift: Shift | None
    figures: Mapping[str, Estimate]

    def as_dict(self) -> dict[str, Any]:
        """Return the scores as plain values."""
        values = asdict(self)
        figures = values.pop("figures")
        bins = values.pop("calibration")["bins"]
        intervals = {key: None if f["low"] is None else [f["low"], f["high"]] for key, f in figures.items()}
        return {**values, "ece": self.calibration.ece, "reliability": list(bins), "intervals": intervals}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a model beats a baseline on a metric: it does where the interval of the difference lies above 0."""

    baseline: str
    metric: str
    difference: Difference

    @property
    def beaten(self) -> bool:
        """Whether the baseline is beaten."""
        return self.difference.above_zero

    def sentence(self, model: str) -> str:
        """Return the verdict in words."""
        title, found = TITLES[self.metric], shown_signed(self.difference)
        if self.difference.low is None:
            return f"{model} is not shown to beat {self.baseline}, as the dialogues are too few: {title} {found}"
        if self.beaten:
            return f"{model} beats {self.baseline}: {title} {found}"
        worse = " and is worse" if self.difference.below_zero else ""
        return f"{model} does not beat {self.baseline}{worse}: {title} {found}"


def shown_signed(difference: Difference) -> str:
    """Return a difference with its interval, in two decimals."""
    if difference.low is None or difference.high is None:
        return f"{difference.value:+.2f}"
    return f"{difference.value:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}]"


@dataclass(frozen=True, slots=True)
class TaskReport:
    """What was found of a run, or of runs that differ by their seed, on one task, and of baselines.

    Attributes:
        model: the scores of the model.
        baselines: those of each baseline, on the same targets.
        differences: of each baseline, by metric, how far the model is above it, paired; of `ece`, less is better.
        verdicts: whether each baseline is beaten, on the task's main metric first and then on how a change is told.
        seeds: every metric of the model by seed, in the order of the report's seeds.
        targets: what was asked.
        forecasts: what the model said of it, one a seed.
    """

    model: Measured
    baselines: Mapping[str, Measured]
    differences: Mapping[str, Mapping[str, Difference]]
    verdicts: tuple[Verdict, ...]
    seeds: Mapping[str, tuple[float, ...]]
    targets: Targets
    forecasts: tuple[Forecast, ...]

    def as_dict(self, model: str) -> dict[str, Any]:
        """Return the report as plain values; `model` is what the run is called."""
        return {
            "model": self.model.as_dict(),
            "baselines": {name: measured.as_dict() for name, measured in self.baselines.items()},
            "against": {
                name: {
                    "differences": {key: asdict(difference) for key, difference in found.items()},
                    "beaten": {v.metric: v.beaten for v in self.verdicts if v.baseline == name},
                    "verdicts": [v.sentence(model) for v in self.verdicts if v.baseline == name],
                }
                for name, found in self.differences.items()
            },
            "main": MAIN[self.targets.task],
            "dialogues": self.targets.dialogues,
            "seeds": {key: list(values) for key, values in self.seeds.items()},
        }


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals were made: the percentile bootstrap over whole dialogues, and over seeds where there are some."""

    draws: int
    seed: int
    level: float


@dataclass(frozen=True, slots=True)
class Report:
    """Scores of a run on a split of a dataset, or of runs of one recipe that differ by their seed.

    Attributes:
        run: the run's name; of several, what their names begin with.
        dataset: the dataset's name.
        split: the split.
        labels: the emotions by number.
        weights: SHA-256 of the weights that were measured; of several runs, of each with commas between.
        tasks: the scores of each task.
        key: hash of the dataset's manifests.
        seeds: the seed of each run.
        recipe: the recipe of the first run.
        resampling: how intervals were made.
        crossing: what the run's labels were made into; None where they are its own.
        outside: by task, the mean probability that was given to labels which were not asked for, where there is a
            crossing.
    """

    run: str
    dataset: str
    split: str
    labels: tuple[str, ...]
    weights: str
    tasks: Mapping[str, TaskReport]
    key: str
    seeds: tuple[int, ...]
    recipe: Recipe
    resampling: Resampling
    crossing: Crossing | None = None
    outside: Mapping[str, float] = field(default_factory=dict)

    @property
    def data(self) -> str:
        """What was measured on, in words: the dataset and split, and the labels where they are others."""
        return f"{self.dataset} {self.split}" + (f" by {self.crossing.name}" if self.crossing else "")

    @property
    def place(self) -> str:
        """The same as a file is called."""
        return f"{self.dataset}-{self.split}" + (f"-{self.crossing.name}" if self.crossing else "")

    @property
    def protocol(self) -> str | None:
        """What prediction (EPC) was asked, in words; None where it was not."""
        return self.recipe.epc.in_words() if "epc" in self.recipe.tasks else None

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "run": self.run,
            "dataset": self.dataset,
            "split": self.split,
            "labels": list(self.labels),
            "weights": self.weights,
            "key": self.key,
            "seeds": list(self.seeds),
            "protocol": self.protocol,
            **({"label_map": {**self.crossing.as_dict(), "outside": dict(self.outside)}} if self.crossing else {}),
            "resampling": asdict(self.resampling),
            "tasks": {task: report.as_dict(self.run) for task, report in self.tasks.items()},
        }
