"""Checks of the rows of a dataset: ids, times and emotions."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ecef_cli.corpus.checks.check import Check, Problem, check_problems
from ecef_cli.workspace import SPLITS

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from ecef_cli.api.dialogue import Utterance

    Rows = Mapping[str, Sequence[Utterance]]
    """The utterances of each split, in the order of its manifest."""

CLOCKS: Mapping[str, tuple[str, ...]] = {"dialogue_start": (), "episode_start": ("season", "episode")}
"""Keys of a row with seconds on a clock shared by the rows of a dialogue, and the keys that identify the clock. `start`
counts seconds within the recording."""


def check_ids(rows: Rows) -> Check:
    """Check that each dialogue is in one split and contiguous, and each utterance in it unique."""
    well = f"{sum(len(dialogue_ids(found)) for found in rows.values()):,} dialogues"
    wrong = ("row is duplicate or misplaced", "rows are duplicate or misplaced")
    return check_problems(
        "dialogues and utterances are unique and contiguous", _misplaced(rows), well=well, wrong=wrong
    )


def dialogue_ids(utterances: Sequence[Utterance]) -> set[str]:
    """Return the ids of the utterances' dialogues."""
    return {utterance.dialogue for utterance in utterances}


def _misplaced(rows: Rows) -> Iterator[Problem]:
    homes: dict[str, tuple[str, str]] = {}
    for split, utterances in rows.items():
        first: dict[tuple[str, str], str] = {}
        before, begun = None, set[str]()
        for utterance in utterances:
            name, where = utterance.dialogue, utterance.where or ""
            home, location = homes.setdefault(name, (split, where))
            if name != before:
                if home != split and name not in begun:
                    yield Problem(f"dialogue {name!r} is in {split} here, but in {home} at {location}", where)
                elif name in begun:
                    yield Problem(f"dialogue {name!r} continues after another one started", where)
            begun.add(name)
            before = name
            there = first.setdefault((name, str(utterance.utterance)), where)
            if there != where:
                yield Problem(
                    f"duplicate utterance {utterance.utterance!r} of dialogue {name!r}, first at {there}", where
                )


def check_order(rows: Rows) -> Check:
    """Check that the rows of each dialogue are ordered by start, on each of their clocks."""
    name = "rows are ordered by start"
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
                    text = f"{label} has {key} {seconds:g} s, the previous row {before:g} s"
                    problems.append(Problem(text, utterance.where))
    if not timed:
        return Check(name, "not measured", "no row has a start")
    wrong = ("row starts before the previous row", "rows start before the previous row")
    # Not a failure: some corpora number their utterances this way.
    return check_problems(name, problems, well=f"{timed:,} rows have a start", wrong=wrong, status="noted")


def _times(utterance: Utterance) -> Iterator[tuple[str, Hashable, float]]:
    """Yield the key, the clock and the seconds of each start of an utterance."""
    if utterance.start is not None and utterance.audio is not None:
        yield "start", ("start", utterance.audio), utterance.start
    for key, others in CLOCKS.items():
        seconds = utterance.row.get(key)
        if isinstance(seconds, int | float) and not isinstance(seconds, bool):
            yield key, (key, *(str(utterance.row.get(other)) for other in others)), seconds


def check_emotions(rows: Rows, labels: Sequence[str]) -> Check:
    """Check that every emotion is one of the labels."""
    known = {None, *labels}
    labelled = sum(u.emotion is not None for utterances in rows.values() for u in utterances)
    problems = (
        Problem(f"{u.dialogue}/{u.utterance} has the emotion {u.emotion!r}, which is not a label", u.where)
        for utterances in rows.values()
        for u in utterances
        if u.emotion not in known
    )
    wrong = ("row has an unknown emotion", "rows have an unknown emotion")
    return check_problems("every emotion is a label", problems, well=f"{labelled:,} rows have one", wrong=wrong)


def check_labels(rows: Rows, labels: Sequence[str]) -> Check:
    """Check that every label occurs, also in train."""
    counts = {split: Counter(u.emotion for u in rows.get(split, ())) for split in SPLITS}
    problems = []
    for label in labels:
        splits = [split for split, count in counts.items() if count[label]]
        if not splits:
            problems.append(Problem(f"no utterance is {label!r}"))
        elif "train" not in splits and counts["train"]:
            problems.append(Problem(f"the emotion {label!r} is in {' and '.join(splits)}, but not in train"))
    wrong = ("label is missing", "labels are missing")
    return check_problems("every label occurs, also in train", problems, well="all do", wrong=wrong, status="noted")
