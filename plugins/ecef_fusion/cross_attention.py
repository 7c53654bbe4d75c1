"""First step of the two-step fusion: a Transformer with audio as query, text as key and value (paper section 2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field
from torch import Tensor, nn

from ecef_cli.api.components import Fusion, Options
from ecef_cli.api.errors import RecipeError

if TYPE_CHECKING:
    from ecef_cli.api.components import FusionInput


class CrossAttentionOptions(Options):
    """Options of the Transformer; in the paper they equal those of the feature extraction module."""

    layers: int = Field(2, ge=1)
    heads: int = Field(8, ge=1)
    feedforward: int = Field(4, ge=1, description="width of the feed-forward part, as a multiple of the network's")
    dropout: float = Field(0.1, ge=0, lt=1)


class CrossAttention(Fusion):
    """Fuse by attention from every position of audio to every position of text."""

    Options = CrossAttentionOptions
    options: CrossAttentionOptions

    def build(self, width: int) -> nn.Module:
        """Return a module that maps a `FusionInput` to F_ta (B, T, d).

        Raises:
            RecipeError: the width is not divisible by the number of heads.
        """
        if width % self.options.heads:
            raise RecipeError(
                f"fusion.heads: width {width} is not divisible by {self.options.heads} heads",
                hint="change fusion.heads or network.width",
            )
        return CrossModalTransformer(width, self.options)


class CrossModalLayer(nn.Module):
    """Attention from audio to text, then a feed-forward part, each with normalised input and a residual connection.

    Args:
        width: d.
        options: of `CrossAttention`.
    """

    recomputable = True
    """Whether its activations may be recomputed in the backward pass, to save memory."""

    def __init__(self, width: int, options: CrossAttentionOptions) -> None:
        super().__init__()
        self.norm_audio, self.norm_text, self.norm = (nn.LayerNorm(width) for _ in range(3))
        self.attention = nn.MultiheadAttention(width, options.heads, dropout=options.dropout, batch_first=True)
        self.feedforward = nn.Sequential(
            nn.Linear(width, options.feedforward * width),
            nn.GELU(),
            nn.Dropout(options.dropout),
            nn.Linear(options.feedforward * width, width),
        )
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, audio: Tensor, text: Tensor, text_mask: Tensor) -> Tensor:
        """Return (B, T, d) from audio (B, T, d), text (B, K, d) and its mask (B, K), true at real positions."""
        words = self.norm_text(text)
        seen, _ = self.attention(self.norm_audio(audio), words, words, key_padding_mask=~text_mask, need_weights=False)
        audio = audio + self.dropout(seen)
        mixed: Tensor = audio + self.dropout(self.feedforward(self.norm(audio)))
        return mixed


class CrossModalTransformer(nn.Module):
    """F_ta: audio after attention to text.

    Args:
        width: d.
        options: of `CrossAttention`.
    """

    def __init__(self, width: int, options: CrossAttentionOptions) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CrossModalLayer(width, options) for _ in range(options.layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, inputs: FusionInput) -> Tensor:
        """Return F_ta (B, T, d)."""
        found = inputs.audio
        for layer in self.layers:
            found = layer(found, inputs.text, inputs.text_mask)
        normed: Tensor = self.norm(found)
        return normed
