"""A run that is measured by other labels than those it was trained on, as another corpus has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecef_cli.api.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    import numpy.typing as npt

    from ecef_cli.recipe.labels import LabelSet

_FEWEST = 2
_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Crossing:
    """How a run's labels become those of a set.

    Attributes:
        name: the set's name.
        labels: the labels of the set that the run can give, in the set's order; others are not asked for.
        mapping: what each label of the run becomes; None where the set has none for it.
        never: the labels of the set that the run can never give.
    """

    name: str
    labels: tuple[str, ...]
    mapping: tuple[tuple[str, str | None], ...]
    never: tuple[str, ...]

    @classmethod
    def of(cls, labels: Sequence[str], target: LabelSet) -> Self:
        """Return how the labels of a run become those of a set.

        Raises:
            UsageProblem: fewer than two labels of the set can be given.
        """
        mapping = tuple((label, target.label(label)) for label in labels)
        given = {into for _, into in mapping}
        common = tuple(label for label in target.labels if label in given)
        if len(common) < _FEWEST:
            raise UsageProblem(
                f"a run that tells {', '.join(labels)} apart can give {common[0] if common else 'none'}"
                f"{' alone' if common else ''} of the labels of {target.name}: {', '.join(target.labels)}",
                hint="--label-map also takes a YAML file of your own, which says how these are called in its labels",
            )
        return cls(target.name, common, mapping, tuple(label for label in target.labels if label not in given))

    def fold(self, answers: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return the probabilities of the set's labels, and what was left out for each.

        Probabilities of labels that become one are added. What the run gives to labels that the set does not have is
        left out, and the rest divided by its sum: the run is told that it is none of them, as a gold label never is.

        Args:
            answers: (N, L) probabilities of the run's labels.

        Returns:
            (N, C) probabilities of `labels`, and (N,) the probability that was left out.
        """
        matrix = np.zeros((len(self.mapping), len(self.labels)), dtype=np.float64)
        for row, (_, into) in enumerate(self.mapping):
            if into is not None:
                matrix[row, self.labels.index(into)] = 1
        # A run that is wholly sure of what is left out says nothing of the rest: all are alike.
        kept = answers.astype(np.float64) @ matrix + _NOTHING
        total = kept.sum(axis=1, keepdims=True)
        return (kept / total).astype(np.float32), np.clip(1 - total[:, 0], 0, 1).astype(np.float32)

    def sentence(self) -> str:
        """Return in words what became of the labels."""
        merged: dict[str, list[str]] = {label: [] for label in self.labels}
        lost: list[str] = []
        for label, into in self.mapping:
            (lost if into is None else merged[into]).append(label)
        parts = [f"{' + '.join(names)} as {into}" for into, names in merged.items() if names != [into]]
        return "; ".join(
            [
                f"Labels are those of {self.name}" + (f", but for {', '.join(self.never)}" if self.never else ""),
                *([f"the run's {', '.join(parts)}"] if parts else []),
                *([f"what it gives to {', '.join(lost)} is left out"] if lost else []),
            ]
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the crossing as plain values."""
        return {"name": self.name, "mapping": dict(self.mapping), "never": list(self.never)}
