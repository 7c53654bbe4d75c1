"""Readers of transcripts: subtitles, recognisers, annotations, chats and tables."""

from typing import TYPE_CHECKING

from ecef_cli.api import hookimpl

if TYPE_CHECKING:
    from ecef_cli.api.components import Register

READERS = {
    "json": ("rows:Rows", "JSON: an array of rows, or an object with utterances"),
    "csv": ("tables:Table", "tables with a header, CSV and TSV"),
    "parquet": ("parquet:Parquet", "Parquet tables; needs the extra ecef-cli[parquet]"),
    "srt": ("subrip:SubRip", "SubRip subtitles"),
    "vtt": ("webvtt:WebVtt", "WebVTT subtitles"),
    "whisper": ("whisper:Whisper", "segments of Whisper, WhisperX and whisper.cpp, JSON or JSON Lines"),
    "deepgram": ("deepgram:Deepgram", "JSON of Deepgram, AssemblyAI and other services"),
    "rttm": ("rttm:Rttm", "RTTM speaker turns, with the words of a CTM or STM file"),
    "stm": ("stm:Stm", "STM reference transcripts"),
    "textgrid": ("textgrid:TextGrid", "Praat TextGrids, one tier per speaker"),
    "eaf": ("elan:Elan", "ELAN annotations"),
    "whatsapp": ("whatsapp:WhatsApp", "chat exports of WhatsApp"),
    "slack": ("slack:Slack", "channel exports of Slack, JSON"),
    "discord": ("discord:Discord", "channel exports of Discord, JSON of DiscordChatExporter"),
    "labelstudio": ("labelstudio:LabelStudio", "annotated exports of Label Studio, JSON"),
    "text": ("names:Names", "plain text, one `Name: words` per line"),
}
"""Class and summary of each reader."""


@hookimpl
def ecef_register_transcripts(register: "Register") -> None:
    """Register the built-in readers."""
    for name, (target, summary) in READERS.items():
        register(name, f"ecef_transcripts.{target}", summary=summary)
