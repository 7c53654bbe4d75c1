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

_MARKS = re.compile(r"[!?\u2026]+|\.\.+")  # punctuation that can express an emotion
_TURN_TAKING = 2  # features: the utterance opens the dialogue; the same speaker continues
_ABSENT = -20.0  # logit of a label absent from the training data
_SHORTEST = 2  # minimum characters of a character n-gram
_CHARACTERS = "\t"  # prefix of a character n-gram; never part of a word


class NgramOptions(Options):
    """Options of the classifier: the n-grams and the strength of regularisation."""

    words: int = Field(3, ge=1, le=5, description="maximum words per n-gram; a run of `!`, `?` or `.` is a word")
    characters: int = Field(0, ge=0, le=8, description="maximum characters per n-gram within a word; 0 for none")
    least: int = Field(2, ge=1, description="minimum number of utterances with an n-gram")
    closeness: float = Field(1.0, gt=0, description="inverse of the regularisation strength, scikit-learn's `C`")


class NgramClassifier(CueClassifier):
    """Multinomial logistic regression on TF-IDF weights of n-grams, with log-scaled counts, of unit length.

    Two more features: whether the utterance opens the dialogue, and whether the same speaker continues.
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
            learned = known[-len(found.coef_) :]  # with two labels, scikit-learn stores only the second's
            coefficients[learned], intercepts[learned] = found.coef_, found.intercept_
        return CueState({"idf": self._idf, "coefficients": coefficients, "intercepts": intercepts}, {"terms": terms})

    def restore(self, state: CueState) -> None:
        """Load the n-grams and their coefficients."""
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
        """Return the indices and values of a window's nonzero features."""
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
