"""What a recipe's network takes, before anything is trained: parameters, floating-point operations, memory.

One training step is traced on tensors that have a shape and no content, so that nothing is computed and the counts
are exact for the window that they are of. A network that looks at the values of its inputs cannot be traced; it is
run once with a single window, and its counts are multiplied.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields, replace
from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from ecef_cli.components import TextWindow, Turn
from ecef_cli.dialogue import words
from ecef_cli.encoders import build_encoders
from ecef_cli.run import build_network
from ecef_cli.samples.batches import Batch, WindowInput, collate
from ecef_cli.samples.inputs import audio_shape, spectrum_shape
from ecef_cli.samples.windows import turns_ago
from ecef_cli.training.computing import compute_again

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from ecef_cli.components import AudioEncoder, Component, TextEncoder
    from ecef_cli.encoders import Encoders
    from ecef_cli.recipe import Recipe
    from ecef_cli.recipe_sections import Training
    from ecef_cli.samples.batches import AudioBatch, TextBatch

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
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


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
class Cost:
    """What one training step takes.

    Attributes:
        forward: floating-point operations of its forward pass, two for each product that is added.
        step: of its forward and backward pass.
        activations: bytes that the forward pass keeps for the backward pass, parameters and inputs apart; what the
            kernel of an LSTM keeps for itself is not seen.
        attention: of them, bytes of attention matrices, which fused kernels do without.
    """

    forward: int
    step: int
    activations: int
    attention: int


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
        _memory(network, settings, together * sum(map(_bytes, _tensors(batch))), cost.activations),
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
    for name, tensor in _weights(network):
        found.setdefault(_part(name), [0, 0])[not tensor.requires_grad] += tensor.numel()
    return tuple(Part(name, *counts) for name, counts in found.items())


def _weights(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield parameters and what stands in for them in frozen layers."""
    yield from module.named_parameters()
    yield from ((name, tensor) for name, tensor in module.named_buffers() if tensor.is_floating_point())


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
    count = sum(tensor.numel() for _, tensor in _weights(modules) if not tensor.requires_grad)
    return count if any(True for _ in modules.parameters()) else None


# ----------------------------------------------------------------------------------------------- counting


def measure(network: nn.Module, batch: Batch, size: int, *, precision: str = "float32") -> tuple[Cost, bool]:
    """Return what a training step takes of a network in training mode, and whether nothing had to be computed.

    Args:
        network: maps a batch to logits by task.
        batch: one window.
        size: how many such windows a step has.
        precision: what it is computed in.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    step = Step(network)

    def empty(tensor: Tensor) -> Tensor:
        return torch.empty((size, *tensor.shape[1:]), dtype=tensor.dtype)

    state: dict[str, Tensor] = {
        name: mode.from_tensor(tensor) for name, tensor in chain(step.named_parameters(), step.named_buffers())
    }
    try:
        with mode:
            cost: Cost = functional_call(step, state, (_mapped(batch, empty), precision))
    except RuntimeError:
        with torch.random.fork_rng([]):
            one: Cost = step(batch, precision)
        network.zero_grad()
        return Cost(*(count * size for count in (one.forward, one.step, one.activations, one.attention))), False
    return cost, True


class Step(nn.Module):
    """A forward and a backward pass of a network, which are counted.

    Args:
        network: maps a batch to logits by task.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch, precision: str) -> Cost:
        """Return what the two take."""
        known = [*_tensors(batch), *(tensor for _, tensor in _weights(self.network))]
        kept = _Kept(known)
        lower: AbstractContextManager[Any] = (
            torch.autocast("cpu", dtype=_DTYPES[precision]) if precision in _DTYPES else nullcontext()
        )
        with FlopCounterMode(display=False, custom_mapping=_UNCOUNTED) as counter, _layers_in_parts():
            with kept, torch.autograd.graph.saved_tensors_hooks(kept.keep, lambda tensor: tensor), lower:
                logits = self.network(batch)
            forward = counter.get_total_flops()
            sum(values.float().sum() for values in logits.values()).backward()
            return Cost(forward, counter.get_total_flops(), kept.bytes, kept.attention)


