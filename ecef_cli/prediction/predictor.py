"""Predicts from a trained run, window by window."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ecef_cli.api.errors import DataError
from ecef_cli.features.encoders import build_encoders
from ecef_cli.features.encoding import encoded
from ecef_cli.prediction.recordings import Recordings
from ecef_cli.runs.decision import open_decisions
from ecef_cli.samples.batches import WindowInput, collate
from ecef_cli.samples.shapes import audio_shape, spectrum_shape
from ecef_cli.samples.windows import next_speaker, text_window, turns_ago
from ecef_cli.tagging.pairs import tag_utterances

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import numpy.typing as npt

    from ecef_cli.api.components import TextFeatures, TextWindow
    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.runs.run import Run

KEYS = {"erc": "prediction", "epc": "forecast"}
"""The key under which a row gets what a task says."""

_BATCH = 16  # windows that are computed together
_DIGITS = 6  # of a printed probability
_REMEMBERED = 4096  # distinct windows whose answers are kept
_LONGEST = 64  # utterances of a window that is remembered at most: a whole dialogue hardly comes again


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says of one window.

    Attributes:
        probabilities: by task, the probability of each label, (labels,).
        labels: the labels.
    """

    probabilities: Mapping[str, npt.NDArray[np.float32]]
    labels: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as keys of a row."""
        return {
            KEYS[task]: {
                "emotion": self.labels[int(values.argmax())],
                "probabilities": {
                    label: round(float(value), _DIGITS) for label, value in zip(self.labels, values, strict=True)
                },
            }
            for task, values in self.probabilities.items()
        }


class Predictor:
    """A trained run, loaded.

    Args:
        run: the run.
        device: where to compute.

    Raises:
        PluginError: a component of the run is not installed, or its weights cannot be found.
        DataError: the run's weights are missing or broken.
    """

    def __init__(self, run: Run, *, device: str) -> None:
        self.run = run
        self.history = run.recipe.history
        self._device = device
        encoders = build_encoders(run.recipe, device=device)
        self._encoder = encoders.text
        longest = run.recipe.audio.longest
        self._recordings = None if encoders.audio is None else Recordings(encoders.audio, longest)
        self._spectra = None if encoders.spectrum is None else Recordings(encoders.spectrum, longest)
        self._shape, self._spectrum_shape = audio_shape(run.recipe, encoders), spectrum_shape(encoders)
        self._network = run.network(encoders).to(device)
        self._tagger = run.tagger()
        self._decisions = open_decisions(run)
        self._remembered: OrderedDict[tuple[Hashable, ...], Answer] = OrderedDict()

    def told(self, utterance: Utterance) -> str | None:
        """Return who speaks after an utterance, where its row says so and the model wants to know.

        Raises:
            DataError: the row says it by something that is no name.
        """
        if not self.run.recipe.epc.next_speaker:
            return None
        name = utterance.row.get("next_speaker")
        if name is not None and not (isinstance(name, str) and name.strip()):
            hint = "name whoever speaks next, or leave the key out"
            raise DataError(f"'next_speaker' must be a name, not {name!r}", where=utterance.where, hint=hint)
        return name

    def listen(self, utterance: Utterance) -> None:
        """Read the utterance's recording, where it has one and the model reads audio.

        Raises:
            DataError: it cannot be read.
        """
        for reader in (self._recordings, self._spectra):
            if reader is not None:
                reader.listen(utterance)

    def predict(self, windows: Sequence[Sequence[Utterance]]) -> list[Answer]:
        """Return the answer for each window; each distinct window of text is encoded once, and each recording.

        Args:
            windows: each holds at most `history` utterances, oldest first, and ends at the one in question; where
                `history` is None, all utterances of the dialogue so far.

        Raises:
            DataError: a recording cannot be read, or a row says who speaks next by something that is no name.
        """
        keys = [self._key(window) for window in windows]
        new = {key: window for key, window in zip(keys, windows, strict=True) if key not in self._remembered}
        answers = {key: self._remembered[key] for key in keys if key not in new}
        answers |= dict(zip(new, self._compute(list(new.values())), strict=True))
        for key in keys:
            if key[0] is not None:  # of a window with a recording, or of a very long one
                continue
            self._remembered[key] = answers[key]
            self._remembered.move_to_end(key)
        while len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return [answers[key] for key in keys]

    def _key(self, window: Sequence[Utterance]) -> tuple[Hashable, ...]:
        """Return what tells a window from others; None comes first where it may be remembered by it."""
        if len(window) > _LONGEST or (self._recordings is not None and any(u.audio is not None for u in window)):
            return (id(window),)
        return (None, self.told(window[-1]), *((u.speaker, u.text) for u in window))

    def _compute(self, windows: Sequence[Sequence[Utterance]]) -> list[Answer]:
        """Return the answers, computed in batches of windows of similar length, which are padded little."""
        order = sorted(range(len(windows)), key=lambda n: sum(len(u.text) for u in windows[n]))
        answers: dict[int, Answer] = {}
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            answers |= dict(zip(chosen, self._batch([windows[n] for n in chosen]), strict=True))
        return [answers[n] for n in range(len(windows))]

    @torch.inference_mode()
    def _batch(self, windows: Sequence[Sequence[Utterance]]) -> list[Answer]:
        shapes = [text_window(window) for window in windows]
        features: Sequence[TextFeatures | None] = [None] * len(shapes)
        if self._encoder is not None:
            features = encoded(self._encoder, shapes, f"the windows of {len(shapes)} utterances")
        inputs = [self._input(*members) for members in zip(windows, shapes, features, strict=True)]
        batch = collate(inputs, self._shape, self._spectrum_shape)
        logits = self._network(batch.to(self._device))
        found = {
            task: self._decisions.apply(task, values.softmax(dim=1).float().cpu().numpy(), shapes)
            for task, values in logits.items()
        }
        return [
            Answer({task: values[row] for task, values in found.items()}, self.run.labels)
            for row in range(len(windows))
        ]

    def _input(self, window: Sequence[Utterance], shape: TextWindow, features: TextFeatures | None) -> WindowInput:
        if self._tagger is None:
            importance = np.zeros(shape.positions, dtype=np.float32)
        else:
            tags = tag_utterances(window, self._tagger, history=None)
            importance = tags.importance(0, len(window) - 1)
        return WindowInput(
            features,
            importance,
            turns_ago(shape.sizes),
            {},
            recordings=None if self._recordings is None else self._recordings.frames(window),
            worded=any(turn.words for turn in shape.turns),
            spectra=None if self._spectra is None else self._spectra.frames(window),
            next_speaker=next_speaker([u.speaker for u in window], self.told(window[-1])),
        )
