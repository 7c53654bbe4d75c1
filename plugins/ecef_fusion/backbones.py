"""Layers and embeddings that the two-step fusion takes from pretrained language and vision models."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ecef_cli.api.errors import PluginError, RecipeError
from ecef_cli.api.weights import locate
from ecef_fusion.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecef_fusion.layers import FrozenLayer


@dataclass(frozen=True)
class Pretrained:
    """Layers of a pretrained Transformer.

    Attributes:
        layers: the frozen layers, in the order of use.
        identity: checksum of their weights and hyperparameters.
        patches: the image embedding of a vision Transformer; None for a language model.
        last_norm: the normalisation after the last layer of a vision Transformer, if it has one.
    """

    layers: tuple[FrozenLayer, ...]
    identity: str
    patches: Patches | None = None
    last_norm: nn.LayerNorm | None = None

    @property
    def width(self) -> int:
        """The width d of the layers."""
        return self.layers[0].shape.width


@dataclass(frozen=True)
class Patches:
    """Image embedding of a vision Transformer.

    Attributes:
        size: pixels along a side of a patch.
        weight: (d, size, size), for a grey patch: the sum over the colours.
        bias: (d,).
        places: (rows, columns, d), the position embeddings.
    """

    size: int
    weight: Tensor
    bias: Tensor
    places: Tensor


def load_language(name: str, layers: Sequence[int] | None, blocks: int) -> Pretrained:
    """Return layers of a BERT-like model, and free the rest of it.

    Args:
        name: a folder, or a name on the Hugging Face hub.
        layers: one per block, counted from 0, or from the end if negative; None for the last ones.
        blocks: number of blocks.

    Raises:
        PluginError: the model cannot be loaded, or its layers are not supported.
        RecipeError: the model lacks a layer.
    """
    setting = "fusion.language.model"
    model = locate(name, setting=setting).load_model()
    ids = torch.arange(10, 26).reshape(2, 8) % embeddings(model, name, setting).num_embeddings
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    found = Reading(model, name, setting)
    found.run({"input_ids": ids, "attention_mask": mask}, mask.bool())
    chosen = found.take(numbered(layers, found.count, blocks, name, "fusion.language"))
    return Pretrained(tuple(chosen), _identity(chosen))


def load_vision(name: str, layers: Sequence[int] | None, blocks: int) -> Pretrained:
    """Return layers and the image embedding of a ViT-like model, and free the rest of it.

    Args:
        name: a folder, or a name on the Hugging Face hub.
        layers: one per block, counted from 0, or from the end if negative; None for the last ones.
        blocks: number of blocks.

    Raises:
        PluginError: the model cannot be loaded, or its layers are not supported.
        RecipeError: the model lacks a layer.
    """
    setting = "fusion.vision.model"
    model = locate(name, setting=setting).load_model()
    patches = image_patches(model, name, setting)
    size = model.config.image_size
    height, breadth = (size, size) if isinstance(size, int) else size
    chance = torch.Generator().manual_seed(0)
    image = torch.randn((1, int(model.config.num_channels), height, breadth), generator=chance)
    found = Reading(model, name, setting)
    found.run({"pixel_values": image}, None)
    chosen = found.take(numbered(layers, found.count, blocks, name, "fusion.vision"))
    norm = last_norm(model)
    return Pretrained(tuple(chosen), _identity(chosen, norm), patches, norm)


def embeddings(model: Any, name: str, setting: str) -> nn.Embedding:
    """Return a language model's embeddings of tokens.

    Raises:
        PluginError: it is not a language model.
    """
    found = model.get_input_embeddings()
    if not isinstance(found, nn.Embedding):
        raise PluginError(f"{setting}: {name!r} ({type(model).__name__}) is not a supported language model")
    return found


def last_norm(model: Any) -> nn.LayerNorm | None:
    """Return the normalisation behind a vision Transformer's last layer, or None if it has none."""
    norm = getattr(model, "layernorm", None)
    return norm if isinstance(norm, nn.LayerNorm) else None


def numbered(layers: Sequence[int] | None, count: int, blocks: int, name: str, setting: str) -> list[int]:
    """Return which layer each block uses, counted from 0."""
    wanted = list(range(-blocks, 0)) if layers is None else list(layers)
    numbers = [number + count if number < 0 else number for number in wanted]
    for number, given in zip(numbers, wanted, strict=True):
        if not 0 <= number < count:
            raise RecipeError(f"{setting}.layers: {name!r} has {count} layers, and no layer {given}")
    return numbers


def image_patches(model: Any, name: str, setting: str) -> Patches:
    """Return how a vision Transformer embeds an image.

    Raises:
        PluginError: it is not a vision Transformer, or its patches are not square.
    """
    embedding = getattr(model, "embeddings", None)
    projection = getattr(getattr(embedding, "patch_embeddings", None), "projection", None)
    places = getattr(embedding, "position_embeddings", None)
    if not isinstance(projection, nn.Conv2d) or not isinstance(places, Tensor):
        raise PluginError(f"{setting}: {name!r} ({type(model).__name__}) is not a supported vision Transformer")
    height, breadth = projection.kernel_size
    if height != breadth:
        raise PluginError(f"{setting}: the patches of {name!r} are not square")
    size = model.config.image_size
    sides = (size, size) if isinstance(size, int) else tuple(size)
    rows, columns = (side // height for side in sides)
    grid = torch.unflatten(places[0, places.shape[1] - rows * columns :], 0, (rows, columns))
    bias = torch.zeros(projection.out_channels) if projection.bias is None else projection.bias
    return Patches(height, projection.weight.sum(dim=1).clone(), bias.clone(), grid.clone())


def _identity(layers: Sequence[FrozenLayer], norm: nn.LayerNorm | None = None) -> str:
    digest = hashlib.sha256()
    for layer in layers:
        shape = layer.shape
        facts = (shape.heads, shape.norm_first, shape.epsilon, type(shape.activation).__name__)
        digest.update(repr(facts).encode())
        for name, tensor in sorted(layer.named_buffers()):
            digest.update(name.encode())
            digest.update(tensor.contiguous().numpy().tobytes())
    if norm is not None:
        digest.update(norm.weight.numpy().tobytes() + norm.bias.numpy().tobytes())
    return digest.hexdigest()[:32]
