"""Tag word pairs with recurrence and relations, and compute importance (paper section 2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.api.errors import PluginError
from ecef_cli.plugin.boundary import calling, origin
from ecef_cli.tagging.phrases import WordTerms, word_terms
from ecef_cli.tagging.sequence import ContentSequence, SpeakerNames, read_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from ecef_cli.api.components import Tagger
    from ecef_cli.api.dialogue import Utterance

RELATIONS_CAP = 3
"""Maximum number of relations of a pair that count."""

_BLOCK_PAIRS = 1 << 20  # pairs per block
_BLOCK_WORDS = 1024  # later words per block
_VOCABULARY = 2048  # maximum lemmas to look up at once: 32 MiB of masks


@dataclass(frozen=True, slots=True, eq=False)
class DialogueTags:
    """The P tagged pairs among the content words of U utterances, by later word, then by earlier word.

    Attributes:
        bounds: (U+1,) int32, position of the start of each utterance. An utterance has one position for its
            speaker, then one for each of its words.
        left: (P,) int32, position of the earlier word.
        right: (P,) int32, position of the later word.
        recurrence: (P,) uint8, 1 if the two words are identical.
        relations: (P,) uint64, bit r is set if the tagger's r-th relation holds between the two.
        left_name: (P,) int32, the name number if the earlier word is a speaker's name, or -1.
        right_name: (P,) int32, the same for the later word.
        speakers: the speakers' names by utterance.
        history: the two utterances of a pair are fewer than this apart; None for no limit.
    """

    bounds: npt.NDArray[np.int32]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    recurrence: npt.NDArray[np.uint8]
    relations: npt.NDArray[np.uint64]
    left_name: npt.NDArray[np.int32]
    right_name: npt.NDArray[np.int32]
    speakers: SpeakerNames
    history: int | None

    def importance(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """Return Squeeze(M) of a window: the sum of each row of M.

        Args:
            first: number of the window's first utterance.
            last: number of its last utterance, inclusive.

        Returns:
            (K,) for the window's K positions.

        Raises:
            IndexError: the utterances do not exist.
            ValueError: the window is longer than the tags' history.
        """
        left, right, values, size = self._window(first, last)
        sums = np.bincount(left, values, minlength=size) + np.bincount(right, values, minlength=size)
        return sums.astype(np.float32)

    def matrix(self, first: int, last: int) -> npt.NDArray[np.int64]:
        """Return M of a window, (K, K): symmetric, with a zero diagonal. Arguments as for `importance`."""
        left, right, values, size = self._window(first, last)
        found = np.zeros((size, size), dtype=np.int64)
        found[left, right] = found[right, left] = values
        return found

    def weights(self) -> npt.NDArray[np.int64]:
        """Return (P,) the entries of M: `M_rec + M_rel`, where M_rel counts relations up to a cap."""
        return _weights(self.recurrence, self.relations)

    def utterance(self, position: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Return the number of the utterance at each position."""
        return (np.searchsorted(self.bounds, position, side="right") - 1).astype(np.int32)

    def seen(self) -> npt.NDArray[np.bool_]:
        """Return (P,) which pairs hold in the window that ends at the later word's utterance.

        The others contain the name of a speaker in that window.
        """
        end = self.utterance(self.right)
        hidden = [self.speakers.known(name, end, self.history) for name in (self.left_name, self.right_name)]
        return ~(hidden[0] | hidden[1])

    def _window(
        self, first: int, last: int
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int64], int]:
        if not 0 <= first <= last < len(self.bounds) - 1:
            raise IndexError(f"no window {first} … {last} in {len(self.bounds) - 1} utterances")
        if self.history is not None and last - first >= self.history:
            raise ValueError(f"the window {first} … {last} is longer than the history of {self.history} utterances")
        start, end = self.bounds[first], self.bounds[last + 1]
        within = slice(*np.searchsorted(self.right, [start, end]))
        names = self.speakers.within(first, last)
        kept = np.flatnonzero(
            (self.left[within] >= start)
            & ~np.isin(self.left_name[within], names)
            & ~np.isin(self.right_name[within], names)
        )
        weights = _weights(self.recurrence[within][kept], self.relations[within][kept])
        return self.left[within][kept] - start, self.right[within][kept] - start, weights, int(end - start)


