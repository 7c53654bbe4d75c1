"""Forecast the next emotion from the emotions recognised so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ecef_cli.api.errors import DataError
from ecef_cli.samples.windows import SAME, UNKNOWN
from ecef_cli.workspace import replacing

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

FILE = "forecaster.safetensors"
REACH = 5
"""Maximum utterances that a forecast reads."""

_DECAY = 0.7  # weight of an utterance's emotion, relative to that of the next one
_CLOSENESS = 0.3  # inverse of the regularisation strength, scikit-learn's `C`
_ABSENT = -20.0  # logit of a class absent from the training data


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """What is known of a dialogue when its next emotion is forecast.

    Attributes:
        recognised: (n, labels) recognised probabilities of the latest utterances, oldest first.
        speakers: speakers of the utterances, oldest first; at least n.
        next_speaker: the next speaker, as numbered by `samples.windows.next_speaker`.
    """

    recognised: Array
    speakers: Sequence[Hashable]
    next_speaker: int = UNKNOWN

    def features(self) -> Array:
        """Return (5 labels + 7,) numbers that describe the past; those about the next speaker are 0 if unknown.

        They are the last utterance's probabilities; their sums over the last speaker's, the others' and the next
        speaker's utterances, each weighted by `_DECAY` to the power of its age; indicators of who spoke and how much;
        and the last utterance's probabilities once more if its speaker goes on.
        """
        recognised = self.recognised[: -REACH - 1 : -1]
        speakers = tuple(reversed(self.speakers))[: len(recognised)]
        weights = np.float32(_DECAY) ** np.arange(len(speakers), dtype=np.float32)
        own = np.asarray([speaker == speakers[0] for speaker in speakers])
        following = np.zeros(len(speakers), dtype=bool)
        recent = list(dict.fromkeys(reversed(self.speakers)))
        if SAME <= self.next_speaker < SAME + len(recent):
            following = np.asarray([speaker == recent[self.next_speaker - SAME] for speaker in speakers])
        stays, again = self.next_speaker == SAME, own[1:2].tolist()
        flags = [len(own) == 1, len(own) == 2, len(own) / REACH, again == [True], again == [False]]  # noqa: PLR2004
        return np.concatenate(
            [
                recognised[0],
                *((weights * group) @ recognised for group in (own, ~own, following)),
                np.asarray([*flags, stays, not stays and self.next_speaker != UNKNOWN], dtype=np.float32),
                recognised[0] * np.float32(stays),
            ]
        )


@dataclass(frozen=True, slots=True, eq=False)
class Foreseen:
    """Forecasts from the past.

    Attributes:
        probabilities: (N, labels) of the next emotion.
        change: (N,) probability that it differs from the last utterance's emotion.
    """

    probabilities: Array
    change: Array


@dataclass(frozen=True, slots=True, eq=False)
class _Classifier:
    """Multinomial logistic regression.

    Attributes:
        weight: (features, classes).
        bias: (classes,).
    """

    weight: Array
    bias: Array

    @classmethod
    def fit(cls, features: Array, targets: npt.NDArray[np.int64], classes: int) -> Self:
        from sklearn.linear_model import LogisticRegression

        weight = np.zeros((features.shape[1], classes), dtype=np.float32)
        bias = np.full(classes, _ABSENT, dtype=np.float32)
        known = np.unique(targets)
        bias[known] = 0.0
        if len(known) > 1:
            found = LogisticRegression(C=_CLOSENESS, max_iter=1000).fit(features, targets)
            learned = known[-len(found.coef_) :]  # with two classes, scikit-learn stores only the second's
            weight[:, learned], bias[learned] = found.coef_.T, found.intercept_
        return cls(weight, bias)

    def probabilities(self, features: Array) -> Array:
        scores = features @ self.weight + self.bias
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        found: Array = powers / powers.sum(axis=1, keepdims=True)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Forecaster:
    """Two logistic regressions on `Past.features`: one of the next emotion, one of whether the emotion changes."""

    emotion: _Classifier
    change: _Classifier

    @classmethod
    def fit(
        cls,
        pasts: Sequence[Past],
        targets: npt.NDArray[np.int64],
        changes: npt.NDArray[np.int64],
        labels: int,
    ) -> Self:
        """Return a fitted forecaster.

        Args:
            pasts: one per target; at least one.
            targets: (N,) numbers of the next emotions.
            changes: (N,) 1 if the emotion changes, 0 if not, and another number if that is unknown.
            labels: number of emotions.
        """
        features = np.stack([past.features() for past in pasts])
        known = np.isin(changes, (0, 1))
        return cls(_Classifier.fit(features, targets, labels), _Classifier.fit(features[known], changes[known], 2))

    @classmethod
    def random(cls, labels: int) -> Self:
        """Return a forecaster with random weights, for the audit of an untrained recipe."""
        draw = np.random.default_rng(0).standard_normal
        size = len(Past(np.zeros((1, labels), dtype=np.float32), ("",)).features())
        return cls(
            *(
                _Classifier(draw((size, classes), dtype=np.float32), np.zeros(classes, dtype=np.float32))
                for classes in (labels, 2)
            )
        )

    def foresee(self, pasts: Sequence[Past]) -> Foreseen:
        """Return the forecasts."""
        features = np.stack([past.features() for past in pasts])
        return Foreseen(self.emotion.probabilities(features), self.change.probabilities(features)[:, 1])

    def save(self, folder: Path) -> None:
        """Write the forecaster to a run's folder."""
        parts = {"emotion": self.emotion, "change": self.change}
        arrays = {f"{name}.weight": part.weight for name, part in parts.items()}
        with replacing(folder / FILE) as written:
            save_file(arrays | {f"{name}.bias": part.bias for name, part in parts.items()}, written)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return the forecaster of a run's folder.

        Raises:
            DataError: it is missing or corrupt.
        """
        path = folder / FILE
        try:
            arrays = load_file(path)
            return cls(
                *(_Classifier(arrays[f"{name}.weight"], arrays[f"{name}.bias"]) for name in ("emotion", "change"))
            )
        except (SafetensorError, OSError, KeyError) as error:
            raise DataError(f"no forecaster: {error}", where=str(path), hint="train again with --force") from None
