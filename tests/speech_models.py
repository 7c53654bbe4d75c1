"""Small speech encoders with random weights, saved as a user's local models would lie there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

LAYERS = 3
_SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16,) * 7,
}
_POSITIONS = {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
_LARGE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
# By name: the class of transformers, and what differs from the small base model of the kind.
_WAVE_MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "wavlm": ("WavLM", {"max_bucket_distance": 40, "num_buckets": 32}),
    "wavlm-large": ("WavLM", {**_LARGE, "max_bucket_distance": 40, "num_buckets": 32}),
    "wav2vec2": ("Wav2Vec2", {}),
    "wav2vec2-layer": ("Wav2Vec2", {"feat_extract_norm": "layer"}),
    "wav2vec2-large": ("Wav2Vec2", _LARGE),
    "wav2vec2-adapters": ("Wav2Vec2", {**_LARGE, "adapter_attn_dim": 8, "num_conv_pos_embeddings": 15}),
    "wav2vec2-downsampling": ("Wav2Vec2", {"add_adapter": True}),
    "hubert": ("Hubert", {}),
    "hubert-batch-norm": ("Hubert", {"conv_pos_batch_norm": True, "feat_proj_layer_norm": False}),
    "hubert-large": ("Hubert", _LARGE),
    "data2vec": ("Data2VecAudio", {"num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 7}),
    "unispeech-sat": ("UniSpeechSat", {}),
}
WAVE_MODELS = tuple(_WAVE_MODELS)
NORMALISED = "wav2vec2", "wav2vec2-large", "data2vec"
"""The wave models whose feature extractor normalises."""

WHISPER_SECONDS = 2
"""Seconds that the small Whisper reads at a time; real ones read 30."""


def save_speech_model(folder: Path, name: str, *, seed: int = 0) -> Path:
    """Save a speech encoder, one of `WAVE_MODELS` or `whisper`, with its feature extractor."""
    import torch

    torch.manual_seed(seed)
    if name == "whisper":
        return _save_whisper(folder)
    import transformers

    kind, changes = _WAVE_MODELS[name]
    config = getattr(transformers, f"{kind}Config")(**{**_SIZES, **_POSITIONS, **changes})
    model = getattr(transformers, f"{kind}Model")(config)
    _disturb(model)
    model.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=name in NORMALISED).save_pretrained(folder)
    return folder


def _save_whisper(folder: Path) -> Path:
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    tokens: dict[str, Any] = dict.fromkeys(
        ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 0
    )
    config = WhisperConfig(
        vocab_size=20,
        d_model=32,
        encoder_layers=LAYERS,
        encoder_attention_heads=4,
        encoder_ffn_dim=48,
        decoder_layers=1,
        decoder_attention_heads=4,
        decoder_ffn_dim=48,
        max_source_positions=50 * WHISPER_SECONDS,
        max_target_positions=16,
        **tokens,
    )
    model = WhisperForConditionalGeneration(config)
    _disturb(model)
    model.save_pretrained(folder)
    WhisperFeatureExtractor(chunk_length=WHISPER_SECONDS).save_pretrained(folder)
    return folder


def _disturb(model: Any) -> None:
    """Give normalisations and biases values that a test can tell from none; a fresh model has ones and zeros."""
    import torch

    with torch.no_grad():
        for key, value in model.named_parameters():
            if "norm" in key or key.endswith(("bias", "gru_rel_pos_const", "rel_attn_embed.weight")):
                value.add_(0.2 * torch.randn_like(value))
        for key, value in model.named_buffers():
            if key.endswith("running_var"):
                value.mul_(1.5)
            elif key.endswith("running_mean"):
                value.add_(0.1)
