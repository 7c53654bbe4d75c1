"""Hooks that a plugin may implement: one per kind of component, and one for training events.

A registration hook is called once, at the first look-up of components. It calls `register(name, target, summary=…)`
for each component; `target` is an import string such as `my_package.tagger:MyTagger`, so listing plugins imports none
of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from ecef_cli.api.components import Register, TrainingEvent

hookspec = pluggy.HookspecMarker("ecef")


@hookspec
def ecef_register_transcripts(register: Register) -> None:
    """Register readers of transcripts, subclasses of `ecef_cli.api.components.TranscriptReader`.

    Args:
        register: call it once for each reader.
    """


@hookspec
def ecef_register_datasets(register: Register) -> None:
    """Register readers of corpora, subclasses of `ecef_cli.api.components.Dataset`.

    Args:
        register: call it once for each reader.
    """


@hookspec
def ecef_register_taggers(register: Register) -> None:
    """Register sources of word relations, subclasses of `ecef_cli.api.components.Tagger`.

    Args:
        register: call it once for each tagger.
    """


@hookspec
def ecef_register_text_encoders(register: Register) -> None:
    """Register text encoders, subclasses of `ecef_cli.api.components.TextEncoder`.

    Args:
        register: call it once for each encoder.
    """


@hookspec
def ecef_register_audio_encoders(register: Register) -> None:
    """Register audio encoders, subclasses of `ecef_cli.api.components.AudioEncoder`.

    Args:
        register: call it once for each encoder.
    """


@hookspec
def ecef_register_prosody_encoders(register: Register) -> None:
    """Register prosody encoders, subclasses of `ecef_cli.api.components.ProsodyEncoder`.

    Args:
        register: call it once for each encoder.
    """


@hookspec
def ecef_register_fusions(register: Register) -> None:
    """Register fusion modules, subclasses of `ecef_cli.api.components.Fusion`.

    Args:
        register: call it once for each module.
    """


@hookspec
def ecef_register_cues(register: Register) -> None:
    """Register cue classifiers, subclasses of `ecef_cli.api.components.CueClassifier`.

    Args:
        register: call it once for each classifier.
    """


@hookspec
def ecef_register_transcribers(register: Register) -> None:
    """Register speech recognisers, subclasses of `ecef_cli.api.components.Transcriber`.

    Args:
        register: call it once for each recogniser.
    """


@hookspec
def ecef_training_event(event: TrainingEvent) -> None:
    """Receive a training event, in the main process, which waits meanwhile.

    If a hook raises, `ecef` prints a warning and does not call it again in this run.

    Args:
        event: the event.
    """
