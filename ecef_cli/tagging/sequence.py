"""Read dialogues as sequences of content words with positions and speakers' names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.api.dialogue import words
from ecef_cli.plugin.boundary import calling
from ecef_cli.tagging.content import analyse, name_keys
from ecef_cli.tagging.phrases import Phrase, phrases

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from ecef_cli.api.components import Tagger
    from ecef_cli.api.dialogue import Utterance

NO_NAME = -1
"""Name number of a word that is not part of a speaker's name."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerNames:
    """Names of the speakers of U utterances; every word of a name has its own number.

    Attributes:
        bounds: (U+1,) int32, start of each utterance's part of `names`.
        names: (N,) int32, the numbers of the names of the utterances' speakers.
    """

    bounds: npt.NDArray[np.int32]
    names: npt.NDArray[np.int32]

    def within(self, first: int, last: int) -> npt.NDArray[np.int32]:
        """Return the names of the speakers of utterances `first` … `last`."""
        return self.names[self.bounds[first] : self.bounds[last + 1]]

    def known(
        self, name: npt.NDArray[np.int32], utterance: npt.NDArray[np.int32], history: int | None
    ) -> npt.NDArray[np.bool_]:
        """Return for each of Q names whether that person speaks in the window that ends at an utterance.

        Args:
            name: (Q,) name numbers; `NO_NAME` is never known.
            utterance: (Q,) numbers of the windows' last utterances.
            history: utterances in a window; None for all from the start.
        """
        count = len(self.bounds) - 1
        spoken = np.repeat(np.arange(count, dtype=np.int64), np.diff(self.bounds))
        keys = np.unique(self.names.astype(np.int64) * count + spoken)
        if not len(keys):
            return np.zeros(len(name), dtype=np.bool_)
        asked = name.astype(np.int64) * count
        # The person's latest utterance up to the window's end.
        latest = keys[np.maximum(np.searchsorted(keys, asked + utterance, side="right") - 1, 0)]
        start = np.zeros_like(asked) if history is None else np.maximum(utterance - history + 1, 0)
        known: npt.NDArray[np.bool_] = (name != NO_NAME) & (latest >= asked + start) & (latest <= asked + utterance)
        return known


@dataclass(frozen=True, slots=True, eq=False)
class ContentSequence:
    """The C content words of U utterances, in order.

    An utterance has one position for its speaker, then one for each of its words.

    Attributes:
        bounds: (U+1,) int32, position of the start of each utterance.
        texts: the C words as written.
        position: (C,) int32, position of each.
        utterance: (C,) int32, number of its utterance.
        key: (C,) int32, equal if words are identical.
        lemma: (C,) int32, index into `lemmas`.
        lemmas: the distinct lemmas.
        name: (C,) int32, the name number if the word is a speaker's name, or `NO_NAME`.
        speakers: the speakers' names by utterance.
        phrases: candidates for multi-word terms.
    """

    bounds: npt.NDArray[np.int32]
    texts: tuple[str, ...]
    position: npt.NDArray[np.int32]
    utterance: npt.NDArray[np.int32]
    key: npt.NDArray[np.int32]
    lemma: npt.NDArray[np.int32]
    lemmas: tuple[str, ...]
    name: npt.NDArray[np.int32]
    speakers: SpeakerNames
    phrases: tuple[Phrase, ...] = ()

    def counted(self, history: int | None) -> npt.NDArray[np.bool_]:
        """Return (C,) which words are content words in the window that ends at their own utterance.

        Names of speakers in that window are not.
        """
        return ~self.speakers.known(self.name, self.utterance, history)


def read_sequence(utterances: Sequence[Utterance], longest_term: int = 1) -> ContentSequence:
    """Return the content words of utterances.

    Args:
        utterances: the utterances, in the order of speech.
        longest_term: words in the longest term to look up.
    """
    names, speakers = _speakers(utterances)
    keys: dict[str, int] = {}
    lemmas: dict[str, int] = {}
    bounds, texts, found_phrases = [0], list[str](), list[Phrase]()
    rows: list[tuple[int, ...]] = []
    for number, utterance in enumerate(utterances):
        found = words(utterance.spoken)
        contents = analyse(found)
        if longest_term > 1:
            found_phrases += phrases(found, contents, len(rows), longest_term)
        for position, (word, content) in enumerate(zip(found, contents, strict=True), start=bounds[-1] + 1):
            if content is None:
                continue
            key = keys.setdefault(content.key, len(keys))
            lemma = lemmas.setdefault(content.lemma, len(lemmas))
            texts.append(word.text)
            rows.append((position, number, key, lemma, names.get(content.key, NO_NAME)))
        bounds.append(bounds[-1] + 1 + len(found))
    columns = np.array(rows, dtype=np.int32).reshape(-1, 5).T.copy()
    return ContentSequence(
        bounds=np.array(bounds, dtype=np.int32),
        texts=tuple(texts),
        position=columns[0],
        utterance=columns[1],
        key=columns[2],
        lemma=columns[3],
        lemmas=tuple(lemmas),
        name=columns[4],
        speakers=speakers,
        phrases=tuple(found_phrases),
    )


def read_for(tagger: Tagger, utterances: Sequence[Utterance]) -> ContentSequence:
    """Return the content words of utterances, with the terms of several words that a tagger looks up.

    Raises:
        PluginError: the tagger fails.
    """
    with calling(tagger, "longest_term"):
        longest = tagger.longest_term
    return read_sequence(utterances, longest)


def _speakers(utterances: Sequence[Utterance]) -> tuple[dict[str, int], SpeakerNames]:
    by_speaker = {u.speaker: sorted(name_keys(u.speaker)) for u in utterances}
    numbers: dict[str, int] = {}
    for parts in by_speaker.values():
        for part in parts:
            numbers.setdefault(part, len(numbers))
    spoken = [[numbers[part] for part in by_speaker[u.speaker]] for u in utterances]
    bounds = np.cumsum([0, *map(len, spoken)], dtype=np.int32)
    return numbers, SpeakerNames(bounds, np.array([n for group in spoken for n in group], dtype=np.int32))
