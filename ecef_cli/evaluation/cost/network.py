"""Inspect a recipe's network: parameters, floating-point operations, memory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from ecef_cli.api.components import TextWindow, Turn
from ecef_cli.api.dialogue import words
from ecef_cli.evaluation.cost.cost import Cost, measure, tensors
from ecef_cli.features.encoders import build_encoders
from ecef_cli.features.encoding import encoded
from ecef_cli.network.recomputation import compute_again
from ecef_cli.runs.run import build_network
from ecef_cli.samples.batches import WindowInput, collate
from ecef_cli.samples.shapes import audio_shape, spectrum_shape
from ecef_cli.samples.windows import turns_ago

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from ecef_cli.api.components import AudioEncoder, Component
    from ecef_cli.features.encoders import Encoders
    from ecef_cli.recipe.model import Recipe

WORDS, SECONDS = 10, 3.1
"""The mean utterance of 10,000 in television dialogue; words as `dialogue.words` counts them, with punctuation."""
_DIALOGUE = 10  # utterances of a window if a recipe reads the whole dialogue, the mean of the same dialogues
_EMOTIONS = 7  # the classifiers' share of a network is small whatever their number
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
"""The paper's names of the network's parts, by the beginning of their parameters' names; the first match counts."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the network with its parameters."""

    name: str
    trained: int
    frozen: int


@dataclass(frozen=True, slots=True)
class Once:
    """An encoder that `ecef extract` runs once, with its parameters; None if they cannot be counted."""

    key: str
    name: str
    parameters: int | None


@dataclass(frozen=True, slots=True)
class Window:
    """The window that costs are counted for.

    Attributes:
        utterances: number of utterances.
        words: words per utterance.
        seconds: seconds per utterance; None if audio is not read.
        text, states, audio, patches: positions of text, states of its encoder, positions of audio, stretches of the
            spectrum; 0 if not read.
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
    """Bytes of a training step, float32 except for activations in a lower precision.

    Attributes:
        weights: trained weights.
        gradients: their gradients.
        moments: Adam's two moments.
        average: the running average of the weights.
        frozen: layers inside the network that are not trained.
        batch: input of the network; with `training.accumulate`, of one part of the step.
        activations: kept for the backward pass, likewise; None if they cannot be counted.
    """

    weights: int
    gradients: int
    moments: int
    average: int
    frozen: int
    batch: int
    activations: int | None

    @property
    def total(self) -> int:
        """All of them, as if they were needed at the same moment."""
        return sum(filter(None, asdict(self).values()))


@dataclass(frozen=True, slots=True)
class Inspection:
    """Sizes and costs of a recipe's network.

    Attributes:
        recipe: its name.
        batch_size: windows per step.
        together: windows that are computed at a time.
        precision: the precision that they are computed in.
        parts: the parts of the network.
        once: the encoders that run before it.
        window: the window that costs are counted for.
        cost: cost of the windows that are computed at a time; None if the network does not run without values.
        memory: memory of a step.
        notes: remarks for the reader.
    """

    recipe: str
    batch_size: int
    together: int
    precision: str
    parts: tuple[Part, ...]
    once: tuple[Once, ...]
    window: Window
    cost: Cost | None
    memory: Memory
    notes: tuple[str, ...]

    @property
    def forward_per_window(self) -> int:
        """Floating-point operations of the forward pass of one window; 0 if they are not counted."""
        return 0 if self.cost is None else self.cost.forward // self.together

    @property
    def step(self) -> int:
        """Floating-point operations of a training step; 0 if they are not counted."""
        return 0 if self.cost is None else self.cost.step * self.batch_size // self.together

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, with the total memory and the operations per window and per step."""
        found = asdict(self)
        found["memory"]["total"] = self.memory.total
        found["cost"] = self.cost and {"forward_per_window": self.forward_per_window, "step": self.step}
        return found


