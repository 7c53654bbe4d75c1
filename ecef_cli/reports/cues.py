"""Find cue words: words that KWRT weights in each utterance, with the reasons."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecef_cli.api.dialogue import words
from ecef_cli.tagging.content import analyse
from ecef_cli.tagging.explain import explain_dialogue
from ecef_cli.tagging.report import tag_dialogue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecef_cli.api.components import Tagger
    from ecef_cli.api.dialogue import Dialogue, Utterance
    from ecef_cli.tagging.report import TaggedPair


@dataclass(frozen=True, slots=True)
class Bond:
    """Relation of a word to another one.

    Attributes:
        word: the other word.
        utterance: number of its utterance in the dialogue, from 0.
        statements: the reasons, such as `kangaroo IsA animal`.
        later: whether the other word is in a later utterance, which the model did not know.
    """

    word: str
    utterance: int
    statements: tuple[str, ...]
    later: bool


@dataclass(frozen=True, slots=True)
class Cue:
    """A word that is related to others.

    Attributes:
        start: its start in the utterance's text, in characters.
        end: its end, exclusive.
        importance: its entry of Squeeze(M) in the window that ends at its utterance, as read by the network.
        bonds: its relations to other words, in order.
    """

    start: int
    end: int
    importance: int
    bonds: tuple[Bond, ...]


@dataclass(frozen=True, slots=True)
class Cues:
    """The cue words of a dialogue.

    Attributes:
        utterances: the cues of each utterance, in the order of its text.
        pairs: all tagged pairs, with their statements.
    """

    utterances: tuple[tuple[Cue, ...], ...]
    pairs: tuple[tuple[TaggedPair, tuple[str, ...]], ...]


def find_cues(dialogue: Dialogue, tagger: Tagger, history: int | None) -> Cues:
    """Return the cue words of a dialogue.

    Args:
        dialogue: the dialogue.
        tagger: the source of relations.
        history: utterances in a window; None for all of the dialogue so far.

    Raises:
        PluginError: the tagger violates its contract.
    """
    reach = history or max(1, len(dialogue.utterances))
    tagged = tag_dialogue(dialogue, tagger, reach)
    statements = _statements(dialogue, tagger, reach)
    importance: dict[int, int] = defaultdict(int)
    bonds: dict[int, list[Bond]] = defaultdict(list)
    pairs = []
    for pair in tagged.pairs:
        reasons = statements.get(pair.positions, ())
        if pair.recurrence:
            reasons = ("the same word", *reasons)
        pairs.append((pair, reasons))
        utterances = [tagged.words[position].utterance for position in pair.positions]
        for side, position in enumerate(pair.positions):
            other = pair.positions[1 - side]
            later = utterances[1 - side] > utterances[side]
            bonds[position].append(Bond(tagged.words[other].text, utterances[1 - side], reasons, later))
            if not later:
                importance[position] += pair.importance
    spans = _spans(dialogue.utterances)
    found: list[list[Cue]] = [[] for _ in dialogue.utterances]
    for position in sorted(bonds):
        start, end = spans[position]
        cue = Cue(start, end, importance[position], tuple(bonds[position]))
        found[tagged.words[position].utterance].append(cue)
    return Cues(tuple(map(tuple, found)), tuple(pairs))


def _statements(dialogue: Dialogue, tagger: Tagger, history: int) -> Mapping[tuple[int, int], tuple[str, ...]]:
    """Return the statements for each pair, by its positions."""
    found: dict[tuple[int, int], list[str]] = defaultdict(list)
    for reason in explain_dialogue(dialogue, tagger, history):
        edge = reason.edge
        if edge is None:
            text = f"{reason.relation}, in either direction"
        else:
            text = f"{_term(edge.start)} {edge.relation} {_term(edge.end)}"
        found[reason.pair.positions].append(text)
    return {positions: tuple(dict.fromkeys(texts)) for positions, texts in found.items()}


def _term(term: str) -> str:
    return term.replace("_", " ")


def _spans(utterances: Sequence[Utterance]) -> list[tuple[int, int]]:
    """Return the span of each content word of a dialogue in its utterance's spoken text, in the order of the tags."""
    spans = []
    for utterance in utterances:
        found = words(utterance.spoken)
        contents = analyse(found)
        spans += [(w.start, w.end) for w, content in zip(found, contents, strict=True) if content is not None]
    return spans
