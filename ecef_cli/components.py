"""What plugins implement: one abstract class for each kind of component.

Shapes are batch-first. B is windows, K a window's positions (every utterance has one position for its speaker
and one for each of its words), L the states that an encoder gives for a window, d a width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ecef_cli.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    import numpy as np
    import numpy.typing as npt
    from torch import Tensor, nn

    from ecef_cli.dialogue import Dialogue, Word
    from ecef_cli.errors import DataError
    from ecef_cli.fetching.place import Place


class Options(BaseModel):
    """The options of a component, as a recipe spells them. Subclass it; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def decisive(self) -> dict[str, Any]:
        """Return the options that decide the output, as plain values; stored results are known by them.

        Leave out what only says where a thing lies or how fast to fetch it, and what has no effect beside the
        other options.
        """
        return self.model_dump(mode="json")


_Options = Options  # the class below has an attribute of this name


class Component(ABC):  # noqa: B024 - each kind adds its own abstract methods
    """A part that a recipe names. `options` is an instance of the class's own `Options`."""

    Options: ClassVar[type[_Options]] = _Options
    version: ClassVar[str] = "1"
    """Raise it when the same input and options give other output than before: stored results are then made anew."""

    def __init__(self, options: _Options) -> None:
        self.options = options

    def identity(self) -> str:
        """Return what else than name, version and options decides the output, such as a checksum of weights."""
        return ""


# --------------------------------------------------------------------------------------------- datasets


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

    def collect(self, sources: Sequence[Path], place: Place) -> Corpus:
        """Return the corpus as `prepare` wants it: `read`, unless a reader makes files of what it reads.

        Such are recordings that lie in archives. What is made goes below `place.folder`, each file whole or not at all,
        and what is there already is not made again.

        Args:
            sources: files or folders.
            place: where to write, and how to tell of the work.

        Raises:
            DataError: as of `read`; or an archive is damaged or hostile.
        """
        del place
        return self.read(sources)

    def published(self, corpus: Corpus) -> tuple[str, ...] | None:
        """Return how a corpus differs from what is published about it, a line each; None where there is nothing.

        `prepare` asks of the corpus that it has just read, `prepare --check` of one that it makes of the manifests and
        `dataset.json`: there, `sources` is empty, no `Dropped` has its error, and `where` is in the manifest. So count
        what is in the corpus, by the options at hand, and remember nothing of the reading.
        """
        del corpus
        return None

    def download(self, place: Place) -> tuple[Path, ...]:
        """Download the corpus from where it is published, and return what `collect` is to read.

        Raises:
            UsageProblem: it cannot be had without its publisher's consent, or is the user's own.
        """
        del place
        raise UsageProblem("there is no download of this corpus", hint="give its files by --source")


# ---------------------------------------------------------------------------------------------- taggers


@dataclass(frozen=True, slots=True)
class Edge:
    """A statement of a source of relations, as one may cite it.

    Attributes:
        relation: the relation, such as `IsA`.
        start: the term that it is said of.
        end: the term that it leads to.
        weight: how sure the source is; 1 is ordinary.
        source: where the statement comes from, as the source names it.
    """

    relation: str
    start: str
    end: str
    weight: float
    source: str


