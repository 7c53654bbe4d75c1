"""`ecef eval --report`: scores, pictures and mistakes as one page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecef_cli.reports.page import label_class, render
from ecef_cli.reports.svg import inline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecef_cli.reports.model import Identity
    from ecef_cli.reports.picture import Picture


@dataclass(frozen=True, slots=True)
class Grid:
    """A table in words.

    Attributes:
        title: what it shows.
        columns: headings.
        rows: cells.
        names: how many columns from the left say what a row is of.
        notes: what is to be read below it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: int = 1
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """An utterance of a dialogue."""

    speaker: str
    text: str


@dataclass(frozen=True, slots=True)
class Mistake:
    """A prediction that is wrong.

    Attributes:
        dialogue: id of the dialogue.
        gold: the gold emotion.
        predicted: the emotion that was predicted.
        probability: its probability.
        gold_probability: that of the gold emotion.
        context: the window's utterances, oldest first.
        unheard: the utterance that a forecast is about, which the model did not have; None where it is the last one
            of `context`.
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
    """What is said of one task of one run.

    Attributes:
        title: of the section.
        tables: its tables.
        pictures: its pictures.
        mistakes: the most confident mistakes, the most confident first; None where there is no one to list them of.
        targets: how many predictions there were.
    """

    title: str
    tables: tuple[Grid, ...] = ()
    pictures: tuple[Picture, ...] = ()
    mistakes: tuple[Mistake, ...] | None = None
    targets: int = 0


def eval_report(title: str, sections: Sequence[Section], models: Sequence[Identity], labels: Sequence[str]) -> str:
    """Return the page of an evaluation.

    Args:
        title: what was measured.
        sections: what was found.
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
