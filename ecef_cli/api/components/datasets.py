"""Readers of corpora."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ecef_cli.api.components.base import Component
from ecef_cli.api.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ecef_cli.api.components.prepare_context import PrepareContext
    from ecef_cli.api.dialogue import Dialogue
    from ecef_cli.api.errors import DataError


@dataclass(frozen=True, slots=True)
class Dropped:
    """Utterance or dialogue that a reader left out, and the reason.

    Attributes:
        split: the split it belonged to.
        item: the utterance or dialogue, as the corpus names it.
        reason: why, in a few words; equal reasons are counted together.
        where: `file:line`.
        error: the problem of an invalid row, which counts against the tolerance of `prepare`.
        emotions: the emotion of each utterance, if `Dataset.published` counts them although they were left out.
    """

    split: str
    item: str
    reason: str
    where: str
    error: DataError | None = field(default=None, compare=False, repr=False)
    emotions: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Corpus:
    """Result of a dataset reader.

    Attributes:
        labels: the emotions, in the order of the corpus.
        splits: dialogues by split, each in the order of speech.
        sources: the files that were read.
        dropped: utterances and dialogues that were left out.
        repaired: number of repaired utterances, by what was repaired.
        remarks: further messages for the user, one line each.
        muted: utterances that keep their row but lose their recording, and the reason; those with an error count
            against the tolerance of `prepare`.
    """

    labels: tuple[str, ...]
    splits: Mapping[str, tuple[Dialogue, ...]]
    sources: tuple[Path, ...]
    dropped: tuple[Dropped, ...] = ()
    repaired: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    muted: tuple[Dropped, ...] = ()


class Dataset(Component):
    """Read a corpus in the form in which it is published."""

    licence: str = ""
    """Terms under which the corpus is published, such as `GPL-3.0`; models that are trained on it name them."""

    @abstractmethod
    def read(self, sources: Sequence[Path]) -> Corpus:
        """Return the corpus found under `sources` (files or folders).

        An invalid row does not stop the reading: it goes to `Corpus.dropped` with its error.

        Raises:
            DataError: a file or column is missing, or the corpus as a whole is invalid.
        """

    def collect(self, sources: Sequence[Path], context: PrepareContext) -> Corpus:
        """Return the corpus for `prepare`: the result of `read`, unless the reader also writes files.

        Override it to write files, such as recordings unpacked from archives. Write them below `context.folder`, each
        one atomically, and do not write again what is already there.

        Args:
            sources: files or folders.
            context: the folder to write to, and how to report progress.

        Raises:
            DataError: as in `read`; or an archive is damaged or hostile.
        """
        del context
        return self.read(sources)

    def published(self, corpus: Corpus) -> tuple[str, ...] | None:
        """Return how a corpus differs from its published figures, one line each; None if no figures are published.

        `prepare` passes the corpus that it has just read. `prepare --check` passes one made from the manifests and
        `dataset.json`: its `sources` is empty, no `Dropped` has an error, and `where` refers to the manifest. So count
        what is in `corpus`, by the options of the component, and keep no state from the reading.
        """
        del corpus
        return None

    def download(self, context: PrepareContext) -> tuple[Path, ...]:
        """Download the corpus from its publisher, and return the files for `collect` to read.

        Raises:
            UsageProblem: the corpus needs its publisher's consent, or is the user's own.
        """
        del context
        raise UsageProblem("this corpus cannot be downloaded", hint="give its files with --source")
