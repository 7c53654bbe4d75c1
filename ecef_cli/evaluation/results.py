"""Results of an evaluation, for tables, pages and comparisons."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ecef_cli.runs.metrics import MAIN, METRICS, PROBABILISTIC, Calibration, Scores, Shift

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecef_cli.evaluation.baselines import Forecast
    from ecef_cli.evaluation.bootstrap import Difference, Estimate
    from ecef_cli.evaluation.label_mapping import LabelMapping
    from ecef_cli.evaluation.targets import Targets
    from ecef_cli.recipe.model import Recipe

TITLES = {**METRICS, **PROBABILISTIC}
"""Heading of every metric by its key."""


@dataclass(frozen=True, slots=True)
class Measured(Scores):
    """Scores of a forecast and its probabilities, with intervals, in per cent.

    For several seeds, metrics are means, and counts and bins are totals.

    Attributes:
        calibration: calibration of the probabilities.
        shift: detection of a change of emotion; None for recognition (ERC).
        figures: each measured metric by its key, with its interval.
    """

    calibration: Calibration
    shift: Shift | None
    figures: Mapping[str, Estimate]

    def as_dict(self) -> dict[str, Any]:
        """Return the scores as a dict."""
        values = asdict(self)
        figures = values.pop("figures")
        bins = values.pop("calibration")["bins"]
        intervals = {key: None if f["low"] is None else [f["low"], f["high"]] for key, f in figures.items()}
        return {**values, "ece": self.calibration.ece, "reliability": list(bins), "intervals": intervals}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a model beats a baseline on a metric: the interval of the difference is above 0."""

    baseline: str
    metric: str
    difference: Difference

    @property
    def beaten(self) -> bool:
        """Whether the model beats the baseline."""
        return self.difference.above_zero

    def sentence(self, model: str) -> str:
        """Return the verdict as a sentence."""
        title, found = TITLES[self.metric], shown_signed(self.difference)
        if self.difference.low is None:
            return f"too few dialogues to show whether {model} beats {self.baseline}: {title} {found}"
        if self.beaten:
            return f"{model} beats {self.baseline}: {title} {found}"
        worse = " and is worse" if self.difference.below_zero else ""
        return f"{model} does not beat {self.baseline}{worse}: {title} {found}"


def shown_signed(difference: Difference) -> str:
    """Format a difference with its interval, with two decimals."""
    if difference.low is None or difference.high is None:
        return f"{difference.value:+.2f}"
    return f"{difference.value:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}]"


@dataclass(frozen=True, slots=True)
class TaskReport:
    """Results of a run, or of runs that differ only in the seed, on one task, with baselines.

    Attributes:
        model: the scores of the model.
        baselines: the scores of each baseline, on the same targets.
        differences: for each baseline, by metric, the paired difference model - baseline; for `ece`, less is better.
        verdicts: whether the model beats each baseline, on the main metric first and then on detecting a change.
        seeds: every metric of the model by seed, in the order of the report's seeds.
        targets: the targets.
        forecasts: the model's forecasts, one per seed.
    """

    model: Measured
    baselines: Mapping[str, Measured]
    differences: Mapping[str, Mapping[str, Difference]]
    verdicts: tuple[Verdict, ...]
    seeds: Mapping[str, tuple[float, ...]]
    targets: Targets
    forecasts: tuple[Forecast, ...]

    def as_dict(self, model: str) -> dict[str, Any]:
        """Return the report as a dict; `model` is the run's name."""
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
    """Settings of the percentile bootstrap over whole dialogues and seeds."""

    draws: int
    seed: int
    level: float


@dataclass(frozen=True, slots=True)
class Report:
    """Scores of a run on a split of a dataset, or of runs of one recipe that differ only in the seed.

    Attributes:
        run: the run's name, or the common prefix of several.
        dataset: the dataset's name.
        split: the split.
        labels: the emotions by number.
        weights: SHA-256 of the weights; of several runs, separated by commas.
        tasks: the scores of each task.
        key: hash of the dataset's manifests.
        seeds: the seed of each run.
        recipe: the recipe of the first run.
        resampling: settings of the intervals.
        label_mapping: the map of the run's labels to other labels; None for its own labels.
        outside: by task, the mean probability of labels that the map leaves out.
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
    label_mapping: LabelMapping | None = None
    outside: Mapping[str, float] = field(default_factory=dict)

    @property
    def data(self) -> str:
        """Description of the data: dataset, split, and the label set if mapped."""
        return f"{self.dataset} {self.split}" + (f" by {self.label_mapping.name}" if self.label_mapping else "")

    @property
    def file_stem(self) -> str:
        """File name for the data, without a suffix."""
        return f"{self.dataset}-{self.split}" + (f"-{self.label_mapping.name}" if self.label_mapping else "")

    @property
    def protocol(self) -> str | None:
        """Description of the EPC protocol; None without prediction (EPC)."""
        return self.recipe.epc.in_words() if "epc" in self.recipe.tasks else None

    def as_dict(self) -> dict[str, Any]:
        """Return the report as a dict."""
        return {
            "run": self.run,
            "dataset": self.dataset,
            "split": self.split,
            "labels": list(self.labels),
            "weights": self.weights,
            "key": self.key,
            "seeds": list(self.seeds),
            "protocol": self.protocol,
            **(
                {"label_map": {**self.label_mapping.as_dict(), "outside": dict(self.outside)}}
                if self.label_mapping
                else {}
            ),
            "resampling": asdict(self.resampling),
            "tasks": {task: report.as_dict(self.run) for task, report in self.tasks.items()},
        }
