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
    """Something that a reader left out, and why.

    Attributes:
        split: the split it belonged to.
        item: the utterance or dialogue, as the corpus names it.
        reason: why, in a few words; equal reasons are counted together.
        where: `file:line`.
        error: what is wrong, where the row is broken; such rows count against the tolerance of `prepare`.
        emotions: the emotion of each of its utterances, where `Dataset.published` is to count them all the same.
    """

    split: str
    item: str
    reason: str
    where: str
    error: DataError | None = field(default=None, compare=False, repr=False)
    emotions: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Corpus:
    """What a dataset reader found.

    Attributes:
        labels: the emotions, in the order of the corpus.
        splits: dialogues by split, each in the order of speech.
        sources: the files that were read.
        dropped: what was left out.
        repaired: how many utterances had a certain thing mended, by what was mended.
        remarks: what else is to be known, a line each.
        muted: utterances that keep their row and lost their recording, and why; those with an error count against the
            tolerance of `prepare`.
    """

    labels: tuple[str, ...]
    splits: Mapping[str, tuple[Dialogue, ...]]
    sources: tuple[Path, ...]
    dropped: tuple[Dropped, ...] = ()
    repaired: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    muted: tuple[Dropped, ...] = ()


class Dataset(Component):
    """Reads a corpus in the form in which it is published."""

    @abstractmethod
    def read(self, sources: Sequence[Path]) -> Corpus:
        """Return the corpus found under `sources` (files or folders).

        A broken row does not stop the reading: it goes to `Corpus.dropped` with its error.

        Raises:
            DataError: a file or column is missing, or the corpus as a whole makes no sense.
        """

    def collect(self, sources: Sequence[Path], context: PrepareContext) -> Corpus:
        """Return the corpus as `prepare` wants it: `read`, unless a reader makes files of what it reads.

        Such are recordings that lie in archives. What is made goes below `context.folder`, each file whole or not at
        all, and what is there already is not made again.

        Args:
            sources: files or folders.
            context: the folder to write to, and how to report progress.

        Raises:
            DataError: as of `read`; or an archive is damaged or hostile.
        """
        del context
        return self.read(sources)

    def published(self, corpus: Corpus) -> tuple[str, ...] | None:
        """Return how a corpus differs from what is published about it, a line each; None where there is nothing.

        `prepare` asks of the corpus that it has just read, `prepare --check` of one that it makes of the manifests and
        `dataset.json`: there, `sources` is empty, no `Dropped` has its error, and `where` is in the manifest. So count
        what is in the corpus, by the options at hand, and remember nothing of the reading.
        """
        del corpus
        return None

    def download(self, context: PrepareContext) -> tuple[Path, ...]:
        """Download the corpus from where it is published, and return what `collect` is to read.

        Raises:
            UsageProblem: it cannot be had without its publisher's consent, or is the user's own.
        """
        del context
        raise UsageProblem("there is no download of this corpus", hint="give its files by --source")
