"""Whisper: the built-in transcriber."""

from typing import TYPE_CHECKING

from ecef_cli.api import hookimpl

if TYPE_CHECKING:
    from ecef_cli.api.components import Register


@hookimpl
def ecef_register_transcribers(register: "Register") -> None:
    """Register the built-in transcriber."""
    register(
        "whisper",
        "ecef_whisper.transcriber:Whisper",
        summary="OpenAI's Whisper through faster-whisper, with voice activity detection",
    )
