"""The trained network: seam layers, KWRT weighting, feature extraction module, heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ecef_cli.network.kwrt import WordWeighting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecef_cli.recipe import Network as NetworkSettings
    from ecef_cli.samples.batches import Batch


class TurnEmbedding(nn.Module):
    """Says of each position how many utterances ago it was spoken.

    Args:
        history: utterances in a window.
        width: width of the features it is added to.
        spread: standard deviation that its vectors start with; 0 starts with no effect.
    """

    def __init__(self, history: int, width: int, *, spread: float) -> None:
        super().__init__()
        self.table = nn.Embedding(history, width)
        nn.init.normal_(self.table.weight, std=spread)

    def forward(self, features: Tensor, turns: Tensor) -> Tensor:
        """Return features (B, K, width) with the vector of each turn (B, K) added; -1 adds none."""
        known = (turns >= 0)[..., None].to(features.dtype)
        added: Tensor = features + known * self.table(turns.clamp(min=0))
        return added


class FeatureExtraction(nn.Module):
    """The feature extraction module: a Transformer over the window's positions (paper section 3.2).

    Args:
        width_in: d, width of the features that come in.
        history: utterances in a window.
        settings: width, heads, layers, feed-forward and dropout.
    """

    def __init__(self, width_in: int, history: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.project = nn.Linear(width_in, settings.width)
        self.turns = TurnEmbedding(history, settings.width, spread=0.02)
        self.dropout = nn.Dropout(settings.dropout)
        layer = nn.TransformerEncoderLayer(
            settings.width,
            settings.heads,
            dim_feedforward=settings.feedforward * settings.width,
            dropout=settings.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.layers = nn.TransformerEncoder(
            layer, settings.layers, norm=nn.LayerNorm(settings.width), enable_nested_tensor=False
        )

    def forward(self, features: Tensor, turns: Tensor, mask: Tensor) -> Tensor:
        """Return (B, K, width) from features (B, K, d), turns and a mask (B, K), true where a position is real."""
        projected = self.turns(self.project(features), turns)
        extracted: Tensor = self.layers(self.dropout(projected), src_key_padding_mask=~mask)
        return extracted


class Pool(nn.Module):
    """Makes one vector of many positions: their mean, or a mean weighted by a learned score of each.

    The scores start at zero, which is the mean.

    Args:
        settings: width and pooling.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.score = nn.Linear(settings.width, 1, bias=False) if settings.pooling == "attention" else None
        if self.score is not None:
            nn.init.zeros_(self.score.weight)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Return (B, d) from features (B, K, d), over the positions where mask (B, K) is true."""
        scores = torch.zeros_like(features[..., 0]) if self.score is None else self.score(features)[..., 0]
        weights = scores.masked_fill(~mask, float("-inf")).softmax(dim=1)
        return (weights[:, None, :] @ features)[:, 0]


class TextNetwork(nn.Module):
    """The text part of ECEF, with one classifier for each task.

    ERC pools over the positions of the window's last utterance, EPC over the whole window.

    Args:
        settings: the recipe's network.
        width_in: width of the encoder's states.
        history: utterances in a window.
        tasks: `erc`, `epc` or both.
        labels: number of emotions.
        top: the encoder's trained layers, or None where all of it is frozen.
        kwrt: whether words are weighted by their tags.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        *,
        width_in: int,
        history: int,
        tasks: Sequence[str],
        labels: int,
        top: nn.Module | None,
        kwrt: bool,
    ) -> None:
        super().__init__()
        self.top = top
        self.marks = None if top is None else TurnEmbedding(history, width_in, spread=0.0)
        self.weighting = WordWeighting(width_in) if kwrt else None
        self.extraction = FeatureExtraction(width_in, history, settings)
        self.pools = nn.ModuleDict({task: Pool(settings) for task in tasks})
        self.dropout = nn.Dropout(settings.dropout)
        self.heads = nn.ModuleDict({task: nn.Linear(settings.width, labels) for task in tasks})

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return the logits (B, labels) of each task."""
        states = batch.states
        if self.top is not None and self.marks is not None:
            states = self.top(self.marks(states, batch.state_turns), batch.state_mask)
        words = batch.pooling @ states
        if self.weighting is not None:
            words = self.weighting(words, batch.importance)
        words = self.extraction(words, batch.turns, batch.mask)
        scope = {"erc": batch.target, "epc": batch.mask}
        pooled = {task: pool(words, scope[task]) for task, pool in self.pools.items()}
        return {task: head(self.dropout(pooled[task])) for task, head in self.heads.items()}
