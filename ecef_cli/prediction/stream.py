"""Predict over a stream of rows, one output row per input row, in constant memory if windows are bounded."""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict, deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from ecef_cli.api.errors import DataError
from ecef_cli.prediction.memory import give_back
from ecef_cli.prediction.notes import NoteCount
from ecef_cli.prediction.outcomes import LEFT_OUT, WITHOUT_RECORDING, Predicted, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.corpus.tolerance import RowCount
    from ecef_cli.prediction.predictor import Predictor
    from ecef_cli.runs.run import Run

    Array = npt.NDArray[np.float32]

T = TypeVar("T")

_TIDY = 2  # batches between two releases of free memory

BATCH = 32
"""Maximum rows per batch, out of those that have arrived."""

OPEN_DIALOGUES = 4096
"""Maximum open dialogues; beyond it, the least recently active one is forgotten."""


class Windows:
    """The last utterances of each dialogue in a stream, and the emotions recognised in them.

    Args:
        history: utterances per window; None for the whole dialogue, which is then kept in memory.
    """

    def __init__(self, history: int | None) -> None:
        self._history = history
        self._open: OrderedDict[str, tuple[deque[Utterance], deque[Array]]] = OrderedDict()

    def ending_at(self, utterance: Utterance) -> tuple[Utterance, ...]:
        """Add an utterance and return the window that ends at it."""
        empty = deque[Any](maxlen=self._history), deque[Any](maxlen=self._history)
        heard, _ = self._open.setdefault(utterance.dialogue, empty)
        heard.append(utterance)
        self._open.move_to_end(utterance.dialogue)
        if len(self._open) > OPEN_DIALOGUES:
            self._open.popitem(last=False)
        return tuple(heard)

    def recognised(self, utterance: Utterance) -> deque[Array]:
        """Return the probabilities of the dialogue's latest utterances, oldest first, for the predictor to add to.

        Args:
            utterance: the utterance added last.
        """
        return self._open[utterance.dialogue][1]


def predictions(
    predictor: Predictor, utterances: Iterable[Utterance | DataError], count: RowCount
) -> Iterator[Predicted | Rejected]:
    """Yield the outcome of each row, in order, as soon as the row has arrived.

    Args:
        predictor: the model.
        utterances: rows in the order of speech, or errors in their place.
        count: counts invalid rows and enforces the tolerance.

    Raises:
        DataError: there are no rows, or more invalid ones than tolerated; all earlier rows have been yielded.
    """
    windows, notes = Windows(predictor.history), NoteCount()
    for number, arrived in enumerate(as_it_comes(utterances, BATCH), start=1):
        if not number % _TIDY:
            give_back()
        heard = [_heard(predictor, found) for found in arrived]
        whole = [item for item in heard if not isinstance(item, Rejected)]
        added = [
            (windows.ending_at(predictor.reader.shortened(utterance)), windows.recognised(utterance))
            for utterance, _ in whole
        ]
        read = [window for window, _ in added]
        answers = iter(zip(read, predictor.predict(read, [memory for _, memory in added]), strict=True))
        for item in heard:
            if isinstance(item, Rejected):
                count.refuse(item.problem, LEFT_OUT)
                yield item
                continue
            utterance, problem = item
            if problem is None:
                count.accept()
            else:
                count.refuse(problem, WITHOUT_RECORDING)
            window, answer = next(answers)
            found = predictor.reader.notes(window, utterance.text, answer.unread)
            notes.add(found)
            row = {**utterance.row, **answer.as_dict()}
            if found:
                row["note"] = "; ".join(note.text for note in found)
            yield Predicted(utterance, row, problem)
    notes.report()
    count.close()


def _heard(predictor: Predictor, found: Utterance | DataError) -> tuple[Utterance, DataError | None] | Rejected:
    """Read the recording of an utterance. If that fails but there is text, return it without recording, and why."""
    if isinstance(found, DataError):
        return Rejected(found)
    try:
        predictor.told(found)
    except DataError as error:
        return Rejected(error)
    try:
        predictor.listen(found)
    except DataError as error:
        return (replace(found, audio=None), error) if found.text.strip() else Rejected(error)
    return found, None


def as_it_comes(items: Iterable[T], limit: int) -> Iterator[list[T]]:
    """Yield lists of the items that have arrived, in order: at least one item, at most `limit`.

    A thread reads a few batches ahead, so a slow source is answered at once and a fast one in full batches.
    """
    arrived: queue.Queue[T | _End] = queue.Queue(maxsize=4 * limit)
    stopped = threading.Event()

    def put(item: T | _End) -> bool:
        while not stopped.is_set():
            try:
                arrived.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def read() -> None:
        failure: Exception | None = None
        try:
            for item in items:
                if not put(item):
                    return
        except Exception as error:  # noqa: BLE001 - raised again by the consumer
            failure = error
        put(_End(failure))

    threading.Thread(target=read, daemon=True, name="ecef-reader").start()
    try:
        yield from _drain(arrived, limit)
    finally:
        stopped.set()


class _End:
    """End marker of the queue, with the error that ended the source."""

    def __init__(self, failure: Exception | None) -> None:
        self.failure = failure


def _drain(arrived: queue.Queue[T | _End], limit: int) -> Iterator[list[T]]:
    while True:
        batch: list[T] = []
        item = arrived.get()
        while not isinstance(item, _End):
            batch.append(item)
            if len(batch) == limit:
                break
            try:
                item = arrived.get_nowait()
            except queue.Empty:
                break
        if batch:
            yield batch
        if isinstance(item, _End):
            if item.failure is not None:
                raise item.failure
            return


def window_probabilities(run: Run, said: Sequence[Utterance], *, device: str, together: bool) -> list[Array]:
    """Return the probabilities of the window that ends at each utterance, concatenated over the run's tasks.

    A run with a forecaster adds the probability of a change.

    Args:
        run: the run.
        said: a dialogue.
        device: where to compute.
        together: whether to compute the windows in batches or one by one.
    """
    import numpy as np

    from ecef_cli.prediction.predictor import Predictor  # commands import this module before PyTorch

    predictor, windows = Predictor(run, device=device), Windows(run.recipe.history)
    every = [windows.ending_at(utterance) for utterance in said]
    memories = [windows.recognised(utterance) for utterance in said]
    if together:
        answers = predictor.predict(every, memories)
    else:
        answers = [predictor.predict([window], [memory])[0] for window, memory in zip(every, memories, strict=True)]
    changes = [[] if a.change is None else [np.float32(a.change)] for a in answers]
    return [
        np.concatenate([*(a.probabilities[task] for task in sorted(a.probabilities)), change])
        for a, change in zip(answers, changes, strict=True)
    ]
