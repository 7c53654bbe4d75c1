"""Loads a speech encoder, refuses what is none, and says what decides its output."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ecef_cli.api.errors import PluginError
from ecef_cli.api.weights import how_to_get, locate

if TYPE_CHECKING:
    from ecef_cli.api.weights import Location

SETTING = "audio_encoder.model"
WHISPER = "whisper"
KINDS = ("data2vec-audio", "hubert", "unispeech", "unispeech-sat", "wav2vec2", "wavlm", WHISPER)
"""What transformers calls the architectures that are known here."""

_PARTS = ("feature_extractor.", "feature_projection.", "encoder.")
_RATE = 16_000
# Older releases of transformers and older files write a normalised weight's direction and length so.
_OLD_NAMES = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
_FACTS = (
    "model_type",
    "conv_stride",
    "feat_extract_norm",
    "feat_extract_activation",
    "do_stable_layer_norm",
    "num_conv_pos_embedding_groups",
    "num_attention_heads",
    "hidden_act",
    "activation_function",
    "layer_norm_eps",
    "max_bucket_distance",
)


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A loaded speech encoder.

    Attributes:
        model: transformers' model; of Whisper, its encoder alone.
        extractor: transformers' feature extractor; None where the model came without one and needs none.
        rate: the sampling rate that it reads, Hz.
        normalise: whether waves are brought to zero mean and unit variance.
    """

    model: Any
    extractor: Any
    rate: int
    normalise: bool

    @property
    def whisper(self) -> bool:
        """Whether it is Whisper's."""
        return bool(self.model.config.model_type == WHISPER)

    def fingerprint(self, layers: int) -> str:
        """Return a checksum of what decides the output of the first `layers` layers: weights and settings."""
        config = self.model.config
        facts: dict[str, Any] = {name: getattr(config, name, None) for name in _FACTS}
        facts |= {"rate": self.rate, "normalise": self.normalise}
        if self.whisper:
            facts |= {name: getattr(self.extractor, name) for name in ("feature_size", "hop_length", "n_fft")}
            facts["samples"] = self.extractor.n_samples
        digest = hashlib.sha256(repr(sorted(facts.items())).encode())
        above = tuple(f"layers.{number}." for number in range(layers, config.num_hidden_layers))
        for key, value in sorted(self.model.state_dict().items()):
            if not key.removeprefix("encoder.").startswith(above) and (self.whisper or key.startswith(_PARTS)):
                digest.update(_lasting(key).encode())
                digest.update(value.detach().contiguous().numpy().tobytes())
        return digest.hexdigest()[:32]


def read_config(name: str) -> tuple[Location, Any]:
    """Return where a model is and transformers' configuration of it.

    Raises:
        PluginError: there is none, or it is no speech encoder.
    """
    from transformers import AutoConfig
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging  # its functions, and others of transformers, have no types
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    place = locate(name, setting=SETTING)
    try:
        config = AutoConfig.from_pretrained(place.model, local_files_only=place.local, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise _unloadable(name, error) from error
    check_kind(name, config)
    return place, config


def check_kind(name: str, config: Any) -> None:
    """Check that a configuration is that of a speech encoder.

    Raises:
        PluginError: it is not.
    """
    if config.model_type not in KINDS:
        raise PluginError(
            f"{SETTING}: {name!r} is a model of the kind {config.model_type!r}, which is no speech encoder known here",
            hint=f"known are {', '.join(KINDS)}",
        )


def load(name: str, place: Location, config: Any) -> Pretrained:
    """Return the encoder, on the CPU and in float32.

    Raises:
        PluginError: it cannot be loaded, or weights are missing.
    """
    from safetensors import SafetensorError
    from transformers import AutoModel

    try:
        extractor = _extractor(place, config)
        model, info = AutoModel.from_pretrained(
            place.model,
            config=config,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            local_files_only=place.local,
            trust_remote_code=False,
        )
    except (OSError, ValueError, ImportError, KeyError, RuntimeError, SafetensorError) as error:
        raise _unloadable(name, error) from error
    missing = sorted(key for key in info["missing_keys"] if key.startswith(_PARTS))
    if missing:
        raise PluginError(f"{SETTING}: {name!r} lacks weights, such as {missing[0]!r}")
    model = model.encoder if config.model_type == WHISPER else model
    model.requires_grad_(requires_grad=False).eval()
    if getattr(model, "adapter", None) is not None:
        model.adapter = None  # it lowers the rate, for a decoder's sake
    # Where nothing says whether waves are normalised, the rule of those who trained these architectures: they are,
    # if the convolutions are normalised over channels. If over time, it makes next to no difference.
    normalise = getattr(extractor, "do_normalize", getattr(config, "feat_extract_norm", "layer") == "layer")
    return Pretrained(model, extractor, int(getattr(extractor, "sampling_rate", _RATE)), bool(normalise))


def _extractor(place: Location, config: Any) -> Any:
    """Return the feature extractor; a local folder may lack one."""
    import transformers

    library: Any = transformers
    files = ("preprocessor_config.json", "processor_config.json")
    if place.origin == "path" and not any((Path(place.model) / file).is_file() for file in files):
        return library.WhisperFeatureExtractor(config.num_mel_bins) if config.model_type == WHISPER else None
    return library.AutoFeatureExtractor.from_pretrained(
        place.model, local_files_only=place.local, trust_remote_code=False
    )


def _unloadable(name: str, error: Exception) -> PluginError:
    reason = " ".join(str(error).split())
    return PluginError(f"{SETTING}: {name!r} cannot be loaded: {reason[:300]}", hint=how_to_get(name, setting=SETTING))


def _lasting(key: str) -> str:
    for new, old in _OLD_NAMES.items():
        key = key.replace(new, old)
    return key
