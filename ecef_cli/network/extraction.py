"""The feature extraction module, and how positions become one vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ecef_cli.recipe.sections import Network as NetworkSettings


class TurnEmbedding(nn.Module):
    """Says of each position how many utterances ago it was spoken.

    Args:
        history: utterances that are told apart; what was spoken before them counts as the oldest.
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
        added: Tensor = features + known * self.table(turns.clamp(0, self.table.num_embeddings - 1))
        return added


class FeatureExtraction(nn.Module):
    """The feature extraction module: a Transformer over the window's positions (paper section 3.2).

    Args:
        width_in: d, width of the features that come in.
        history: utterances that are told apart by how long ago they were.
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
