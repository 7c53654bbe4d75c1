"""Checks of the rows of a dataset: ids, times and emotions."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ecef_cli.corpus.checks.check import Check, Problem, searched
from ecef_cli.workspace import SPLITS

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from ecef_cli.api.dialogue import Utterance

    Rows = Mapping[str, Sequence[Utterance]]
    """The utterances of each split, in the order of its manifest."""

CLOCKS: Mapping[str, tuple[str, ...]] = {"dialogue_start": (), "episode_start": ("season", "episode")}
"""Keys of a row that hold seconds on a clock which the rows of a dialogue share, and what tells one clock from another.
Beside them stands `start`, seconds into the recording."""


def check_ids(rows: Rows) -> Check:
    """Return whether each dialogue is in one split and in one piece, and each utterance in it once."""
    well = f"{sum(len(dialogue_ids(found)) for found in rows.values()):,} dialogues"
    wrong = ("row stands where it should not", "rows stand where they should not")
    return searched("dialogues and utterances stand once and together", _misplaced(rows), well=well, wrong=wrong)


def dialogue_ids(utterances: Sequence[Utterance]) -> set[str]:
    """Return the ids of the dialogues that utterances are of."""
    return {utterance.dialogue for utterance in utterances}


def _misplaced(rows: Rows) -> Iterator[Problem]:
    homes: dict[str, tuple[str, str]] = {}
    for split, utterances in rows.items():
        first: dict[tuple[str, str], str] = {}
        before, begun = None, set[str]()
        for utterance in utterances:
            name, where = utterance.dialogue, utterance.where or ""
            home, place = homes.setdefault(name, (split, where))
            if name != before:
                if home != split and name not in begun:
                    yield Problem(f"the dialogue {name!r} is in {split} here and in {home} at {place}", where)
                elif name in begun:
                    yield Problem(f"the dialogue {name!r} goes on here, after another has begun", where)
            begun.add(name)
            before = name
            there = first.setdefault((name, str(utterance.utterance)), where)
            if there != where:
                yield Problem(
                    f"dialogue {name!r}, utterance {utterance.utterance!r} stands here again, first at {there}", where
                )


def check_order(rows: Rows) -> Check:
    """Return whether the rows of each dialogue begin one after the other, on each clock that they state."""
    name = "rows do not go back in time"
    timed, problems = 0, []
    for utterances in rows.values():
        last: dict[tuple[str, Hashable], float] = {}
        for utterance in utterances:
            times = tuple(_times(utterance))
            timed += bool(times)
            for key, clock, seconds in times:
                before = last.get((utterance.dialogue, clock), seconds)
                last[utterance.dialogue, clock] = seconds
                if seconds < before:
                    label = f"{utterance.dialogue}/{utterance.utterance}"
                    text = f"{label} has {key} {seconds:g} s, the row before it {before:g} s"
                    problems.append(Problem(text, utterance.where))
    if not timed:
        return Check(name, "not measured", "no row says when it begins")
    wrong = ("row begins before the row before it", "rows begin before the row before them")
    # Some corpora number their utterances so; what the reader made of it is what was asked for.
    return searched(name, problems, well=f"{timed:,} rows say when they begin", wrong=wrong, status="noted")


def _times(utterance: Utterance) -> Iterator[tuple[str, Hashable, float]]:
    """Yield the key, the clock and the seconds of each time at which an utterance is said to begin."""
    if utterance.start is not None and utterance.audio is not None:
        yield "start", ("start", utterance.audio), utterance.start
    for key, others in CLOCKS.items():
        seconds = utterance.row.get(key)
        if isinstance(seconds, int | float) and not isinstance(seconds, bool):
            yield key, (key, *(str(utterance.row.get(other)) for other in others)), seconds


def check_emotions(rows: Rows, labels: Sequence[str]) -> Check:
    """Return whether every emotion is one of the labels."""
    known = {None, *labels}
    labelled = sum(u.emotion is not None for utterances in rows.values() for u in utterances)
    problems = (
        Problem(f"{u.dialogue}/{u.utterance} has the emotion {u.emotion!r}, which is no label", u.where)
        for utterances in rows.values()
        for u in utterances
        if u.emotion not in known
    )
    wrong = ("row has an emotion that is no label", "rows have an emotion that is no label")
    return searched("every emotion is a label", problems, well=f"{labelled:,} rows have one", wrong=wrong)


def check_labels(rows: Rows, labels: Sequence[str]) -> Check:
    """Return whether every label occurs, and in train too."""
    counts = {split: Counter(u.emotion for u in rows.get(split, ())) for split in SPLITS}
    problems = []
    for label in labels:
        splits = [split for split, count in counts.items() if count[label]]
        if not splits:
            problems.append(Problem(f"no utterance is {label!r}"))
        elif "train" not in splits and counts["train"]:
            problems.append(Problem(f"the emotion {label!r} is in {' and '.join(splits)} and not in train"))
    wrong = ("label is missing", "labels are missing")
    return searched("every label occurs, in train too", problems, well="all do", wrong=wrong, status="noted")
