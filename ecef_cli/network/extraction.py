"""Feature extraction module, and pooling of positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ecef_cli.recipe.sections import Network as NetworkSettings


class TurnEmbedding(nn.Module):
    """Embedding of the number of utterances between a position and the last utterance.

    Args:
        history: number of distinct utterances; older ones count as the oldest.
        width: width of the features it is added to.
        spread: standard deviation of the initial vectors; 0 for no initial effect.
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
    """Feature extraction module: a Transformer over the window's positions (paper section 3.2).

    Args:
        width_in: d, width of the input features.
        history: number of distinct utterances of the turn embedding.
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
        """Return (B, K, width) from features (B, K, d), turns and a mask (B, K), true at real positions."""
        projected = self.turns(self.project(features), turns)
        extracted: Tensor = self.layers(self.dropout(projected), src_key_padding_mask=~mask)
        return extracted


class Pool(nn.Module):
    """Pool positions into one vector: their mean, or a mean weighted by learned scores.

    The scores start at zero, which gives the mean.

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
