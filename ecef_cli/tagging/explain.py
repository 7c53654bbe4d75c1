"""Explain tagged pairs by statements of the source."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from ecef_cli import console
from ecef_cli.plugin.boundary import calling
from ecef_cli.tagging.phrases import word_terms
from ecef_cli.tagging.report import tag_dialogue
from ecef_cli.tagging.sequence import read_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecef_cli.api.components import Edge, Tagger
    from ecef_cli.api.dialogue import Dialogue
    from ecef_cli.tagging.report import TaggedPair


@dataclass(frozen=True, slots=True)
class Reason:
    """A statement that relates the words of a pair.

    Attributes:
        pair: the pair.
        relation: the relation.
        edge: the statement; None if the source has no record of it.
    """

    pair: TaggedPair
    relation: str
    edge: Edge | None

    def row(self, *, flat: bool) -> dict[str, Any]:
        """Return the reason as a row; if `flat`, with one value per cell."""
        words: dict[str, Any] = {"words": list(self.pair.words), "utterances": list(self.pair.utterances)}
        if flat:
            words = {
                f"{when}_{name[:-1]}": values[side]
                for side, when in enumerate(("earlier", "later"))
                for name, values in words.items()
            }
        return {
            "dialogue": self.pair.dialogue,
            **words,
            "relation": self.relation,
            "start": self.edge and self.edge.start,
            "end": self.edge and self.edge.end,
            "weight": self.edge and self.edge.weight,
            "source": self.edge and self.edge.source,
        }


def explain_dialogue(dialogue: Dialogue, tagger: Tagger, history: int) -> list[Reason]:
    """Return the statements for the tagged pairs of a dialogue; pairs that only recur have none.

    Raises:
        PluginError: the tagger violates its contract.
    """
    sequence = read_for(tagger, dialogue.utterances)
    words = word_terms(sequence, tagger)

    @cache
    def edges(first: str, second: str) -> tuple[Edge, ...]:
        with calling(tagger, "edges"):
            return tuple(tagger.edges(first, second))

    reasons = []
    for pair in tag_dialogue(dialogue, tagger, history).pairs:
        if not pair.relations:
            continue
        found = [edge for terms in words.between(*pair.positions) for edge in edges(*terms)]
        found = [edge for edge in dict.fromkeys(found) if edge.relation in pair.relations]
        recorded = {edge.relation for edge in found}
        reasons += [Reason(pair, edge.relation, edge) for edge in found]
        reasons += [Reason(pair, name, None) for name in pair.relations if name not in recorded]
    return reasons


def show_reasons(reasons: Sequence[Reason], *, wanted: str | None) -> None:
    """Write reasons, one row each, or a note if there is none.

    Args:
        reasons: the reasons.
        wanted: one of `console.FORMATS`, or None to choose by stdout.
    """
    flat = console.choose_format(wanted) in {"table", "csv"}
    console.records([reason.row(flat=flat) for reason in reasons], wanted=wanted, columns=_COLUMNS if flat else None)
    if not reasons:
        console.note("no pair of content words is related")


_COLUMNS = (
    "dialogue",
    "earlier_word",
    "later_word",
    "earlier_utterance",
    "later_utterance",
    "relation",
    "start",
    "end",
    "weight",
    "source",
)
