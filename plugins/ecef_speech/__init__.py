"""Speech: audio encoders and the prosody encoder."""

from typing import TYPE_CHECKING

from ecef_cli.api import hookimpl

if TYPE_CHECKING:
    from ecef_cli.api.components import Register


@hookimpl
def ecef_register_audio_encoders(register: "Register") -> None:
    """Register the built-in audio encoders."""
    register(
        "logmel-prosody",
        "ecef_speech.logmel:LogMelProsody",
        summary="log-mel, F0, voicing and energy at 100 Hz; nothing to download",
    )
    register(
        "huggingface",
        "ecef_speech.huggingface:HuggingFaceSpeechEncoder",
        summary="any Hugging Face speech encoder: WavLM, wav2vec 2.0, HuBERT, Whisper, …",
    )


@hookimpl
def ecef_register_prosody_encoders(register: "Register") -> None:
    """Register the built-in prosody encoder."""
    register("srdvc", "ecef_speech.srdvc:SrdVc", summary="the rhythm and pitch encoders of SRD-VC, fed with h_a")
