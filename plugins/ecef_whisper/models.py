"""Find and load Whisper models in the format of CTranslate2."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ecef_cli.api.errors import PluginError, did_you_mean
from ecef_cli.api.weights import how_to_get, locate

SIZES = ("tiny", "tiny.en", "base", "base.en", "small", "small.en", "medium", "medium.en", "large-v3")
"""Sizes of Whisper; `.en` reads English only, and better than the same size for all languages."""

_WEIGHTS = "model.bin"
_FILES = ("config.json", "preprocessor_config.json", _WEIGHTS, "tokenizer.json", "vocabulary.*")
_INSTALL = 'run `pip install -c constraints.txt -e ".[transcribe]"` in the clone of ecef'


def find_model(name: str) -> Path:
    """Return the folder of a model: a local folder, the Hugging Face cache, or a download from the hub, in that order.

    Args:
        name: one of `SIZES`, a folder, or a name on the hub.

    Raises:
        PluginError: faster-whisper is not installed, or the model cannot be found or downloaded.
    """
    if find_spec("faster_whisper") is None:
        raise PluginError("faster-whisper is not installed", hint=_INSTALL)
    if "/" not in name and not Path(name).is_dir():
        if name not in SIZES:
            hint = f"{did_you_mean(name, SIZES)}; or name a folder, or a model on the hub as OWNER/NAME"
            raise PluginError(f"model: {name!r} is neither a size of Whisper nor a folder", hint=hint)
        name = f"Systran/faster-whisper-{name}"
    location = locate(name, setting="model", weights=[_WEIGHTS])
    folder = Path(location.model) if location.origin == "path" else _download(location.model, local=location.local)
    if not (folder / _WEIGHTS).is_file():
        hint = "convert it with `ct2-transformers-converter`, or choose a model made for faster-whisper"
        raise PluginError(f"model: {folder} has no {_WEIGHTS}, the weights as CTranslate2 reads them", hint=hint)
    return folder


def _download(repository: str, *, local: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(snapshot_download(repository, allow_patterns=list(_FILES), local_files_only=local))
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = "it is not on this machine, and ecef is offline" if local else " ".join(str(error).split())[:300]
        problem = f"model: {repository!r} cannot be downloaded: {reason}"
        raise PluginError(problem, hint=how_to_get(repository, setting="model")) from error


def load_model(folder: Path, *, device: str, compute_type: str) -> Any:
    """Return a `faster_whisper.WhisperModel`.

    Args:
        folder: the model's folder.
        device: `cpu`, or `cuda` with or without a number.
        compute_type: numbers to compute with, as CTranslate2 names them; `auto` is the fastest type.

    Raises:
        PluginError: the files are corrupt, or the device cannot compute with this type.
    """
    from faster_whisper import WhisperModel

    kind, _, number = device.partition(":")
    load = partial(WhisperModel, str(folder), device=kind, device_index=int(number or 0), local_files_only=True)
    try:
        return load(compute_type=compute_type)
    except (RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        hint = "check its files, or download it again"
        raise PluginError(f"model: {folder} cannot be loaded on {device}: {reason}", hint=hint) from error
