"""Render the page of `ecef eval --report`: scores, plots and mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecef_cli.reports.page import label_class, render
from ecef_cli.reports.svg import inline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecef_cli.reports.model import Identity
    from ecef_cli.reports.picture import Picture
    from ecef_cli.reports.tables import Table


@dataclass(frozen=True, slots=True)
class Line:
    """An utterance of a dialogue."""

    speaker: str
    text: str


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong prediction.

    Attributes:
        dialogue: id of the dialogue.
        gold: the gold emotion.
        predicted: the predicted emotion.
        probability: its probability.
        gold_probability: probability of the gold emotion.
        context: the window's utterances, oldest first.
        unheard: the target utterance of a forecast, which the model did not read; None if it is the last one of
            `context`.
    """

    dialogue: str
    gold: str
    predicted: str
    probability: float
    gold_probability: float
    context: tuple[Line, ...]
    unheard: Line | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Section of a page about one task of one run.

    Attributes:
        title: its title.
        tables: its tables, with formatted cells.
        pictures: its plots.
        mistakes: the most confident mistakes, the most confident first; None to omit them.
        targets: number of predictions.
    """

    title: str
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    mistakes: tuple[Mistake, ...] | None = None
    targets: int = 0


def eval_report(title: str, sections: Sequence[Section], models: Sequence[Identity], labels: Sequence[str]) -> str:
    """Return the page of an evaluation.

    Args:
        title: the page's title.
        sections: its sections.
        models: the models.
        labels: the emotions by number.
    """
    numbers = iter(range(sum(len(section.pictures) for section in sections)))
    return render(
        "evaluation.html",
        title=title,
        sections=[(section, [inline(p, next(numbers)) for p in section.pictures]) for section in sections],
        models=models,
        style_of=lambda label: label_class(label, labels),
    )
