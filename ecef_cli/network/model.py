"""Trained network: a stream per modality, their fusion, a classifier per task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from ecef_cli.api.components import FusionInput, SecondStepInput
from ecef_cli.network.audio import FrameMasking
from ecef_cli.network.extraction import FeatureExtraction, Pool, TurnEmbedding
from ecef_cli.network.kwrt import WordWeighting
from ecef_cli.network.modules import forward
from ecef_cli.recipe.sections import SENTIMENT
from ecef_cli.samples.windows import NEXT_SPEAKERS, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecef_cli.network.audio import AudioStream
    from ecef_cli.recipe.sections import Masking, ModalityDropout
    from ecef_cli.recipe.sections import Network as NetworkSettings
    from ecef_cli.samples.batches import AudioBatch, Batch, TextBatch


UNTOLD = 0.2
"""Share of training windows without the next speaker, so that the network can predict without it."""


class TextStream(nn.Module):
    """Map the encoder's states to the words' features F_t.

    Args:
        width_in: d, width of the encoder's states.
        history: number of distinct utterances of the turn embedding.
        settings: the recipe's network.
        top: the encoder's trained layers, or None if all layers are frozen.
        kwrt: whether words are weighted by their tags.
    """

    def __init__(
        self, width_in: int, history: int, settings: NetworkSettings, *, top: nn.Module | None, kwrt: bool
    ) -> None:
        super().__init__()
        self.top = top
        self.marks = None if top is None else TurnEmbedding(history, width_in, spread=0.0)
        self.weighting = WordWeighting(width_in) if kwrt else None
        self.extraction = FeatureExtraction(width_in, history, settings)

    def forward(self, batch: TextBatch) -> Tensor:
        """Return F_t (B, K, width)."""
        states = batch.states
        if self.top is not None and self.marks is not None:
            states = forward(self.top, self.marks(states, batch.state_turns), batch.state_mask)
        words = batch.pooling @ states
        if self.weighting is not None:
            words = self.weighting(words, batch.importance)
        found: Tensor = self.extraction(words, batch.turns, batch.mask)
        return found


class Positions(Protocol):
    """Positions that a classifier pools over."""

    @property
    def mask(self) -> Tensor:
        """(B, N), true at real positions."""

    @property
    def target(self) -> Tensor:
        """(B, N), true at the positions of the last utterance."""


@dataclass(frozen=True, slots=True)
class Patches:
    """Positions of F_ta->m, R per patch of the spectrum's time."""

    mask: Tensor
    target: Tensor

    @classmethod
    def of(cls, spectrum: AudioBatch, count: int) -> Patches:
        """Return the positions of features (B, `count`, d) of a spectrum."""
        rows = count // spectrum.mask.shape[1]
        return cls(spectrum.mask.repeat_interleave(rows, dim=1), spectrum.target.repeat_interleave(rows, dim=1))


