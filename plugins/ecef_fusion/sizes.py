"""The sizes of the two-step fusion's pretrained layers, without their weights."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from ecef_cli.api.configurations import WithoutWeights, build_empty, read_configuration
from ecef_fusion.backbones import Pretrained, embeddings, image_patches, last_norm, numbered
from ecef_fusion.mfm import Mfm
from ecef_fusion.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecef_cli.api.configurations import Kept
    from ecef_fusion.layers import FrozenLayer
    from ecef_fusion.mfm import Language

_BERT: Kept = {"model_type": "bert"}
_MINILM: Kept = {
    "model_type": "bert",
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
}
_VIT: Kept = {"model_type": "vit"}
KEPT: Mapping[str, Kept] = {
    "bert-base-uncased": _BERT,
    "google-bert/bert-base-uncased": _BERT,
    "sentence-transformers/all-MiniLM-L6-v2": _MINILM,
    "google/vit-base-patch16-224": _VIT,
}
"""Configurations of models that are kept with this plugin, by name on the hub."""


class MfmSizes(WithoutWeights, Mfm):
    """TMF whose pretrained layers have shapes and no values, for `ecef recipes inspect` alone."""

    @cached_property
    def _language(self) -> Pretrained | None:
        side, setting = self.options.language, "fusion.language"
        if side.model is None:
            return None
        model = self._empty(side.model, f"{setting}.model")
        embeddings(model, side.model, f"{setting}.model")
        return Pretrained(self._frozen(model, side, setting, norm_first=False), "")

    @cached_property
    def _vision(self) -> Pretrained | None:
        side, setting = self.options.vision, "fusion.vision"
        if side.model is None:
            return None
        model = self._empty(side.model, f"{setting}.model")
        patches = image_patches(model, side.model, f"{setting}.model")
        return Pretrained(self._frozen(model, side, setting, norm_first=True), "", patches, last_norm(model))

    def _empty(self, name: str, setting: str) -> Any:
        config, notes = read_configuration(name, KEPT, plugin="ecef_fusion", setting=setting)
        self.notes = [*self.notes, *notes]
        return build_empty(config, name, setting=setting)

    def _frozen(self, model: Any, side: Language, setting: str, *, norm_first: bool) -> tuple[FrozenLayer, ...]:
        name = str(side.model)
        found = Reading(model, name, f"{setting}.model")
        numbers = numbered(side.layers, found.count, self.options.blocks, name, setting)
        with torch.device("meta"):
            return tuple(found.take_unchecked(numbers, norm_first=norm_first))
