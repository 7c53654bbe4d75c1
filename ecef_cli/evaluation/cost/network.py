"""What a recipe's network takes, before anything is trained: parameters, floating-point operations, memory."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from ecef_cli.api.components import TextWindow, Turn
from ecef_cli.api.dialogue import words
from ecef_cli.evaluation.cost.counting import Cost, measure, size_in_bytes, tensors, weights
from ecef_cli.features.encoders import build_encoders
from ecef_cli.runs.run import build_network
from ecef_cli.samples.batches import WindowInput, collate
from ecef_cli.samples.shapes import audio_shape, spectrum_shape
from ecef_cli.samples.windows import turns_ago
from ecef_cli.training.computing import compute_again

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecef_cli.api.components import AudioEncoder, Component, TextEncoder
    from ecef_cli.features.encoders import Encoders
    from ecef_cli.recipe.model import Recipe
    from ecef_cli.recipe.sections import Training

# MELD's train split, 9,989 utterances: 10.3 words on average as `dialogue.words` counts them, punctuation among them,
# and 3.14 s from StartTime to EndTime. Dev has 10.3 and 3.12 s; test 10.6 and, without three impossible times, 3.11 s.
WORDS, SECONDS = 10, 3.1
_DIALOGUE = 10  # utterances of a window where a recipe reads the whole dialogue: MELD's 1,038 dialogues have 9.6 each
_EMOTIONS = 7  # of MELD; the classifiers' share of a network is small whatever their number
_SAID = "I know what you mean but we should really go there now , because nobody told them about it yet .".split()  # noqa: SIM905 - reads as what it is
_PARTS = {
    "text.top": "text encoder, trained layers",
    "text.marks": "text encoder, trained layers",
    "text.weighting": "KWRT",
    "text.extraction": "text, feature extraction module",
    "audio.extraction": "audio, feature extraction module",
    "audio.prosody": "prosody enhancement",
    "audio.norm": "prosody enhancement",
    "audio": "audio, front end",
    "fusion": "TMF, step one",
    "second": "TMF, step two",
    "text_heads": "classifiers of text",
    "audio_heads": "classifiers of audio or step one",
    "spectrum_heads": "classifiers of the spectrum",
}
"""What the paper calls the parts of the network, by the beginning of their parameters' names; the first one counts."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the network with its parameters; a frozen layer's are none of PyTorch's, but buffers."""

    name: str
    trained: int
    frozen: int


@dataclass(frozen=True, slots=True)
class Once:
    """A component that is run once, by `ecef extract`, with its parameters; None where they cannot be counted."""

    key: str
    name: str
    parameters: int | None


