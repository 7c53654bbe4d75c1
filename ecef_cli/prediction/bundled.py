"""The models that come with ecef, as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli import console
from ecef_cli.prediction.predictor import Predictor
from ecef_cli.runs.run import BUNDLED, BUNDLED_SPEECH, Run, bundled_run

if TYPE_CHECKING:
    from collections.abc import MutableSequence, Sequence

    import numpy as np
    import numpy.typing as npt

    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.prediction.predictor import Answer


class BundledPredictor(Predictor):
    """The bundled text model, and from the first recording on the bundled speech model.

    Both have the same text layers, so a window without a recording has the same answer from either. A dialogue without
    recordings is answered without any weights that were trained on speech.

    Args:
        device: where to compute.

    Raises:
        PluginError: a component is not installed, or its weights are missing.
    """

    def __init__(self, *, device: str) -> None:
        self._stated = ""
        self._load(BUNDLED, device)

    def listen(self, utterance: Utterance) -> None:
        """Read the utterance's recording, if it has one; the first one loads the speech model.

        Raises:
            DataError: the recording cannot be read.
        """
        if utterance.audio is not None and not self.run.recipe.reads("audio"):
            self._load(BUNDLED_SPEECH, self._device)
        super().listen(utterance)

    def predict(
        self,
        windows: Sequence[Sequence[Utterance]],
        recognised: Sequence[MutableSequence[npt.NDArray[np.float32]]] | None = None,
    ) -> list[Answer]:
        """Return the answer for each window, as `Predictor.predict`; state the terms of each model that answers."""
        answers = super().predict(windows, recognised)
        if self._stated != self.run.folder.name:
            self._stated = self.run.folder.name
            state_terms(self.run)
        return answers

    def _load(self, name: str, device: str) -> None:
        super().__init__(bundled_run(name), device=device)


def state_terms(run: Run) -> None:
    """Write to stderr under which terms the data of a run stand, if it states any."""
    if run.terms:
        console.note(f"the model {run.folder.name} was trained on {run.terms}")
