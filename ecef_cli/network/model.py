"""The trained network: a stream for each modality, their fusion, one classifier for each task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ecef_cli.components import FusionInput
from ecef_cli.network.extraction import FeatureExtraction, Pool, TurnEmbedding
from ecef_cli.network.kwrt import WordWeighting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecef_cli.network.audio import AudioStream
    from ecef_cli.recipe_sections import ModalityDropout
    from ecef_cli.recipe_sections import Network as NetworkSettings
    from ecef_cli.samples.batches import AudioBatch, Batch, TextBatch


class TextStream(nn.Module):
    """From the encoder's states to the words' features F_t.

    Args:
        width_in: d, width of the encoder's states.
        history: utterances in a window.
        settings: the recipe's network.
        top: the encoder's trained layers, or None where all of it is frozen.
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
            states = self.top(self.marks(states, batch.state_turns), batch.state_mask)
        words = batch.pooling @ states
        if self.weighting is not None:
            words = self.weighting(words, batch.importance)
        found: Tensor = self.extraction(words, batch.turns, batch.mask)
        return found


class Heads(nn.Module):
    """One linear classifier for each task over the features of a stream.

    ERC pools over the positions of the window's last utterance, EPC over the whole window.

    Args:
        settings: the recipe's network.
        tasks: `erc`, `epc` or both.
        labels: number of emotions.
    """

    def __init__(self, settings: NetworkSettings, tasks: Sequence[str], labels: int) -> None:
        super().__init__()
        self.pools = nn.ModuleDict({task: Pool(settings) for task in tasks})
        self.dropout = nn.Dropout(settings.dropout)
        self.classifiers = nn.ModuleDict({task: nn.Linear(settings.width, labels) for task in tasks})

    def forward(self, features: Tensor, batch: TextBatch | AudioBatch) -> Mapping[str, Tensor]:
        """Return the logits (B, labels) of each task from features (B, N, width) of the batch's positions."""
        scope = {"erc": batch.target, "epc": batch.mask}
        pooled = {task: pool(features, scope[task]) for task, pool in self.pools.items()}
        return {task: head(self.dropout(pooled[task])) for task, head in self.classifiers.items()}


class EcefNetwork(nn.Module):
    """ECEF up to the first step of its fusion (paper sections 2.3 to 2.5).

    From text and audio, the answer comes from F_ta, which fuses the two; from audio alone, F_a stands in for it. A
    window without any recording is answered from F_t by classifiers of its own, so that one model serves both.

    Args:
        settings: the recipe's network.
        tasks: `erc`, `epc` or both.
        labels: number of emotions.
        text: the text stream, or None.
        audio: the audio stream, or None.
        fusion: maps a `FusionInput` to F_ta; needed where there are two streams.
        dropout: how often a window is trained on without one of its modalities.
        frozen: modalities whose stream, and whose own classifiers, are not trained.
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
        dropout: ModalityDropout | None = None,
        frozen: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.text, self.audio, self.fusion = text, audio, fusion
        self.text_heads = None if text is None else Heads(settings, tasks, labels)
        self.audio_heads = None if audio is None else Heads(settings, tasks, labels)
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
        """Return the logits (B, labels) of each task."""
        from_text: Mapping[str, Tensor] = {}
        words = None
        if self.text is not None and self.text_heads is not None and batch.text is not None:
            words = self.text(batch.text)
            from_text = self.text_heads(words, batch.text)
        if self.audio is None or self.audio_heads is None or batch.audio is None:
            return from_text
        if from_text and not self.training and not batch.audio.recorded.any():
            return from_text
        heard = self.audio(batch.audio)
        if words is None or self.fusion is None or batch.text is None:
            found: Mapping[str, Tensor] = self.audio_heads(heard, batch.audio)
            return found
        silent, mute = self._dropped(~batch.audio.recorded, ~batch.text.worded)
        fused = self.fusion(FusionInput(words, batch.text.mask, heard, batch.audio.mask))
        fused = torch.where(mute[:, None, None], heard, fused)
        from_audio = self.audio_heads(fused, batch.audio)
        return {task: torch.where(silent[:, None], from_text[task], from_audio[task]) for task in self.tasks}

    def _dropped(self, silent: Tensor, mute: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B,) which windows count as having no recording, and which as having no text.

        In training some are drawn; a window never loses both.
        """
        if not self.training or self._dropout is None:
            return silent, mute
        drawn = torch.rand(silent.shape, device=silent.device)
        no_audio = drawn < self._dropout.audio
        no_text = (drawn >= self._dropout.audio) & (drawn < self._dropout.audio + self._dropout.text)
        return silent | (no_audio & ~mute), mute | (no_text & ~silent)