@dataclass(frozen=True, slots=True)
class Window:
    """The window that counts are of.

    Attributes:
        utterances: how many.
        words: of each.
        seconds: of each; None where audio is not read.
        text: positions of text; 0 where it is not read.
        states: of the text encoder.
        audio: positions of audio; 0 where it is not read.
        patches: stretches of the spectrum; 0 where it is not read.
    """

    utterances: int
    words: int
    seconds: float | None
    text: int
    states: int
    audio: int
    patches: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of a training step, float32 but for activations in a lower precision.

    Attributes:
        weights: those that are trained.
        gradients: of them.
        moments: Adam's two.
        average: the running average of the weights.
        frozen: layers inside the network that are not trained.
        batch: what the network is given; of a step that is computed in parts, one part's.
        activations: what is kept for the backward pass, likewise.
    """

    weights: int
    gradients: int
    moments: int
    average: int
    frozen: int
    batch: int
    activations: int

    @property
    def total(self) -> int:
        """All of them, as if they were needed at the same moment."""
        return sum(asdict(self).values())


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a recipe's network takes.

    Attributes:
        recipe: its name.
        batch_size: windows a step.
        together: of them, those that are computed at a time.
        precision: what they are computed in.
        checkpointing: whether activations are computed again in the backward pass.
        parts: the parts of the network.
        once: what is run before it.
        window: what the costs are of.
        cost: of a step; operations of all its windows, activations of those that are computed together.
        memory: of a step.
        traced: whether costs were counted without computing.
    """

    recipe: str
    batch_size: int
    together: int
    precision: str
    checkpointing: bool
    parts: tuple[Part, ...]
    once: tuple[Once, ...]
    window: Window
    cost: Cost
    memory: Memory
    traced: bool

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, with operations for one window and the total memory besides."""
        found = asdict(self)
        found["cost"]["forward_per_window"] = self.cost.forward // self.batch_size
        found["memory"]["total"] = self.memory.total
        return found


def inspect(
    recipe: Recipe, *, words: int = WORDS, seconds: float = SECONDS, batch_size: int | None = None
) -> Inspection:
    """Return what the network of a recipe takes.

    Args:
        recipe: the recipe.
        words: in each utterance of a window.
        seconds: of each utterance.
        batch_size: windows a step; the recipe's where None.

    Raises:
        PluginError: a component cannot be loaded.
    """
    encoders = build_encoders(recipe, device="cpu")
    network = build_network(recipe, encoders, _EMOTIONS).train()
    settings = recipe.training
    if settings.checkpointing:
        compute_again(network)
    batch = collate(
        [typical(recipe, encoders, words=words, seconds=seconds)],
        audio_shape(recipe, encoders),
        spectrum_shape(encoders),
    )
    size = batch_size or settings.batch_size
    together = -(-size // settings.accumulate)
    cost, traced = measure(network, batch, together, precision=settings.precision)
    return Inspection(
        recipe.name,
        size,
        together,
        settings.precision,
        settings.checkpointing,
        parts(network),
        once(recipe, encoders),
        Window(
            recipe.history or _DIALOGUE,
            words,
            seconds if recipe.reads("audio") else None,
            text=0 if batch.text is None else batch.text.mask.shape[1],
            states=0 if batch.text is None else batch.text.state_mask.shape[1],
            audio=0 if batch.audio is None else batch.audio.mask.shape[1],
            patches=0 if batch.spectrum is None else batch.spectrum.mask.shape[1],
        ),
        replace(cost, forward=cost.forward * size // together, step=cost.step * size // together),
        _memory(network, settings, together * sum(map(size_in_bytes, tensors(batch))), cost.activations),
        traced,
    )


def typical(recipe: Recipe, encoders: Encoders, *, words: int, seconds: float) -> WindowInput:
    """Return a window as long as a recipe reads; what is said in it is encoded, what is heard is silence."""
    utterances = recipe.history or _DIALOGUE
    text = _said(utterances, words)

    def heard(encoder: AudioEncoder | None) -> list[np.ndarray] | None:
        if encoder is None:
            return None
        noise = np.random.default_rng(0).standard_normal(encoder.sample_rate).astype(np.float32)
        rate = encoder.encode([0.1 * noise])[0].rate
        count = max(1, round(rate * min(seconds, recipe.audio.longest)))
        return [np.zeros((count, encoder.width), dtype=np.float32)] * utterances

    return WindowInput(
        None if encoders.text is None else encoders.text.encode([text])[0],
        np.zeros(text.positions, dtype=np.float32),
        turns_ago(text.sizes),
        {},
        recordings=heard(encoders.audio),
        spectra=heard(encoders.spectrum),
    )


def _said(utterances: int, count: int) -> TextWindow:
    text = " ".join(_SAID[number % len(_SAID)] for number in range(count))
    return TextWindow(tuple(Turn(number % 2, text, words(text)) for number in range(utterances)))


def parts(network: nn.Module) -> tuple[Part, ...]:
    """Return the parts of a network with their parameters."""
    found: dict[str, list[int]] = {}
    for name, tensor in weights(network):
        found.setdefault(_part(name), [0, 0])[not tensor.requires_grad] += tensor.numel()
    return tuple(Part(name, *counts) for name, counts in found.items())


def _part(name: str) -> str:
    prefix = next((prefix for prefix in _PARTS if f"{name}.".startswith(f"{prefix}.")), None)
    if prefix is None:
        return name.partition(".")[0]
    if prefix != "second":
        return _PARTS[prefix]
    # What a fusion's second step consists of is its own affair: its parts are called what it calls them.
    head, number, inner, *_ = [*name.split(".")[1:], "", ""]
    return f"{_PARTS[prefix]}: {f'{head}.{inner}' if number.isdecimal() else head}"


def once(recipe: Recipe, encoders: Encoders) -> tuple[Once, ...]:
    """Return the encoders with the parameters that stay behind in them."""
    found: Mapping[str, TextEncoder | AudioEncoder | None] = {
        "text_encoder": encoders.text,
        "audio_encoder": encoders.audio,
    }
    return tuple(
        Once(key, getattr(recipe, key).name, _behind(encoder)) for key, encoder in found.items() if encoder is not None
    )


def _behind(encoder: Component) -> int | None:
    """Return the parameters of the modules that an encoder holds and does not give away to be trained."""
    modules = nn.ModuleList([value for value in vars(encoder).values() if isinstance(value, nn.Module)])
    if next(modules.parameters(), None) is None:
        return None
    found = [tensor for _, tensor in weights(modules)]
    frozen = [tensor for tensor in found if not tensor.requires_grad]
    return sum(tensor.numel() for tensor in frozen or found)


# ------------------------------------------------------------------------------------------------- memory


def _memory(network: nn.Module, settings: Training, batch: int, activations: int) -> Memory:
    trained = sum(size_in_bytes(tensor) for tensor in network.parameters() if tensor.requires_grad)
    return Memory(
        weights=trained,
        gradients=trained,
        moments=2 * trained,
        average=sum(map(size_in_bytes, network.parameters())) if settings.average else 0,
        frozen=sum(size_in_bytes(tensor) for _, tensor in weights(network) if not tensor.requires_grad),
        batch=batch,
        activations=activations,
    )
