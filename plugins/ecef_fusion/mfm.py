"""Two-step fusion of the paper, TMF: audio attends to text, then both are fused with the mel spectrum (section 2.5)."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from ecef_cli.api.components import Options, Spectrum
from ecef_cli.api.errors import RecipeError
from ecef_fusion.concat import Concatenation
from ecef_fusion.cross_attention import CrossAttention, CrossAttentionOptions

if TYPE_CHECKING:
    from typing import Self

    from torch import nn

    from ecef_fusion.backbones import Pretrained
    from ecef_fusion.layers import Layer


def _none(value: object) -> object:
    return None if value == "none" else value


class Language(Options):
    """Language side of MFM: frozen layers of a pretrained BERT-like model, or small layers trained from scratch."""

    model: Annotated[str | None, BeforeValidator(_none)] = Field(
        "bert-base-uncased",
        min_length=1,
        description="a folder, or a name on the Hugging Face hub; none for layers trained from scratch",
    )
    layers: list[int] | None = Field(
        None,
        description="number of the model's layer for each block, from 0, or negative from the end; null for the last",
    )
    width: int = Field(128, ge=8, description="width of layers trained from scratch")
    heads: int = Field(4, ge=1, description="attention heads of layers trained from scratch")

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.model is None and self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by {self.heads} heads")
        return self


class Vision(Language):
    """Vision side of MFM: frozen layers of a pretrained ViT-like model, or small layers trained from scratch."""

    model: Annotated[str | None, BeforeValidator(_none)] = Field(
        "google/vit-base-patch16-224",
        min_length=1,
        description="a folder, or a name on the Hugging Face hub; none for layers trained from scratch",
    )


class MfmOptions(CrossAttentionOptions):
    """Options of both steps. `layers`, `heads`, `feedforward` and `dropout` configure the first step's Transformer."""

    first_step: Literal["cross-attention", "concat"] = Field(
        "cross-attention", description="concat is the fusion without step one: the text's mean beside each position"
    )
    second_step: Literal["mfm", "none"] = Field(
        "mfm", description="none is the fusion without step two, `w/o TMF` in the paper"
    )
    blocks: int = Field(2, ge=1, description="stacked MFM blocks; each uses one layer of each side")
    bridge: int = Field(4, ge=1, description="bridge vectors of a block per direction")
    language: Language = Language()
    vision: Vision = Vision()
    spectrum: Spectrum = Spectrum()
    patch: int = Field(16, ge=1, description="frames and mel bands of a patch; that of a pretrained vision model")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for side, name in ((self.language, "language"), (self.vision, "vision")):
            if side.layers is not None and len(side.layers) != self.blocks:
                raise ValueError(f"{name}.layers names {len(side.layers)} layers, but there are {self.blocks} blocks")
        if self.spectrum.bins % self.patch:
            raise ValueError(f"spectrum.bins {self.spectrum.bins} is not a multiple of the patch, {self.patch}")
        return self


class Mfm(CrossAttention):
    """TMF: step one returns F_ta, step two fuses it with the mel spectrum by frozen layers of two Transformers."""

    Options = MfmOptions
    options: MfmOptions

    @classmethod
    def without_weights(cls, options: MfmOptions) -> Mfm:
        """Return a fusion of the same sizes, for `ecef recipes inspect`."""
        from ecef_fusion.sizes import MfmSizes

        return MfmSizes(options)

    def build(self, width: int) -> nn.Module:
        """Return step one, which maps a `FusionInput` to F_ta (B, T, d)."""
        return Concatenation(width) if self.options.first_step == "concat" else super().build(width)

    @property
    def spectrum(self) -> Spectrum | None:
        """The spectrum that step two reads, or None without step two."""
        return None if self.options.second_step == "none" else self.options.spectrum

    @property
    def patch(self) -> int:
        """Frames in a patch."""
        return self.options.patch

    def identity(self) -> str:
        """Return the checksums of the frozen layers."""
        if self.options.second_step == "none":
            return ""
        return "+".join(side.identity for side in (self._language, self._vision) if side is not None)

    def build_second(self, width: int) -> nn.Module:
        """Return step two, which maps a `SecondStepInput` to F_m->ta and F_ta->m.

        Raises:
            PluginError: a pretrained model cannot be loaded.
            RecipeError: the model lacks a layer, or its patches have another size.
        """
        from ecef_fusion.patches import PatchEmbedding
        from ecef_fusion.second_step import SecondStep

        vision = self._vision
        pretrained = None if vision is None else vision.patches
        if pretrained is not None and pretrained.size != self.options.patch:
            raise RecipeError(
                f"fusion.patch: {self.options.patch}, but the patches of {self.options.vision.model!r} are "
                f"{pretrained.size} by {pretrained.size}",
                hint=f"set fusion.patch={pretrained.size}, and fusion.spectrum.bins to a multiple of it",
            )
        rows = self.options.spectrum.bins // self.options.patch
        layers = self._layers(self.options.vision, vision, norm_first=True)
        return SecondStep(
            width,
            PatchEmbedding(rows, self.options.patch, layers[0].shape.width, pretrained),
            self._layers(self.options.language, self._language, norm_first=False),
            layers,
            bridge=self.options.bridge,
            last_norm=None if vision is None else vision.last_norm,
        )

    @cached_property
    def _language(self) -> Pretrained | None:
        from ecef_fusion.backbones import load_language

        side = self.options.language
        return None if side.model is None else load_language(side.model, side.layers, self.options.blocks)

    @cached_property
    def _vision(self) -> Pretrained | None:
        from ecef_fusion.backbones import load_vision

        side = self.options.vision
        return None if side.model is None else load_vision(side.model, side.layers, self.options.blocks)

    def _layers(self, side: Language, pretrained: Pretrained | None, *, norm_first: bool) -> list[Layer]:
        """Return one layer per block, frozen or new."""
        from ecef_fusion.layers import Layer, Shape

        if pretrained is not None:
            return list(pretrained.layers)
        inner = self.options.feedforward * side.width
        shape = Shape(side.width, side.heads, inner, norm_first=norm_first)
        return [Layer(shape, dropout=self.options.dropout) for _ in range(self.options.blocks)]
