"""The hooks that a plugin may implement: one for each kind of component, and one that hears of trainings.

A hook that registers is called once, when components are first looked up. It calls `register(name, target, summary=…)`
for each component it brings; `target` is an import string such as `my_package.tagger:MyTagger`, so that
listing plugins imports none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from ecef_cli.api.components import Register, TrainingEvent

hookspec = pluggy.HookspecMarker("ecef")


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
def ecef_training_event(event: TrainingEvent) -> None:
    """Hear of what happens in a training, in its main process, while it waits.

    A hook that raises is warned of and not called again.

    Args:
        event: what happened.
    """
