"""Abstract classes for plugins to implement, one per kind of component.

Shapes are batch-first. B is the number of windows, K the positions of a window (every utterance has one position for
its speaker and one per word), L the states that an encoder returns for a window, and d a width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli.api.components.base import Component, Options
from ecef_cli.api.components.cues import CueClassifier, CueState
from ecef_cli.api.components.datasets import Corpus, Dataset, Dropped
from ecef_cli.api.components.events import TrainingEvent
from ecef_cli.api.components.fusion import FusedStreams, Fusion, FusionInput, SecondStepInput, Spectrum
from ecef_cli.api.components.prepare_context import PrepareContext, ProgressBar
from ecef_cli.api.components.registration import Register
from ecef_cli.api.components.speech import AudioEncoder, AudioFeatures, ProsodyEncoder
from ecef_cli.api.components.taggers import Edge, Tagger
from ecef_cli.api.components.text import TextEncoder, TextFeatures, TextWindow, Turn
from ecef_cli.api.components.transcribers import TRANSCRIBER_RATE, SpokenSegment, SpokenWord, Transcriber
from ecef_cli.api.components.transcripts import TranscriptOptions, TranscriptReader

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "KINDS",
    "TRANSCRIBER_RATE",
    "AudioEncoder",
    "AudioFeatures",
    "Component",
    "Corpus",
    "CueClassifier",
    "CueState",
    "Dataset",
    "Dropped",
    "Edge",
    "FusedStreams",
    "Fusion",
    "FusionInput",
    "Options",
    "PrepareContext",
    "ProgressBar",
    "ProsodyEncoder",
    "Register",
    "SecondStepInput",
    "Spectrum",
    "SpokenSegment",
    "SpokenWord",
    "Tagger",
    "TextEncoder",
    "TextFeatures",
    "TextWindow",
    "TrainingEvent",
    "Transcriber",
    "TranscriptOptions",
    "TranscriptReader",
    "Turn",
]

KINDS: Mapping[str, type[Component]] = {
    "transcript": TranscriptReader,
    "transcriber": Transcriber,
    "dataset": Dataset,
    "tagger": Tagger,
    "text_encoder": TextEncoder,
    "audio_encoder": AudioEncoder,
    "prosody_encoder": ProsodyEncoder,
    "fusion": Fusion,
    "cue": CueClassifier,
}
"""The kinds of component, in the order of the data's path."""
