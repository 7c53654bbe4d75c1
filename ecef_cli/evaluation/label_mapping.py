"""Map a run's labels to those of a label set, to measure it on another corpus."""

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
class LabelMapping:
    """Map from a run's labels to those of a label set.

    Attributes:
        name: the set's name.
        labels: the labels of the set that the run can predict, in the set's order; others are not targets.
        mapping: each label of the run with its label in the set, or None.
        never: the labels of the set that the run cannot predict.
    """

    name: str
    labels: tuple[str, ...]
    mapping: tuple[tuple[str, str | None], ...]
    never: tuple[str, ...]

    @classmethod
    def of(cls, labels: Sequence[str], target: LabelSet) -> Self:
        """Return the map from a run's labels to a label set.

        Raises:
            UsageProblem: the run can predict fewer than two labels of the set.
        """
        mapping = tuple((label, target.label(label)) for label in labels)
        given = {into for _, into in mapping}
        common = tuple(label for label in target.labels if label in given)
        if len(common) < _FEWEST:
            raise UsageProblem(
                f"a run with the labels {', '.join(labels)} can predict {f'only {common[0]}' if common else 'none'} "
                f"of the labels of {target.name}: {', '.join(target.labels)}",
                hint="write a label set of your own that maps them, and pass its YAML file to --label-map",
            )
        return cls(target.name, common, mapping, tuple(label for label in target.labels if label not in given))

    def fold(self, probabilities: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return the probabilities of the set's labels, and the probability left out.

        Adds up the probabilities of labels that merge. Leaves out labels that are not in the set, which are never
        gold labels, and rescales the rest to sum to one.

        Args:
            probabilities: (N, L) probabilities of the run's labels.

        Returns:
            (N, C) probabilities of `labels`, and (N,) the probability left out.
        """
        matrix = np.zeros((len(self.mapping), len(self.labels)), dtype=np.float64)
        for row, (_, into) in enumerate(self.mapping):
            if into is not None:
                matrix[row, self.labels.index(into)] = 1
        # If everything is left out, the remaining labels are equally likely.
        kept = probabilities.astype(np.float64) @ matrix + _NOTHING
        total = kept.sum(axis=1, keepdims=True)
        return (kept / total).astype(np.float32), np.clip(1 - total[:, 0], 0, 1).astype(np.float32)

    def sentence(self) -> str:
        """Describe the map in a sentence."""
        merged: dict[str, list[str]] = {label: [] for label in self.labels}
        lost: list[str] = []
        for label, into in self.mapping:
            (lost if into is None else merged[into]).append(label)
        parts = [f"{' + '.join(names)} as {into}" for into, names in merged.items() if names != [into]]
        return "; ".join(
            [
                f"Labels of {self.name}" + (f", without {', '.join(self.never)}" if self.never else ""),
                *([f"the run's {', '.join(parts)}"] if parts else []),
                *([f"its probability of {', '.join(lost)} is left out"] if lost else []),
            ]
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the map as a dict."""
        return {"name": self.name, "mapping": dict(self.mapping), "never": list(self.never)}