class _Kept(TorchFunctionMode):
    """What a forward pass keeps: every storage once, without those that are known.

    Args:
        known: parameters and inputs.
    """

    def __init__(self, known: Sequence[Tensor]) -> None:
        super().__init__()
        self._known = {_storage(tensor)[0] for tensor in known}
        self._found: dict[int, Any] = {}  # storages stay alive, as another one could get the number of one that is gone
        self._matrix: tuple[int, int] | None = None
        self.bytes = self.attention = 0

    def keep(self, tensor: Tensor) -> Tensor:
        """Count a tensor, and return it."""
        number, size = _storage(tensor)
        if number not in self._known and number not in self._found:
            self._found[number] = tensor.untyped_storage()
            self.bytes += size
            if self._matrix is not None and tensor.shape[-2:] == self._matrix:
                self.attention += size
        return tensor

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of PyTorch; within attention, tensors of a query's and a key's length are its matrices."""
        place = _ATTENTION.get(func)
        if place is None:
            return func(*args, **(kwargs or {}))
        query, key, *_ = [*args, *(kwargs or {}).values()]
        self._matrix = (query.shape[place], key.shape[place])
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self._matrix = None


_ATTENTION = {nn.functional.scaled_dot_product_attention: -2, nn.functional.multi_head_attention_forward: 0}
"""What computes attention, with the dimension of a query and a key that is their length."""


def _storage(tensor: Tensor) -> tuple[int, int]:
    """Return number and bytes of a tensor's storage."""
    storage = tensor.untyped_storage()
    return storage._cdata, storage.nbytes()  # noqa: SLF001 - the only number that tensors without content have


@contextmanager
def _layers_in_parts() -> Iterator[None]:
    """Keep PyTorch from computing a layer that is not trained in one operation, which no counter knows."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


Sizes = Sequence[int]


def _attention(query: Sizes, key: Sizes, value: Sizes, *_: Any, **__: Any) -> int:
    return 2 * prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _attention_backward(_grad: Sizes, query: Sizes, key: Sizes, value: Sizes, *_: Any, **__: Any) -> int:
    return 2 * _attention(query, key, value)


def _lstm(given: Sizes, inward: Sizes, onward: Sizes, *_: Any, **__: Any) -> int:
    return 2 * prod(given[:-1]) * (prod(inward) + prod(onward))


def _lstm_backward(given: Sizes, inward: Sizes, onward: Sizes, *_: Any, **__: Any) -> int:
    return 2 * _lstm(given, inward, onward)


_UNCOUNTED = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,  # noqa: SLF001 - operations have such names
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,  # noqa: SLF001 - as above
    torch.ops.aten.mkldnn_rnn_layer: _lstm,
    torch.ops.aten.mkldnn_rnn_layer_backward: _lstm_backward,
}
"""What a CPU computes as one operation that PyTorch's counter leaves out; matrices that are computed again are not
counted twice, so that a network counts the same whichever kernels compute it."""


# ------------------------------------------------------------------------------------------------- memory


def _memory(network: nn.Module, settings: Training, batch: int, activations: int) -> Memory:
    trained = sum(_bytes(tensor) for tensor in network.parameters() if tensor.requires_grad)
    return Memory(
        weights=trained,
        gradients=trained,
        moments=2 * trained,
        average=sum(map(_bytes, network.parameters())) if settings.average else 0,
        frozen=sum(_bytes(tensor) for _, tensor in _weights(network) if not tensor.requires_grad),
        batch=batch,
        activations=activations,
    )


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _filled(batch: Batch) -> list[TextBatch | AudioBatch]:
    return [part for part in (batch.text, batch.audio, batch.spectrum) if part is not None]


def _tensors(batch: Batch) -> list[Tensor]:
    return [getattr(part, field.name) for part in _filled(batch) for field in fields(part)]


def _mapped(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """Return a batch of other tensors."""

    def mapped(part: Any) -> Any:
        return part and replace(part, **{field.name: change(getattr(part, field.name)) for field in fields(part)})

    return Batch(mapped(batch.text), mapped(batch.audio), {}, mapped(batch.spectrum))