class Heads(nn.Module):
    """One linear classifier per task over the features of a stream.

    ERC pools over the positions of the window's last utterance, EPC over the whole window. If EPC knows the next
    speaker, a learned vector for it is added to EPC's pooled features; it starts at zero. An auxiliary classifier
    predicts the sentiment from ERC's pooled features, in training only.

    Args:
        settings: the recipe's network.
        tasks: `erc`, `epc` or both.
        labels: number of emotions.
        next_speaker: whether EPC knows the next speaker.
        sentiments: number of sentiments; 0 for no auxiliary classifier.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        tasks: Sequence[str],
        labels: int,
        *,
        next_speaker: bool = False,
        sentiments: int = 0,
    ) -> None:
        super().__init__()
        self.pools = nn.ModuleDict({task: Pool(settings) for task in tasks})
        self.next_speaker: nn.Embedding | None = None
        if next_speaker and "epc" in tasks:
            self.next_speaker = nn.Embedding(NEXT_SPEAKERS, settings.width)
            nn.init.zeros_(self.next_speaker.weight)
        self.dropout = nn.Dropout(settings.dropout)
        self.classifiers = nn.ModuleDict({task: nn.Linear(settings.width, labels) for task in tasks})
        self.sentiment = nn.Linear(settings.width, sentiments) if sentiments else None

    def forward(
        self, features: Tensor, positions: Positions, next_speaker: Tensor | None = None
    ) -> Mapping[str, Tensor]:
        """Return the logits (B, labels) of each task, and in training those of the sentiment.

        Args:
            features: (B, N, width), by position.
            positions: masks of the positions.
            next_speaker: (B,) int64, the next speaker, as numbered by `samples.windows.next_speaker`; None if unknown.
        """
        scope = {"erc": positions.target, "epc": positions.mask}
        pooled = {task: pool(features, scope[task]) for task, pool in self.pools.items()}
        if self.next_speaker is not None:
            unknown = features.new_full((len(features),), UNKNOWN, dtype=torch.long)
            pooled["epc"] = pooled["epc"] + self.next_speaker(unknown if next_speaker is None else next_speaker)
        found = {task: head(self.dropout(pooled[task])) for task, head in self.classifiers.items()}
        if self.sentiment is not None and self.training:
            found[SENTIMENT] = self.sentiment(self.dropout(pooled["erc"]))
        return found


class EcefNetwork(nn.Module):
    """ECEF (paper sections 2.3 to 2.5): cues of each modality, fused in two steps.

    The first step fuses text and audio to F_ta; with audio alone, F_a replaces it. The second step adds the spectrum
    and returns two streams, whose classifiers' logits are averaged; without a second step, F_ta is classified.
    Windows without any recording have classifiers of their own on F_t, so that one model serves both. With
    `settings.correction`, the logits on F_ta are added to those on F_t: a stream that has nothing to say gives zero.

    Args:
        settings: the recipe's network.
        tasks: `erc`, `epc` or both.
        labels: number of emotions.
        text: the text stream, or None.
        audio: the audio stream, or None.
        fusion: the first step, which maps a `FusionInput` to F_ta; needed if there are two streams.
        second: the second step, which maps a `SecondStepInput` to `FusedStreams`, or None.
        masking: masking of the spectrum in training, or None.
        dropout: probabilities of training on a window without one of its modalities.
        frozen: modalities whose stream and classifiers are not trained.
        next_speaker: whether EPC knows the next speaker.
        sentiments: number of sentiments of the auxiliary classifier; 0 for none.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        *,
        tasks: Sequence[str],
        labels: int,
        text: TextStream | None,
        audio: AudioStream | None = None,
        fusion: nn.Module | None = None,
        second: nn.Module | None = None,
        masking: Masking | None = None,
        dropout: ModalityDropout | None = None,
        frozen: Sequence[str] = (),
        next_speaker: bool = False,
        sentiments: int = 0,
    ) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.text, self.audio, self.fusion, self.second = text, audio, fusion, second
        self.masking = None if second is None or masking is None else FrameMasking(masking)

        def heads(features: nn.Module | None) -> Heads | None:
            if features is None:
                return None
            return Heads(settings, tasks, labels, next_speaker=next_speaker, sentiments=sentiments)

        self.text_heads, self.audio_heads, self.spectrum_heads = heads(text), heads(audio), heads(second)
        self._corrects, self._told = settings.correction, next_speaker
        self._dropout = dropout
        self._frozen = [
            part
            for name in frozen
            for part in {"text": (self.text, self.text_heads), "audio": (self.audio,)}[name]
            if part is not None
        ]
        for part in self._frozen:
            part.requires_grad_(requires_grad=False)

    def train(self, mode: bool = True) -> EcefNetwork:
        """Set the mode of every part that is not frozen; frozen ones have no dropout."""
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return the logits (B, labels) of each task, and in training those of the sentiment."""
        from_text: Mapping[str, Tensor] = {}
        words, told = None, self._next_speaker(batch)
        if self.text is not None and self.text_heads is not None and batch.text is not None:
            words = self.text(batch.text)
            from_text = self.text_heads(words, batch.text, told)
        if self.audio is None or self.audio_heads is None or batch.audio is None:
            return from_text
        if from_text and not self.training and not batch.audio.recorded.any():
            return from_text
        heard = self.audio(batch.audio)
        if words is None or self.fusion is None or batch.text is None:
            return self._answer(heard, batch, self.audio_heads, told)
        silent, mute = self._dropped(~batch.audio.recorded, ~batch.text.worded)
        fused = forward(self.fusion, FusionInput(words, batch.text.mask, heard, batch.audio.mask))
        fused = torch.where(mute[:, None, None], heard, fused)
        from_audio = self._answer(fused, batch, self.audio_heads, told)
        if self._corrects:
            unread = mute[:, None]
            from_audio = {t: s + from_text[t].masked_fill(unread, 0.0) for t, s in from_audio.items()}
        return {task: torch.where(silent[:, None], from_text[task], from_audio[task]) for task in from_audio}

    def _answer(self, fused: Tensor, batch: Batch, heads: Heads, told: Tensor | None) -> Mapping[str, Tensor]:
        """Return the logits from F_ta or F_a (B, T, width), through the second step if there is one."""
        audio, spectrum = batch.audio, batch.spectrum
        assert audio is not None  # noqa: S101 - for the type checker
        if self.second is None or self.spectrum_heads is None or spectrum is None:
            found: Mapping[str, Tensor] = heads(fused, audio, told)
            return found
        frames = spectrum.frames if self.masking is None else self.masking(spectrum.frames)
        given = SecondStepInput(fused, audio.mask, frames, spectrum.frame_mask, spectrum.mask)
        streams = forward(self.second, given)
        from_fused = heads(streams.fused, audio, told)
        patches = Patches.of(spectrum, streams.spectrum.shape[1])
        from_spectrum = self.spectrum_heads(streams.spectrum, patches, told)
        return {task: (from_fused[task] + from_spectrum[task]) / 2 for task in from_fused}

    def _next_speaker(self, batch: Batch) -> Tensor | None:
        """Return (B,) the next speaker; in training, a share of them is set to unknown."""
        told = batch.next_speaker
        if told is None or not self.training or not self._told:
            return told
        return told.masked_fill(torch.rand(told.shape, device=told.device) < UNTOLD, UNKNOWN)

    def _dropped(self, silent: Tensor, mute: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B,) which windows count as without a recording, and which as without text.

        In training some are drawn at random; a window never loses both.
        """
        if not self.training or self._dropout is None:
            return silent, mute
        drawn = torch.rand(silent.shape, device=silent.device)
        no_audio = drawn < self._dropout.audio
        no_text = (drawn >= self._dropout.audio) & (drawn < self._dropout.audio + self._dropout.text)
        return silent | (no_audio & ~mute), mute | (no_text & ~silent)
