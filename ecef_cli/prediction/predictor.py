"""Predict with a trained run, window by window."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ecef_cli.api.errors import DataError
from ecef_cli.features.encoders import build_encoders
from ecef_cli.features.encoding import encoded
from ecef_cli.prediction.notes import Reader
from ecef_cli.prediction.recordings import Recordings
from ecef_cli.runs.decision import open_decisions
from ecef_cli.runs.forecaster import Past
from ecef_cli.samples.batches import WindowInput, collate
from ecef_cli.samples.shapes import audio_shape, spectrum_shape
from ecef_cli.samples.windows import next_speaker, text_window, turns_ago
from ecef_cli.tagging.pairs import tag_utterances

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, MutableSequence, Sequence

    import numpy.typing as npt

    from ecef_cli.api.components import TextFeatures, TextWindow
    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.runs.run import Run

KEYS = {"erc": "prediction", "epc": "forecast"}
"""Key of each task's prediction in an output row."""

_BATCH = 16  # windows per batch
_DIGITS = 6  # decimals of a printed probability
_REMEMBERED = 4096  # distinct windows with a cached answer
_LONGEST = 64  # maximum utterances of a cached window: a whole dialogue rarely recurs


@dataclass(frozen=True, slots=True)
class Answer:
    """Prediction for one window.

    Attributes:
        probabilities: by task, the probability of each label, (labels,).
        labels: the labels.
        change: probability that the forecast emotion differs from this one; None without a forecaster.
        unread: words at the start of the last utterance that the text encoder left out.
    """

    probabilities: Mapping[str, npt.NDArray[np.float32]]
    labels: tuple[str, ...]
    change: float | None = None
    unread: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as fields of an output row."""
        found: dict[str, Any] = {
            KEYS[task]: {
                "emotion": self.labels[int(values.argmax())],
                "probabilities": {
                    label: round(float(value), _DIGITS) for label, value in zip(self.labels, values, strict=True)
                },
            }
            for task, values in self.probabilities.items()
        }
        if self.change is not None:
            found[KEYS["epc"]]["change"] = round(self.change, _DIGITS)
        return found


def _unread(shape: TextWindow, features: TextFeatures | None) -> int:
    """Return the number of words at the start of the last utterance that no state covers."""
    if features is None or not shape.turns[-1].words:
        return 0
    first = shape.positions - len(shape.turns[-1].words)  # position of its first word
    covered = features.first[features.first >= first]
    return int(covered.min()) - first if len(covered) else len(shape.turns[-1].words)


class Predictor:
    """A trained run, loaded.

    Args:
        run: the run.
        device: where to compute.

    Attributes:
        reader: its limits as a reader.

    Raises:
        PluginError: a component of the run is not installed, or its weights are missing.
        DataError: the run's weights are missing or corrupt.
    """

    def __init__(self, run: Run, *, device: str) -> None:
        self.run = run
        self.history = run.recipe.history
        self._device = device
        encoders = build_encoders(run.recipe, device=device)
        self._encoder = encoders.text
        self._recordings = None if encoders.audio is None else Recordings(encoders.audio, run.recipe.audio)
        self._spectra = None if encoders.spectrum is None else Recordings(encoders.spectrum, run.recipe.audio)
        self._shape, self._spectrum_shape = audio_shape(run.recipe, encoders), spectrum_shape(encoders)
        tagger = run.recipe.tagger
        self.reader = Reader(
            language=None if tagger is None else tagger.options.get("language"),
            longest=None if encoders.text is None else encoders.text.longest,
            hears=encoders.audio is not None,
        )
        self._network = run.network(encoders).to(device)
        self._tagger = run.tagger()
        self._decisions = open_decisions(run)
        self._remembered: OrderedDict[tuple[Hashable, ...], Answer] = OrderedDict()

    def told(self, utterance: Utterance) -> str | None:
        """Return the next speaker that the row of an utterance names, if the model reads it.

        Raises:
            DataError: `next_speaker` is not a name.
        """
        if not self.run.recipe.epc.next_speaker:
            return None
        name = utterance.row.get("next_speaker")
        if name is not None and not (isinstance(name, str) and name.strip()):
            hint = "name whoever speaks next, or leave the key out"
            raise DataError(f"'next_speaker' must be a name, not {name!r}", where=utterance.where, hint=hint)
        return name

    def listen(self, utterance: Utterance) -> None:
        """Read the utterance's recording, if it has one and the model reads audio.

        Raises:
            DataError: the recording cannot be read.
        """
        for reader in (self._recordings, self._spectra):
            if reader is not None:
                reader.listen(utterance)

    def predict(
        self,
        windows: Sequence[Sequence[Utterance]],
        recognised: Sequence[MutableSequence[npt.NDArray[np.float32]]] | None = None,
    ) -> list[Answer]:
        """Return the answer for each window. Encode each distinct text window and each recording once.

        Args:
            windows: each holds at most `history` utterances, oldest first, and ends at the utterance to predict; if
                `history` is None, all utterances of the dialogue so far.
            recognised: for each window, the probabilities recognised in its earlier utterances, oldest first; those
                of its last one are added. Windows of one dialogue share a sequence. None if nothing was recognised.

        Raises:
            DataError: a recording cannot be read, or `next_speaker` is not a name.
        """
        keys = [self._key(window) for window in windows]
        new = {key: window for key, window in zip(keys, windows, strict=True) if key not in self._remembered}
        answers = {key: self._remembered[key] for key in keys if key not in new}
        answers |= dict(zip(new, self._compute(list(new.values())), strict=True))
        for key in keys:
            if key[0] is not None:  # a window with a recording, or a very long one
                continue
            self._remembered[key] = answers[key]
            self._remembered.move_to_end(key)
        while len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        found = [answers[key] for key in keys]
        if self._decisions.forecaster is None:
            return found
        return self._foreseen(found, windows, [[] for _ in windows] if recognised is None else recognised)

    def _foreseen(
        self,
        answers: Sequence[Answer],
        windows: Sequence[Sequence[Utterance]],
        recognised: Sequence[MutableSequence[npt.NDArray[np.float32]]],
    ) -> list[Answer]:
        """Return the answers with the forecasts of the run's forecaster."""
        pasts = []
        for answer, window, memory in zip(answers, windows, recognised, strict=True):
            memory.append(answer.probabilities["erc"])
            speakers = [utterance.speaker for utterance in window]
            latest = np.stack(list(memory)[-len(window) :])
            pasts.append(Past(latest, speakers, next_speaker(speakers, self.told(window[-1]))))
        if not pasts:
            return []
        found = self._decisions.foresee(np.stack([answer.probabilities["epc"] for answer in answers]), pasts)
        return [
            replace(answer, probabilities={**answer.probabilities, "epc": values}, change=float(change))
            for answer, values, change in zip(answers, found.probabilities, found.change, strict=True)
        ]

    def _key(self, window: Sequence[Utterance]) -> tuple[Hashable, ...]:
        """Return the cache key of a window; its first item is None if the window may be cached."""
        if len(window) > _LONGEST or (self._recordings is not None and any(u.audio is not None for u in window)):
            return (id(window),)
        return (None, self.told(window[-1]), *((u.speaker, u.text) for u in window))

    def _compute(self, windows: Sequence[Sequence[Utterance]]) -> list[Answer]:
        """Return the answers, computed in batches of windows of similar length to limit padding."""
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
            Answer({task: values[row] for task, values in found.items()}, self.run.labels, unread=_unread(*read))
            for row, read in enumerate(zip(shapes, features, strict=True))
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
