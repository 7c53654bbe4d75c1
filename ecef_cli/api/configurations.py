"""Configurations of Hugging Face models, read for `ecef recipes inspect` without their weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import PluginError
from ecef_cli.api.weights import how_to_get, locate

if TYPE_CHECKING:
    from collections.abc import Mapping

Kept = dict[str, Any]
"""Values of a configuration that differ from transformers' defaults, with its `model_type`."""


class WithoutWeights:
    """Base class, before the one of its kind, of a component whose modules have shapes and no values."""

    origin: str

    def identity(self) -> str:
        """Raise an error: output of a component without weights must not be stored.

        Raises:
            PluginError: always.
        """
        raise PluginError(f"{self.origin} was built without weights, for `ecef recipes inspect` alone")


def read_configuration(name: str, kept: Mapping[str, Kept], *, plugin: str, setting: str) -> tuple[Any, list[str]]:
    """Return transformers' configuration of a model, and a note if it is one of those kept with a plugin.

    It is looked for in a local folder, the Hugging Face cache, `kept`, an installed package and on the hub, in that
    order.

    Args:
        name: a folder, or a name on the hub.
        kept: the configurations that the plugin keeps, by name on the hub.
        plugin: the plugin's name, for the note.
        setting: what names the model in a recipe.

    Raises:
        PluginError: it is not found, or cannot be read.
    """
    if name in kept and not Path(name).is_dir() and not _cached(name):
        from transformers import AutoConfig

        values = dict(kept[name])
        config = AutoConfig.for_model(values.pop("model_type"), **values)
        return config, [f"{name}: configuration kept with {plugin}, not read from the hub"]
    return locate(name, setting=setting).load("AutoConfig"), []


def build_empty(config: Any, name: str, *, setting: str) -> Any:
    """Return transformers' model of a configuration on the `meta` device: shapes without values.

    Raises:
        PluginError: transformers has no such model.
    """
    import torch
    import transformers

    library: Any = transformers
    try:
        with torch.device("meta"):
            model = library.AutoModel.from_config(config, trust_remote_code=False)
    except (ValueError, ImportError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise PluginError(
            f"{setting}: {name!r} cannot be built from its configuration: {reason[:300]}",
            hint=how_to_get(name, setting=setting),
        ) from error
    return model.to("meta").requires_grad_(requires_grad=False).eval()  # WavLM has a parameter that stays behind


def _cached(name: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(name, "config.json"), str)
