"""KWRT weighting: give more weight to words that are related to others (paper section 2.3, equation 1)."""

from __future__ import annotations

from torch import Tensor, nn


class WordWeighting(nn.Module):
    """`F_t = h_t * Linear(Squeeze(M))`.

    Squeeze(M) is the sum of each row of M, compressed by log(1 + x), because rows of long windows can sum to dozens.
    The linear layer starts with weight 0 and bias 1, so that words are unchanged at first. A word without a tag is
    always scaled by the bias alone.

    Args:
        width: d, the width of h_t.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(1, width)
        nn.init.zeros_(self.linear.weight)
        nn.init.ones_(self.linear.bias)

    def forward(self, states: Tensor, importance: Tensor) -> Tensor:
        """Return the weighted states.

        Args:
            states: h_t, (B, K, d).
            importance: the row sums of M, (B, K).
        """
        weighted: Tensor = states * self.linear(importance.log1p()[..., None])
        return weighted