def inspect(
    recipe: Recipe, *, words: int = WORDS, seconds: float = SECONDS, batch_size: int | None = None
) -> Inspection:
    """Return sizes and costs of a recipe's network, which is built without weights.

    Args:
        recipe: the recipe.
        words: words per utterance.
        seconds: seconds per utterance.
        batch_size: windows per step; the recipe's if None.

    Raises:
        PluginError: a component cannot be loaded.
    """
    encoders = build_encoders(recipe, device="cpu", weights=False)
    with torch.device("meta"):
        network = build_network(recipe, encoders, _EMOTIONS).train().to("meta")
    settings = recipe.training
    if settings.checkpointing:
        compute_again(network)
    size = batch_size or settings.batch_size
    together = -(-size // settings.accumulate)
    window = typical(recipe, encoders, words=words, seconds=seconds)
    batch = collate([window] * together, audio_shape(recipe, encoders), spectrum_shape(encoders))
    notes = []
    try:
        cost = measure(network, batch, settings.precision)
    except (RuntimeError, NotImplementedError) as error:
        cost = None
        notes.append(f"operations and activations are not counted: {' '.join(str(error).split())[:200]}")
    if settings.checkpointing:
        notes.append("activations: the layer that the backward pass computes again comes on top")
    for component in (encoders.text, encoders.audio, encoders.fusion):
        notes += [] if component is None else component.notes
    trained = sum(tensor.nbytes for tensor in network.parameters() if tensor.requires_grad)
    return Inspection(
        recipe.name,
        size,
        together,
        settings.precision,
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
        cost,
        Memory(
            weights=trained,
            gradients=trained,
            moments=2 * trained,
            average=sum(tensor.nbytes for tensor in network.parameters()) if settings.average else 0,
            frozen=sum(tensor.nbytes for _, tensor in weights(network) if not tensor.requires_grad),
            batch=sum(tensor.nbytes for tensor in tensors(batch)),
            activations=None if cost is None else cost.activations,
        ),
        tuple(notes),
    )


def typical(recipe: Recipe, encoders: Encoders, *, words: int, seconds: float) -> WindowInput:
    """Return a window as long as a recipe reads, of utterances of so many words and seconds."""
    utterances = recipe.history or _DIALOGUE
    text = _said(utterances, words)

    def heard(encoder: AudioEncoder | None) -> list[np.ndarray] | None:
        if encoder is None:
            return None
        noise = np.random.default_rng(0).standard_normal(encoder.sample_rate).astype(np.float32)
        rate = encoded(encoder, [0.1 * noise], "a second of noise")[0].rate
        count = max(1, round(rate * min(seconds, recipe.audio.longest)))
        return [np.zeros((count, encoder.width), dtype=np.float32)] * utterances

    return WindowInput(
        None if encoders.text is None else encoded(encoders.text, [text], "a window of typical length")[0],
        np.zeros(text.positions, dtype=np.float32),
        turns_ago(text.sizes),
        {},
        recordings=heard(encoders.audio),
        spectra=heard(encoders.spectrum),
    )


def _said(utterances: int, count: int) -> TextWindow:
    text = " ".join(["now"] * count)  # one token in almost any vocabulary
    return TextWindow(tuple(Turn(number % 2, text, words(text)) for number in range(utterances)))


def parts(network: nn.Module) -> tuple[Part, ...]:
    """Return the parts of a network."""
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
    # The modules of a fusion's second step are the plugin's own: they keep their names.
    head, number, inner, *_ = [*name.split(".")[1:], "", ""]
    return f"{_PARTS[prefix]}: {f'{head}.{inner}' if number.isdecimal() else head}"


def once(recipe: Recipe, encoders: Encoders) -> tuple[Once, ...]:
    """Return the encoders with the parameters that stay behind in them."""
    found: Mapping[str, Component | None] = {"text_encoder": encoders.text, "audio_encoder": encoders.audio}
    return tuple(Once(key, getattr(recipe, key).name, _behind(encoder)) for key, encoder in found.items() if encoder)


def _behind(encoder: Component) -> int | None:
    """Return the parameters of the modules that an encoder holds and does not give away to be trained."""
    modules = nn.ModuleList([value for value in vars(encoder).values() if isinstance(value, nn.Module)])
    if next(modules.parameters(), None) is None:
        return None
    found = [tensor for _, tensor in weights(modules)]
    frozen = [tensor for tensor in found if not tensor.requires_grad]
    return sum(tensor.numel() for tensor in frozen or found)


def weights(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters of a module and, for frozen layers, the buffers that replace them."""
    yield from module.named_parameters()
    yield from ((name, tensor) for name, tensor in module.named_buffers() if tensor.is_floating_point())
