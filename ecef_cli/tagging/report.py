"""Print tags: one row per tagged pair, or the figure of the paper (Figure 2)."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecef_cli import console
from ecef_cli.plugin.boundary import calling
from ecef_cli.tagging.letters import NO_RELATION, relation_letters, tag
from ecef_cli.tagging.pairs import tag_sequence
from ecef_cli.tagging.sequence import read_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecef_cli.api.components import Tagger
    from ecef_cli.api.dialogue import Dialogue

FIGURE_WORDS = 60
"""Maximum number of content words in a figure; longer dialogues show only their last window."""


@dataclass(frozen=True, slots=True)
class TaggedWord:
    """A content word of a dialogue.

    Attributes:
        text: the word as written.
        utterance: number of its utterance in the dialogue, from 0.
        named: whether it names a speaker of the window that ends at its utterance.
    """

    text: str
    utterance: int
    named: bool


@dataclass(frozen=True, slots=True)
class TaggedPair:
    """A pair with a recurrence or a relation, as in the window that ends at its later word's utterance.

    Attributes:
        dialogue: id of the dialogue.
        words: the two words as written, the earlier one first.
        positions: their indices among the dialogue's content words, from 0. Names count too, so that no index
            depends on later speakers.
        utterances: the ids of their utterances.
        recurrence: 1 if they are identical.
        relations: the relations between them.
        tag: as in the paper's figure.
        importance: the pair's entry in M.
    """

    dialogue: str
    words: tuple[str, str]
    positions: tuple[int, int]
    utterances: tuple[str | int, str | int]
    recurrence: int
    relations: tuple[str, ...]
    tag: str
    importance: int

    def row(self) -> dict[str, Any]:
        """Return the pair as a row of JSON Lines."""
        return {
            "dialogue": self.dialogue,
            "words": list(self.words),
            "positions": list(self.positions),
            "utterances": list(self.utterances),
            "recurrence": self.recurrence,
            "relations": list(self.relations),
            "tag": self.tag,
            "importance": self.importance,
        }

    def flat_row(self) -> dict[str, Any]:
        """Return the pair as a row of CSV, one value per cell; relations are separated by spaces."""
        row = self.row()
        for name in ("words", "positions", "utterances"):
            row[f"earlier_{name[:-1]}"], row[f"later_{name[:-1]}"] = row.pop(name)
        return {**row, "relations": " ".join(self.relations)}


@dataclass(frozen=True, slots=True)
class TaggedDialogue:
    """The content words and tagged pairs of a dialogue.

    Attributes:
        id: id of the dialogue.
        words: its content words, in order.
        pairs: its tagged pairs, by later word.
        history: utterances in a window.
        utterances: number of utterances in the dialogue.
    """

    id: str
    words: tuple[TaggedWord, ...]
    pairs: tuple[TaggedPair, ...]
    history: int
    utterances: int


def tag_dialogue(dialogue: Dialogue, tagger: Tagger, history: int) -> TaggedDialogue:
    """Return the tags of a dialogue.

    The tags of a pair are those of the window that ends at the later word's utterance, so later utterances do not
    change them.

    Raises:
        PluginError: the tagger violates its contract.
    """
    sequence = read_for(tagger, dialogue.utterances)
    tags = tag_sequence(sequence, tagger, history)
    with calling(tagger, "relations"):
        names = tuple(tagger.relations)
    letters = relation_letters(tagger, names)
    ids = [u.utterance for u in dialogue.utterances]
    number = np.zeros(int(sequence.bounds[-1]), dtype=np.int64)
    number[sequence.position] = np.arange(len(sequence.position))
    weights = tags.weights()
    pairs = []
    for p in np.flatnonzero(tags.seen()):
        i, j = int(number[tags.left[p]]), int(number[tags.right[p]])
        mask, recurrence = int(tags.relations[p]), int(tags.recurrence[p])
        relations = tuple(name for bit, name in enumerate(names) if mask >> bit & 1)
        pairs.append(
            TaggedPair(
                dialogue=dialogue.id,
                words=(sequence.texts[i], sequence.texts[j]),
                positions=(i, j),
                utterances=(ids[sequence.utterance[i]], ids[sequence.utterance[j]]),
                recurrence=recurrence,
                relations=relations,
                tag=tag(recurrence, relations, letters),
                importance=int(weights[p]),
            )
        )
    counted = sequence.counted(history)
    found = tuple(
        TaggedWord(text, int(utterance), named=not content)
        for text, utterance, content in zip(sequence.texts, sequence.utterance, counted, strict=True)
    )
    return TaggedDialogue(dialogue.id, found, tuple(pairs), history, len(dialogue.utterances))


def figure(tagged: TaggedDialogue, *, paired_only: bool = False) -> str:
    """Return the paper's Figure 2: a table of the tags of all pairs of content words.

    Columns are the content words in order, each row ends with its word, and only the upper triangle is
    filled. Speakers' names are left out. For a dialogue of more than `FIGURE_WORDS` content words, the table shows
    only the window of its last utterances.

    Args:
        tagged: the dialogue.
        paired_only: leave out words without a tagged pair.
    """
    start = max(0, tagged.utterances - tagged.history) if is_shortened(tagged) else 0
    paired = {position for pair in tagged.pairs for position in pair.positions}
    shown = [
        position
        for position, word in enumerate(tagged.words)
        if word.utterance >= start and (position in paired or not (word.named or paired_only))
    ]
    if not shown:
        return "(no pair of content words is tagged)" if paired_only else "(no content words)"
    tags = {pair.positions: pair.tag for pair in tagged.pairs}
    rows = [
        ["" if column < row else tags.get((row, column), f"0/{NO_RELATION}") for column in shown]
        + [tagged.words[row].text]
        for row in shown
    ]
    return console.table(rows, [tagged.words[column].text for column in shown] + [""])


def is_shortened(tagged: TaggedDialogue) -> bool:
    """Return whether the figure shows only the dialogue's last window."""
    return len(tagged.words) > FIGURE_WORDS


