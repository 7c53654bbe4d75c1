"""Which of MELD's recordings an utterance gets, and why some get none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ecef_cli.api.components import Dropped
from ecef_cli.api.errors import DataError
from ecef_datasets.meld_clips import EMOBOX, PUBLISHED, WRONG_CUTS, Clip, wrong_length

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecef_cli.api.components import Corpus
    from ecef_cli.api.dialogue import Utterance
    from ecef_datasets.meld_recordings import Recorded

FAULT = "clip_fault"
"""The key of a row that says why its recording is left out."""


def with_recordings(corpus: Corpus, recorded: Recorded) -> Corpus:
    """Return the corpus with a recording for every utterance that has one of use.

    What is known to be of no use is left out without further ado; what else is missing or broken counts as a broken
    row. The text of either stays. A split of which there is no recording at all is one that was not given.
    """
    hearing = _Hearing(recorded)
    splits = {
        split: tuple(
            replace(dialogue, utterances=tuple(hearing.heard(split, utterance) for utterance in dialogue.utterances))
            for dialogue in dialogues
        )
        for split, dialogues in corpus.splits.items()
    }
    return replace(
        corpus, splits=splits, muted=tuple(hearing.muted), remarks=(*corpus.remarks, *hearing.remarks(corpus))
    )


class _Hearing:
    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self._given = {clip.split for clip in (*recorded.seconds, *recorded.faults)}
        self._rows: set[Clip] = set()
        self.muted: list[Dropped] = []

    def heard(self, split: str, utterance: Utterance) -> Utterance:
        """Return an utterance with its recording, or with why it has none."""
        if split not in self._given:
            return utterance
        clip = Clip(split, int(utterance.dialogue.rpartition("dia")[2]), int(utterance.utterance))
        self._rows.add(clip)
        known, broken = self._known(clip, utterance), self._broken(clip)
        if known or broken:
            reason = known or f"recording {clip}: {broken}"
            error = None if known else DataError(reason, where=utterance.where)
            item = f"{utterance.dialogue}/{utterance.utterance}"
            self.muted.append(Dropped(split, item, reason, utterance.where or "", error))
            return replace(utterance, row={**utterance.row, FAULT: known or broken})
        return replace(utterance, audio=self._recorded.folder / clip.path)

    def _known(self, clip: Clip, utterance: Utterance) -> str | None:
        stated = utterance.row.get(FAULT) or WRONG_CUTS.get((clip.split, clip.dialogue, clip.utterance))
        if stated or clip not in self._recorded.seconds:
            return stated
        row = utterance.row
        return wrong_length(self._recorded.seconds[clip], row["episode_end"] - row["episode_start"])

    def _broken(self, clip: Clip) -> str | None:
        if clip in self._recorded.seconds:
            return None
        return self._recorded.faults.get(clip, "it is missing")

    def remarks(self, corpus: Corpus) -> Iterator[str]:
        """Yield what is to be known of the recordings as a whole."""
        for split in corpus.splits:
            if split not in self._given:
                yield f"no recording of {split} was given"
        strays = sum(clip not in self._rows for clip in (*self._recorded.seconds, *self._recorded.faults))
        if strays:
            yield f"recordings that no row is of: {strays:,}"
        for split, dialogues in corpus.splits.items():
            rows = sum(len(dialogue.utterances) for dialogue in dialogues)
            if rows == PUBLISHED[split] and split in self._given:
                found = sum(clip.split == split for clip in self._rows if clip in self._recorded.seconds)
                if found < EMOBOX[split]:
                    yield f"recordings of {split}: {found:,} can be decoded, EmoBox uses {EMOBOX[split]:,}"
