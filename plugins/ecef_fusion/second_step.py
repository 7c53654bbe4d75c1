"""Second step of the two-step fusion: multi-layer multi-modal fusion, MFM (paper section 2.5, equations 3 to 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ecef_cli.api.components import FusedStreams
from ecef_fusion.layers import freeze

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecef_cli.api.components import SecondStepInput
    from ecef_fusion.layers import Layer, Projected
    from ecef_fusion.patches import PatchEmbedding

_SPREAD = 0.02


class Adapter(nn.Sequential):
    """The MLP of equations 4 and 6, after PMF (Li et al., CVPR 2023): to half the width, ReLU, to the other width.

    Args:
        width: width of its input.
        other: width of its output.
    """

    def __init__(self, width: int, other: int) -> None:
        super().__init__(nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, other))


class MfmBlock(nn.Module):
    """One block of MFM over one language and one vision layer.

    Of the outputs of equations 3 and 5, only those at the bridge are used, so only the bridge is computed. Equations 4
    and 6 run the same layers over the same F_ta and F_m, so queries, keys and values are computed once for both. Their
    outputs at the bridge are dropped, as in PMF, so the bridge is attended to but not computed. The result is exactly
    that of the equations, for little more than half the operations.

    Args:
        language: Trans_l.
        vision: Trans_v.
        bridge: number of bridge vectors.
    """

    recomputable = True
    """Whether its activations may be recomputed in the backward pass, to save memory."""

    def __init__(self, language: Layer, vision: Layer, bridge: int) -> None:
        super().__init__()
        self.language, self.vision = language, vision
        words, image = language.shape.width, vision.shape.width
        self.bridge_vision = nn.Parameter(_SPREAD * torch.randn(bridge, image))  # v_br
        self.bridge_language = nn.Parameter(_SPREAD * torch.randn(bridge, words))  # v'_br
        self.to_language, self.to_vision = Adapter(image, words), Adapter(words, image)

    def forward(self, fused: Tensor, fused_mask: Tensor, patches: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return F_m->ta (B, T, d_l) and F_ta->m (B, P, d_v).

        Args:
            fused: F_ta, (B, T, d_l).
            fused_mask: (B, T), true at real positions.
            patches: F_m, (B, P, d_v).
            mask: (B, P), true at real patches.
        """
        words, image = self.language.project(fused), self.vision.project(patches)
        from_image = self.to_language(_crossed(self.vision, self.bridge_vision, image, mask))  # equation 3
        from_words = self.to_vision(_crossed(self.language, self.bridge_language, words, fused_mask))  # equation 5
        # Equations 4 and 6.
        into_words, into_image = self.language.project(from_image), self.vision.project(from_words)
        return (
            self.language.attend(fused, words.query, words, fused_mask, into_words),
            self.vision.attend(patches, image.query, image, mask, into_image),
        )


def _crossed(layer: Layer, bridge: Tensor, own: Projected, mask: Tensor) -> Tensor:
    """Return the bridge (B, n, d) after a layer in which it attends to the positions of its side."""
    states = bridge.expand(len(mask), -1, -1)
    asked = layer.project(states)
    return layer.attend(states, asked.query, own, mask, asked)


class SecondStep(nn.Module):
    """Stacked MFM blocks between F_ta and the patches of the spectrum.

    F_ta is mapped from the network's width to that of the language layers, and both streams are mapped back. Each block
    takes the output of the block before.

    Args:
        width: d of the network.
        embedding: returns F_m.
        language: one layer per block.
        vision: one layer per block.
        bridge: number of bridge vectors.
        last_norm: the vision Transformer's last normalisation; None for a new one that is trained.
    """

    def __init__(
        self,
        width: int,
        embedding: PatchEmbedding,
        language: Sequence[Layer],
        vision: Sequence[Layer],
        *,
        bridge: int,
        last_norm: nn.LayerNorm | None,
    ) -> None:
        super().__init__()
        words, image = language[0].shape.width, vision[0].shape.width
        self.embedding = embedding
        self.enter = nn.Identity() if words == width else nn.Linear(width, words)
        self.blocks = nn.ModuleList(MfmBlock(*pair, bridge) for pair in zip(language, vision, strict=True))
        self.norm = nn.LayerNorm(image)
        if last_norm is not None:
            self.norm.load_state_dict(last_norm.state_dict())
            self.norm.eps = last_norm.eps
            freeze(self.norm)
        self.leave_language = nn.Identity() if words == width else nn.Linear(words, width)
        self.leave_vision = nn.Identity() if image == width else nn.Linear(image, width)

    def forward(self, inputs: SecondStepInput) -> FusedStreams:
        """Return F_m->ta (B, T, width) and F_ta->m (B, N * R, width)."""
        fused = self.enter(inputs.fused)
        patches = self.embedding(inputs.frames, inputs.frame_mask, inputs.mask)
        mask = inputs.mask.repeat_interleave(self.embedding.rows, dim=1)
        for block in self.blocks:
            fused, patches = block(fused, inputs.fused_mask, patches, mask)
        return FusedStreams(self.leave_language(fused), self.leave_vision(self.norm(patches)))
