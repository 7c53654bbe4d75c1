"""Pair MELD's utterances with their recordings."""

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
"""Key of a row with the reason for leaving out its recording."""


def with_recordings(corpus: Corpus, recorded: Recorded) -> Corpus:
    """Return the corpus with a recording for every utterance that has a usable one.

    Recordings with known faults are always left out; others that are missing or broken count as invalid
    rows. The text stays in both cases. A split without any recording counts as not given.
    """
    pairing = _Pairing(recorded)
    splits = {
        split: tuple(
            replace(dialogue, utterances=tuple(pairing.paired(split, utterance) for utterance in dialogue.utterances))
            for dialogue in dialogues
        )
        for split, dialogues in corpus.splits.items()
    }
    return replace(
        corpus, splits=splits, muted=tuple(pairing.muted), remarks=(*corpus.remarks, *pairing.remarks(corpus))
    )


class _Pairing:
    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self._given = {clip.split for clip in (*recorded.seconds, *recorded.faults)}
        self._rows: set[Clip] = set()
        self.muted: list[Dropped] = []

    def paired(self, split: str, utterance: Utterance) -> Utterance:
        """Return an utterance with its recording, or with the reason why it has none."""
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
        """Yield remarks about the recordings as a whole."""
        for split in corpus.splits:
            if split not in self._given:
                yield f"no recordings of {split} were given"
        strays = sum(clip not in self._rows for clip in (*self._recorded.seconds, *self._recorded.faults))
        if strays:
            yield f"recordings without a row: {strays:,}"
        for split, dialogues in corpus.splits.items():
            rows = sum(len(dialogue.utterances) for dialogue in dialogues)
            if rows == PUBLISHED[split] and split in self._given:
                found = sum(clip.split == split for clip in self._rows if clip in self._recorded.seconds)
                if found < EMOBOX[split]:
                    yield f"recordings of {split}: {found:,} can be decoded, EmoBox uses {EMOBOX[split]:,}"
