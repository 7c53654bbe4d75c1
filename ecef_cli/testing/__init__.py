"""Test kit for plugin authors: check that a component keeps its contract.

Each check is a plain function that takes a component and raises an `AssertionError` with a sentence about the problem.
Call it from a test:

    def test_contract():
        check_tagger(MyTagger(MyOptions()))
"""

from ecef_cli.testing.audio import AUDIO_TOLERANCE, check_audio_encoder, odd_waves
from ecef_cli.testing.cues import check_cue_classifier
from ecef_cli.testing.datasets import check_dataset
from ecef_cli.testing.fusion import check_fusion
from ecef_cli.testing.prosody import check_prosody_encoder
from ecef_cli.testing.requirements import TOLERANCE
from ecef_cli.testing.taggers import ODD_LEMMAS, check_tagger
from ecef_cli.testing.text import PLAIN, check_text_encoder, odd_windows, text_window
from ecef_cli.testing.transcribers import check_transcriber
from ecef_cli.testing.transcripts import ODD_HEADS, check_transcript

__all__ = [
    "AUDIO_TOLERANCE",
    "ODD_HEADS",
    "ODD_LEMMAS",
    "PLAIN",
    "TOLERANCE",
    "check_audio_encoder",
    "check_cue_classifier",
    "check_dataset",
    "check_fusion",
    "check_prosody_encoder",
    "check_tagger",
    "check_text_encoder",
    "check_transcriber",
    "check_transcript",
    "odd_waves",
    "odd_windows",
    "text_window",
]