class Tagger(Component):
    """Knows which relations hold between two terms.

    A term is the lemma of a word, or several words joined by underscores, such as `fall_asleep`.
    """

    @property
    @abstractmethod
    def relations(self) -> tuple[str, ...]:
        """The relations that are asked for, at most 64; bit r of a mask is `relations[r]`."""

    @abstractmethod
    def available(self) -> Mapping[str, int]:
        """Return every relation that the source holds, with the number of its word pairs."""

    @abstractmethod
    def relate(self, lemmas: Sequence[str]) -> npt.NDArray[np.uint64]:
        """Return which relations hold between each two of W distinct lemmas.

        Returns:
            Masks of shape (W, W), symmetric, with a zero diagonal: bit r is set where `relations[r]` holds
            between the two, in either direction.
        """

    @property
    def longest_term(self) -> int:
        """Words in the longest term that is looked up; 1 where terms are single words."""
        return 1

    def known(self, terms: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return (W,) which terms the source knows; asked only of terms of several words, and for statistics."""
        import numpy as np

        return np.ones(len(terms), dtype=np.bool_)

    def edges(self, first: str, second: str) -> tuple[Edge, ...]:
        """Return what the source says of two terms, in either direction; nothing where it keeps no record."""
        del first, second
        return ()

    def download(self, progress: Callable[[int, int | None], None]) -> Path:
        """Fetch what the source is made of, and return where it lies.

        Args:
            progress: is told the bytes that are there, and how many there will be where that is known.

        Raises:
            UsageProblem: there is nothing to fetch.
        """
        del progress
        raise UsageProblem(f"{type(self).__name__} has nothing to download", hint="leave --download out")


# ---------------------------------------------------------------------------------------- text encoders


@dataclass(frozen=True, slots=True)
class Turn:
    """An utterance as a text encoder sees it.

    Attributes:
        speaker: number of the speaker in the order of first appearance within the window, from 0.
        text: the utterance's text.
        words: the words of `text`.
    """

    speaker: int
    text: str
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class TextWindow:
    """The turns of a window, oldest first. It has one position a turn for the speaker and one for each word."""

    turns: tuple[Turn, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of positions of each turn."""
        return tuple(1 + len(turn.words) for turn in self.turns)

    @property
    def positions(self) -> int:
        """The number of positions, K."""
        return sum(self.sizes)


@dataclass(frozen=True, slots=True)
class TextFeatures:
    """The hidden states of a window.

    Attributes:
        states: (L, d) float32.
        first: (L,) int32, the first position that a state covers; -1 where it covers none, as `[CLS]` does.
        last: (L,) int32, the last position that a state covers, inclusive; -1 where it covers none.
    """

    states: npt.NDArray[np.float32]
    first: npt.NDArray[np.int32]
    last: npt.NDArray[np.int32]


class TextEncoder(Component):
    """Turns windows into hidden states. The frozen part is `encode`; what is trained is `trainable`."""

    @property
    @abstractmethod
    def width(self) -> int:
        """The width d of a state."""

    @abstractmethod
    def encode(self, windows: Sequence[TextWindow]) -> list[TextFeatures]:
        """Return the frozen states of each window, computed as one batch.

        A position that no state covers (its text left no token, or it was cut off because the window is
        longer than the model reads) counts as absent. The last turn's speaker must always be covered.
        """

    def trainable(self) -> nn.Module | None:
        """Return a fresh copy of the layers that are trained on top of `encode`, or None.

        The module maps states (B, L, d) and a mask (B, L), true where a state is real, to states (B, L, d).
        """
        return None

    def place(self, device: str) -> None:
        """Move the frozen part to a device such as `cpu` or `cuda:0`."""


# ---------------------------------------------------------------------------- audio, prosody and fusion


@dataclass(frozen=True, slots=True)
class AudioFeatures:
    """Frames of one utterance.

    Attributes:
        frames: (T, d) float32.
        rate: frames a second, Hz.
    """

    frames: npt.NDArray[np.float32]
    rate: float


class AudioEncoder(Component):
    """Turns recordings into frames, frozen."""

    @property
    @abstractmethod
    def width(self) -> int:
        """The width d of a frame."""

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """The sampling rate that `encode` expects, Hz."""

    @abstractmethod
    def encode(self, waves: Sequence[npt.NDArray[np.float32]]) -> list[AudioFeatures]:
        """Return the frames of each mono waveform (S,), computed as one batch."""

    def place(self, device: str) -> None:
        """Move the encoder to a device such as `cpu` or `cuda:0`."""


class ProsodyEncoder(Component):
    """Builds the module Enc of equation 2, `F_a = h_a + LayerNorm(Enc(h_a))`."""

    @abstractmethod
    def build(self, width: int) -> nn.Module:
        """Return a module that maps h_a (B, T, d) and a mask (B, T) to (B, T, d), with d = `width`."""


@dataclass(frozen=True, slots=True)
class FusionInput:
    """What a fusion module is given; the masks are true where a position is real.

    Attributes:
        text: (B, K, d), with text_mask (B, K).
        audio: (B, T, d), with audio_mask (B, T).
    """

    text: Tensor
    text_mask: Tensor
    audio: Tensor
    audio_mask: Tensor


class Spectrum(Options):
    """The log-mel spectrum that the second step of a fusion reads."""

    rate: int = Field(16_000, ge=2_000, description="samples a second of the recordings it is of, Hz")
    window: float = Field(25.0, gt=0, description="what a frame looks at, ms")
    hop: float = Field(10.0, gt=0, description="from one frame to the next, ms")
    bins: int = Field(80, ge=1, description="mel bands")
    low: float = Field(50.0, ge=0, description="where the lowest band begins, Hz")
    high: float = Field(7_600.0, gt=0, description="where the highest band ends, Hz")
    longest: float = Field(40.0, gt=0, description="seconds of a window that are read at most, its last")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.high > self.rate / 2:
            raise ValueError(f"high is above {self.rate / 2:g} Hz, half the rate")
        if self.low >= self.high:
            raise ValueError("low is not below high")
        if self.hop > self.window:
            raise ValueError("hop is longer than window, so that parts of a recording would not be seen")
        return self


@dataclass(frozen=True, slots=True)
class SecondStepInput:
    """What the second step of a fusion is given; the masks are true where something is real.

    The spectrum stands in N patches of G frames: no patch holds frames of two utterances, so that the last one of an
    utterance may be filled in part. An utterance without a recording has one patch without a frame.

    Attributes:
        fused: (B, T, d), F_ta, or F_a where nothing was said; with fused_mask (B, T).
        frames: (B, N, G, bins), the spectrum, with frame_mask (B, N, G).
        mask: (B, N), true where a patch is real, from a window's first on.
    """

    fused: Tensor
    fused_mask: Tensor
    frames: Tensor
    frame_mask: Tensor
    mask: Tensor


@dataclass(frozen=True, slots=True)
class FusedStreams:
    """What the second step of a fusion gives.

    Attributes:
        fused: (B, T, d), F_m->ta.
        spectrum: (B, N * R, d), F_ta->m; the R features of a patch of time stand behind one another.
    """

    fused: Tensor
    spectrum: Tensor


class Fusion(Component):
    """Builds the modules that fuse text and audio, in one step or in two."""

    @abstractmethod
    def build(self, width: int) -> nn.Module:
        """Return the first step: a module that maps a `FusionInput` of width d = `width` to features (B, T, d)."""

    @property
    def spectrum(self) -> Spectrum | None:
        """The spectrum that the second step reads; None where there is no second step."""
        return None

    @property
    def patch(self) -> int:
        """Frames of the spectrum in one patch, G."""
        return 16

    def build_second(self, width: int) -> nn.Module | None:
        """Return the second step: a module that maps a `SecondStepInput` to `FusedStreams`, both of width d = `width`.

        Only asked for where `spectrum` is not None. Where audio is read alone, it is the only step.
        """
        del width
        return None


# --------------------------------------------------------------------------------------------- training


@dataclass(frozen=True, slots=True)
class TrainingEvent:
    """Something that happened in a training.

    Attributes:
        kind: `started`, `step` (weights were changed once), `epoch` (dev was scored) or `finished`; a training that
            goes on after an interruption starts again.
        run: the run's name.
        folder: the run's folder.
        step: how many times the weights have been changed so far.
        values: of a start, the recipe; of a step, `loss` and `learning_rate`; of an epoch, what `log.jsonl` says of it;
            of the end, the entry of the epoch that is kept.
    """

    kind: Literal["started", "step", "epoch", "finished"]
    run: str
    folder: Path
    step: int
    values: Mapping[str, Any]


# ------------------------------------------------------------------------------------------ registration


class Register(Protocol):
    """What a hook calls for each component."""

    def __call__(self, name: str, target: str, *, summary: str = "") -> None:
        """Announce a component.

        Args:
            name: how recipes call it.
            target: `package.module:Class`, imported only when a recipe asks for it.
            summary: one line for `ecef plugins`.
        """


KINDS: Mapping[str, type[Component]] = {
    "dataset": Dataset,
    "tagger": Tagger,
    "text_encoder": TextEncoder,
    "audio_encoder": AudioEncoder,
    "prosody_encoder": ProsodyEncoder,
    "fusion": Fusion,
}
"""The kinds of component, in the order of the data's path."""