def _weights(recurrence: npt.NDArray[np.uint8], relations: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    related = np.minimum(np.bitwise_count(relations), RELATIONS_CAP)
    return recurrence.astype(np.int64) + related.astype(np.int64)


def tag_utterances(utterances: Sequence[Utterance], tagger: Tagger, history: int | None) -> DialogueTags:
    """Return the tagged pairs of a dialogue.

    Args:
        utterances: the utterances, in the order of speech.
        tagger: the source of relations.
        history: words are paired if their utterances are fewer than this apart; None for no limit.

    Raises:
        PluginError: the tagger violates its contract.
    """
    return tag_sequence(read_for(tagger, utterances), tagger, history)


def tag_sequence(sequence: ContentSequence, tagger: Tagger, history: int | None) -> DialogueTags:
    """Return the tagged pairs of a sequence; arguments and errors as for `tag_utterances`.

    Multi-word terms count up to the length for which the sequence was read.
    """
    blocks = list(_tagged_blocks(sequence, tagger, history))
    left, right = (np.concatenate([np.zeros(0, np.int64), *(b[i] for b in blocks)]) for i in (0, 1))
    return DialogueTags(
        bounds=sequence.bounds,
        left=sequence.position[left],
        right=sequence.position[right],
        recurrence=(sequence.key[left] == sequence.key[right]).astype(np.uint8),
        relations=np.concatenate([np.zeros(0, np.uint64), *(b[2] for b in blocks)]),
        left_name=sequence.name[left],
        right_name=sequence.name[right],
        speakers=sequence.speakers,
        history=history,
    )


def _tagged_blocks(
    sequence: ContentSequence, tagger: Tagger, history: int | None
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint64]]]:
    """Yield tagged pairs, block by block: numbers of the earlier and the later word, and relations."""
    count = len(sequence.position)
    if history is None:
        first = np.zeros(count, dtype=np.int64)
    else:
        first = np.searchsorted(sequence.utterance, sequence.utterance - (history - 1))
    lengths = np.arange(count) - first  # every earlier word within the history makes a pair
    ends = np.cumsum(lengths)
    words = word_terms(sequence, tagger) if sequence.phrases else None
    words = None if words is None or words.single else words
    vocabulary = len(sequence.lemmas if words is None else words.terms)

    def look_up(start: int, stop: int) -> _Relations:
        if words is None:
            return _Relations(sequence, start, stop, tagger)
        return _TermRelations(words, start, stop, tagger)

    whole = None
    if history is None or vocabulary <= _VOCABULARY:
        whole = look_up(0, count)
    for start, stop in _cuts(ends, lengths):
        sizes = lengths[start:stop]
        base = ends[start] - lengths[start]
        right = np.repeat(np.arange(start, stop), sizes)
        run = ends[start:stop] - sizes - base
        left = np.arange(len(right)) + np.repeat(first[start:stop] - run, sizes)
        relations = (whole or look_up(int(first[start]), stop)).of(left, right)
        kept = np.flatnonzero((relations != 0) | (sequence.key[left] == sequence.key[right]))
        yield left[kept], right[kept], relations[kept]


def _cuts(ends: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield ranges of later words, each with a bounded number of words and of pairs."""
    start = 0
    while start < len(ends):
        reach = int(np.searchsorted(ends, ends[start] - lengths[start] + _BLOCK_PAIRS, side="right"))
        stop = max(start + 1, min(start + _BLOCK_WORDS, reach))
        yield start, stop
        start = stop


class _Relations:
    """Relations among the words `start` … `stop` - 1 of a sequence, in a table of their distinct lemmas."""

    def __init__(self, sequence: ContentSequence, start: int, stop: int, tagger: Tagger) -> None:
        chosen, self._place = np.unique(sequence.lemma[start:stop], return_inverse=True)
        self._start = start
        self._table = _table(tagger, [sequence.lemmas[i] for i in chosen])

    def of(self, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
        rows, columns = self._place[right - self._start], self._place[left - self._start]
        found: npt.NDArray[np.uint64] = self._table.ravel()[rows * len(self._table) + columns]
        return found


class _TermRelations(_Relations):
    """Relations among words with several terms, in a table of the distinct groups of terms.

    Two words are related if any of their terms are. Words of one phrase are related only by their lemmas, and forms
    of one lemma not at all.
    """

    def __init__(self, words: WordTerms, start: int, stop: int, tagger: Tagger) -> None:
        chosen, self._place = np.unique(words.kind[start:stop], return_inverse=True)
        self._start, self._together = start, words.together
        groups = [words.kinds[kind] for kind in chosen]
        terms, place = np.unique([term for group in groups for term in group], return_inverse=True)
        firsts = np.cumsum([0, *map(len, groups)])[:-1]
        table = _table(tagger, [words.terms[term] for term in terms])
        lemmas = place[firsts]
        self._lemmas = table[np.ix_(lemmas, lemmas)]
        either = np.bitwise_or.reduceat(table[:, place], firsts, axis=1)
        self._table = np.bitwise_or.reduceat(either[place], firsts, axis=0)
        self._table[lemmas[:, None] == lemmas] = 0

    def of(self, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
        found = super().of(left, right)
        within = np.flatnonzero(left >= self._together[right])
        rows, columns = (self._place[side[within] - self._start] for side in (right, left))
        found[within] = self._lemmas[rows, columns]
        return found


def _table(tagger: Tagger, lemmas: Sequence[str]) -> npt.NDArray[np.uint64]:
    with calling(tagger, "relate"):
        table = np.asanyarray(tagger.relate(lemmas))
    if table.shape != (len(lemmas), len(lemmas)) or table.dtype != np.uint64:
        raise PluginError(
            f"{origin(tagger)} breaks its contract: relate gave {table.dtype} {table.shape} for {len(lemmas)} lemmas, "
            "not uint64 of that number squared"
        )
    if np.diagonal(table).any() or not np.array_equal(table, table.T):
        raise PluginError(f"{origin(tagger)} breaks its contract: relate gave no symmetric table with a zero diagonal")
    return table