def show(found: Sequence[TaggedDialogue], *, wanted: str | None) -> None:
    """Write tagged dialogues: figures as a table, else one row per pair, or a note if there is none.

    Args:
        found: the dialogues.
        wanted: one of `console.FORMATS`, or None to choose by stdout.
    """
    form = console.choose_format(wanted)
    if form != "table":
        pairs = [pair for tagged in found for pair in tagged.pairs]
        console.records(
            [pair.flat_row() if form == "csv" else pair.row() for pair in pairs],
            wanted=form,
            columns=_CSV_COLUMNS if form == "csv" else None,
        )
        if not pairs:
            console.note("no pair of content words recurs or is related")
        return
    width = shutil.get_terminal_size().columns
    for number, tagged in enumerate(found):
        text, remark = _fitting(tagged, width)
        if number:
            console.data("")
        console.data(f"dialogue {tagged.id}\n{text}")
        if remark:
            console.note(f"dialogue {tagged.id}: {remark}")


def _fitting(tagged: TaggedDialogue, width: int) -> tuple[str, str | None]:
    """Return the largest of figure, figure of paired words, and list of pairs that fits into `width` columns.

    The second value describes what was left out, if anything.
    """
    part = f"the last {tagged.history} of {tagged.utterances} utterances; " if is_shortened(tagged) else ""
    everything = f"{part}--format jsonl lists every pair"
    text = figure(tagged)
    if _width(text) <= width:
        return text, everything if part else None
    text = figure(tagged, paired_only=True)
    if _width(text) <= width:
        return text, f"shows only paired words, to fit {width} columns; {everything}"
    rows = [[pair.tag, *pair.words, *pair.utterances] for pair in tagged.pairs]
    text = console.table(rows, ["tag", "word", "and word", "utterance", "and utterance"])
    return (
        text,
        f"the figure is wider than {width} columns, so the pairs are listed; set COLUMNS to change the width",
    )


def _width(text: str) -> int:
    return max(map(len, text.splitlines()))


_CSV_COLUMNS = (
    "dialogue",
    "earlier_word",
    "later_word",
    "earlier_position",
    "later_position",
    "earlier_utterance",
    "later_utterance",
    "recurrence",
    "relations",
    "tag",
    "importance",
)
