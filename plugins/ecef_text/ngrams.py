"""Logistic regression on the n-grams of an utterance's words and exclamations."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from ecef_cli.api.components import CueClassifier, CueState, Options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from ecef_cli.api.components import TextWindow, Turn

_MARKS = re.compile(r"[!?\u2026]+|\.\.+")  # the punctuation that can tell an emotion
_TURN_TAKING = 2  # features: the utterance opens the dialogue, its speaker goes on
_ABSENT = -20.0  # logit of a label that the training data lack
_SHORTEST = 2  # characters of an n-gram of them
_CHARACTERS = "\t"  # starts an n-gram of characters; no word holds it


class NgramOptions(Options):
    """Which n-grams count, and how closely they are followed."""

    words: int = Field(3, ge=1, le=5, description="words of an n-gram at most; a run of `!`, `?` or `.` is a word")
    characters: int = Field(0, ge=0, le=8, description="characters of an n-gram within a word at most; 0 for none")
    least: int = Field(2, ge=1, description="utterances that an n-gram occurs in at least")
    closeness: float = Field(1.0, gt=0, description="how closely training data are fitted, scikit-learn's `C`")


class NgramClassifier(CueClassifier):
    """Multinomial logistic regression on TF-IDF weights of n-grams, with log-scaled counts, of unit length.

    Beside them it knows whether the utterance opens the dialogue and whether its speaker goes on.
    """

    Options = NgramOptions
    options: NgramOptions

    def fit(self, windows: Sequence[TextWindow], targets: Sequence[int], labels: int) -> CueState:
        """Return the n-grams, their IDF and the coefficients of each label."""
        from scipy.sparse import csr_matrix
        from sklearn.linear_model import LogisticRegression

        counts = Counter(gram for window in windows for gram in set(self._grams(window.turns[-1])))
        terms = sorted(gram for gram, count in counts.items() if count >= self.options.least)
        shares = np.asarray([1 + counts[term] for term in terms], dtype=np.float64) / (1 + len(windows))
        self._take(terms, (1 - np.log(shares)).astype(np.float32))
        rows = [self._features(window) for window in windows]
        starts = np.cumsum([0, *(len(places) for places, _ in rows)])
        places, weights = (np.concatenate(part) for part in zip(*rows, strict=True))
        size = len(terms) + _TURN_TAKING
        coefficients = np.zeros((labels, size), dtype=np.float32)
        intercepts = np.full(labels, _ABSENT, dtype=np.float32)
        known = np.unique(targets)
        intercepts[known] = 0.0
        if len(known) > 1:
            matrix = csr_matrix((weights, places, starts), shape=(len(rows), size))
            found = LogisticRegression(C=self.options.closeness, max_iter=1000).fit(matrix, targets)
            learned = known[-len(found.coef_) :]  # of two labels, scikit-learn has the second's alone
            coefficients[learned], intercepts[learned] = found.coef_, found.intercept_
        return CueState({"idf": self._idf, "coefficients": coefficients, "intercepts": intercepts}, {"terms": terms})

    def restore(self, state: CueState) -> None:
        """Take the n-grams and their coefficients."""
        self._take(state.facts["terms"], state.arrays["idf"])
        self._coefficients = np.ascontiguousarray(state.arrays["coefficients"].T)
        self._intercepts = state.arrays["intercepts"]

    def probabilities(self, windows: Sequence[TextWindow]) -> npt.NDArray[np.float32]:
        """Return the softmax of the labels' scores, (N, labels)."""
        found = np.empty((len(windows), len(self._intercepts)), dtype=np.float32)
        for row, window in enumerate(windows):
            places, weights = self._features(window)
            scores = self._intercepts + weights @ self._coefficients[places]
            powers = np.exp(scores - scores.max())
            found[row] = powers / powers.sum()
        return found

    def _take(self, terms: Sequence[str], idf: npt.NDArray[np.float32]) -> None:
        self._places = {term: place for place, term in enumerate(terms)}
        self._idf = idf

    def _features(self, window: TextWindow) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Return the places of a window's features and their values."""
        *before, last = window.turns
        counts = Counter(self._places[gram] for gram in self._grams(last) if gram in self._places)
        places = sorted(counts)
        weights = (1 + np.log([counts[place] for place in places], dtype=np.float32)) * self._idf[places]
        weights /= max(np.linalg.norm(weights), np.float32(1e-12))
        turn_taking = [not before, bool(before) and before[-1].speaker == last.speaker]
        every = [*places, *(len(self._idf) + n for n in range(_TURN_TAKING))]
        return np.asarray(every, dtype=np.int32), np.append(weights, np.asarray(turn_taking, dtype=np.float32))

    def _grams(self, turn: Turn) -> Iterator[str]:
        tokens = [
            token.lower().replace("\u2019", "'")
            for word in turn.words
            for token in ([word.text] if word.text[0].isalnum() else _MARKS.findall(word.text))
        ]
        for length in range(1, self.options.words + 1):
            yield from (" ".join(tokens[start : start + length]) for start in range(len(tokens) - length + 1))
        for token in tokens:
            whole = f" {token} "
            for length in range(_SHORTEST, self.options.characters + 1):
                yield from (_CHARACTERS + whole[n : n + length] for n in range(len(whole) - length + 1))
