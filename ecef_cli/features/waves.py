"""The waveforms of utterances: how long they are, and reading them while others are encoded."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ecef_cli.api.errors import DataError
from ecef_cli.audio import reading
from ecef_cli.corpus.scan import READERS, each_file, segment_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from ecef_cli.api.dialogue import Utterance

    Wave = npt.NDArray[np.float32]

_AHEAD = 2  # batches that are read while another is encoded: bounds memory


def lengths(utterances: Sequence[Utterance], label: str) -> list[float | DataError]:
    """Return the seconds of each utterance, as the headers of the recordings have them, or what is wrong.

    Args:
        utterances: utterances with `audio`.
        label: what is being done, for the progress bar.
    """
    found = each_file((u.audio for u in utterances if u.audio is not None), reading.inspect, label)

    def one(utterance: Utterance) -> float | DataError:
        assert utterance.audio is not None  # noqa: S101 - for the type checker; promised by the caller
        recording = found[utterance.audio]
        if isinstance(recording, DataError):
            return recording
        try:
            return segment_seconds(recording, utterance)
        except DataError as error:
            return error

    return [one(utterance) for utterance in utterances]


@contextmanager
def reading_ahead(
    read: Callable[[Utterance], Wave], batches: Sequence[Sequence[Utterance]]
) -> Iterator[Iterator[list[Wave | DataError]]]:
    """Yield the waveforms of each batch in turn, or what is wrong with them; the next ones are read meanwhile.

    Args:
        read: returns the waveform of an utterance, or raises a DataError.
        batches: the utterances of each batch.
    """
    pool = ThreadPoolExecutor(READERS)
    try:
        yield _in_turn(pool, read, batches)
    finally:
        pool.shutdown(cancel_futures=True)


def _in_turn(
    pool: ThreadPoolExecutor, read: Callable[[Utterance], Wave], batches: Sequence[Sequence[Utterance]]
) -> Iterator[list[Wave | DataError]]:
    begun: deque[list[Future[Wave]]] = deque()
    for batch in batches:
        begun.append([pool.submit(read, utterance) for utterance in batch])
        if len(begun) > _AHEAD:
            yield _results(begun.popleft())
    while begun:
        yield _results(begun.popleft())


def _results(futures: Sequence[Future[Wave]]) -> list[Wave | DataError]:
    def one(future: Future[Wave]) -> Wave | DataError:
        error = future.exception()
        return error if isinstance(error, DataError) else future.result()

    return [one(future) for future in futures]
