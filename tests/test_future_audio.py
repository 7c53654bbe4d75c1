"""Nothing of a later utterance's recording reaches an answer: frames, batches and predictions.

Every check changes all utterances after n (recording, text, speaker, emotion) and asks for the same result at n, for
every fusion and every encoder of prosody that is installed: bit for bit when the window is computed alone, within
1e-5 in a batch. Components that peek must fail the same checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import save_voice, toy_dialogue, voiced_recipe
from narrow import present

from ecef_cli.api.components import AudioEncoder, AudioFeatures, Corpus
from ecef_cli.api.dialogue import Dialogue, Utterance
from ecef_cli.corpus.manifest import save_prepared
from ecef_cli.corpus.scan import scan_recordings
from ecef_cli.features.encoders import build_encoders
from ecef_cli.network.model import EcefNetwork
from ecef_cli.plugin.manager import get_registry
from ecef_cli.prediction.predictor import Predictor
from ecef_cli.recipe.model import Recipe, check_recipe
from ecef_cli.runs.run import Run, build_network, create_run, save_weights
from ecef_cli.samples.inputs import Inputs, load_inputs
from ecef_cli.workspace import Workspace, write_json

N = 3  # the last utterance that is not changed
CLOSE = 1e-5
LABELS = ("joy", "anger", "neutral")
Talks = tuple[tuple[Utterance, ...], tuple[Utterance, ...]]
Workspaces = tuple[Workspace, Workspace]


def spoken(folder: Path, *, changed: bool) -> tuple[Utterance, ...]:
    """Return six utterances, the second without a recording, the third without words; or with another end."""
    said = [
        ("Ann", "A kangaroo is asleep in the kitchen, Bob.", "neutral"),
        ("Bob", "An animal? In my kitchen?", "anger"),
        ("Ann", "", "joy"),
        ("Bob", "Cleo and her animals. Get out of my house!", "anger"),
        ("Ann", "I am so happy about that animal.", "joy"),
        ("Bob", "The meeting is at ten.", "neutral"),
    ]
    talk = [
        Utterance(
            text,
            speaker,
            "d",
            n,
            emotion=emotion,
            audio=None if n == 1 else save_voice(folder / f"{n}.flac", emotion, n),
        )
        for n, (speaker, text, emotion) in enumerate(said)
    ]
    if not changed:
        return tuple(talk)
    long = _joined(folder / "long.flac", [save_voice(folder / f"part{n}.flac", "anger", 50 + n) for n in range(8)])
    talk[4] = replace(talk[4], text="Kangaroo kitchen " * 9, emotion="anger", audio=long)
    talk[5] = replace(talk[5], speaker="Cleo", text="…", emotion=None, audio=None)
    return tuple(talk)


def _joined(path: Path, parts: list[Path]) -> Path:
    import soundfile

    soundfile.write(path, np.concatenate([soundfile.read(part)[0] for part in parts]), 16_000)
    return path


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> Talks:
    """The dialogue as it is, and with another end."""
    folder = tmp_path_factory.mktemp("talks")
    return spoken(folder / "before", changed=False), spoken(folder / "after", changed=True)


FUSIONS = [entry.name for entry in get_registry().entries("fusion")]
PROSODIES = ["none", *(entry.name for entry in get_registry().entries("prosody_encoder"))]
CHOICES = [
    *(("text+audio", fusion, "srdvc") for fusion in FUSIONS),
    ("audio", "mfm", "srdvc"),
    *(("text+audio", "cross-attention", prosody) for prosody in PROSODIES if prosody != "srdvc"),
    *(("audio", "none", prosody) for prosody in PROSODIES),
]


# Nothing in the models' folders is needed for layers that start at random.
TWO_STEPS = {
    "name": "mfm",
    "vision": {"model": "none", "width": 16},
    "spectrum": {"bins": 16, "longest": 1.3},
    "patch": 8,
}


def recipe_of(model: Path, modalities: str, fusion: str = "cross-attention", prosody: str = "srdvc") -> Recipe:
    """Return a recipe with the components of these names, as they are without any option."""
    blocks = {"fusion": fusion, "prosody": prosody}
    chosen: dict[str, Any] = {key: "none" if name == "none" else {"name": name} for key, name in blocks.items()}
    if fusion == "mfm":
        chosen["fusion"] = {**TWO_STEPS, "language": {"model": str(model)}}
    return check_recipe(
        voiced_recipe(
            model,
            *modalities.split("+"),
            network={"width": 32, "heads": 8, "layers": 1},
            features={"dtype": "float32"},
            audio={"group": 4, "front": "convolution", "positions": 30},
            **chosen,
        ),
        where="voiced",
    )


@pytest.fixture(scope="module")
def prepared(talks: Talks, tmp_path_factory: pytest.TempPathFactory) -> Workspaces:
    """Two workspaces with the dialogue, as it is and with another end."""
    found = []
    for talk in talks:
        workspace = Workspace(tmp_path_factory.mktemp("future"))
        splits = {"train": (Dialogue("d", talk), toy_dialogue("o", 1)), "dev": (toy_dialogue("dev", 99),)}
        heard = scan_recordings(Corpus(LABELS, splits, ()))
        save_prepared(workspace, "voiced", heard.corpus, {"recordings": heard.facts})
        found.append(workspace)
    return found[0], found[1]


def inputs_of(recipe: Recipe, prepared: Workspaces) -> tuple[Inputs, Inputs]:
    encoders = build_encoders(recipe, device="cpu")
    before, after = (load_inputs(workspace, recipe, encoders, training=True) for workspace in prepared)
    return before, after


def network_of(recipe: Recipe) -> EcefNetwork:
    torch.manual_seed(0)
    return build_network(recipe, build_encoders(recipe, device="cpu"), len(LABELS)).eval()


def test_frames_of_an_utterance_know_no_other(tiny_bert: Path, prepared: Workspaces) -> None:
    before, after = inputs_of(recipe_of(tiny_bert, "audio"), prepared)
    for number in range(N + 1):
        one, other = present(before.audio).read("train", number), present(after.audio).read("train", number)
        assert (one is None) == (other is None) == (number == 1)
        if one is not None:
            np.testing.assert_array_equal(one.frames, present(other).frames)
    assert len(present(present(before.audio).read("train", 4)).frames) < len(
        present(present(after.audio).read("train", 4)).frames
    )


def test_batches_of_windows_up_to_n_hold_the_same_recordings(tiny_bert: Path, prepared: Workspaces) -> None:
    one, other = (
        inputs.batch(inputs.samples["train"][: N + 1]).audio
        for inputs in inputs_of(recipe_of(tiny_bert, "text+audio"), prepared)
    )
    for name in ("frames", "frame_mask", "mask", "turns", "target", "recorded"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


def logits(network: torch.nn.Module, inputs: Inputs, numbers: list[int]) -> torch.Tensor:
    """Return (tasks, windows, labels) of windows of the dialogue."""
    with torch.inference_mode():
        found = network(inputs.batch(inputs.samples["train"][n] for n in numbers))
    return torch.stack([found[task] for task in sorted(found)])


def difference(network: torch.nn.Module, before: Inputs, after: Inputs) -> tuple[float, float, float]:
    """Return how far logits lie apart: up to n window by window, up to n in a batch with all, and after n."""
    pairs = [(logits(network, before, [n]), logits(network, after, [n])) for n in range(N + 1)]
    alone = max((one - other).abs().max().item() for one, other in pairs)
    apart = (logits(network, before, list(range(6))) - logits(network, after, list(range(6)))).abs().amax(dim=(0, 2))
    return alone, apart[: N + 1].max().item(), apart[N + 1 :].min().item()


@pytest.mark.parametrize(("modalities", "fusion", "prosody"), CHOICES)
def test_the_network_does_not_know_the_future(
    tiny_bert: Path, prepared: Workspaces, modalities: str, fusion: str, prosody: str
) -> None:
    recipe = recipe_of(tiny_bert, modalities, fusion, prosody)
    alone, together, later = difference(network_of(recipe), *inputs_of(recipe, prepared))
    # The stored states of text were computed in batches, so that windows alone may differ by rounding too.
    assert alone <= (CLOSE if recipe.reads("text") else 0.0)
    assert together <= CLOSE
    assert later > 100 * CLOSE


def untrained(folder: Path, recipe: Recipe) -> Run:
    encoders = build_encoders(recipe, device="cpu")
    identities = dict(encoders.identities)
    if recipe.reads("text"):
        identities["tagger"] = recipe.component("tagger").identity()
    run = create_run(folder, recipe, labels=LABELS, identities=identities, dataset={"name": "voiced", "key": ""})
    save_weights(run.weights, network_of(recipe))
    write_json(folder / "metrics.json", {"finished": True})
    return run


def alone(predictor: Predictor, talk: tuple[Utterance, ...]) -> list[Mapping[str, np.ndarray]]:
    """Return the answer of each window up to n, with nothing computed beside it."""
    return [predictor.predict([talk[max(0, n - 2) : n + 1]])[0].probabilities for n in range(N + 1)]


def together(predictor: Predictor, talk: tuple[Utterance, ...]) -> list[Mapping[str, np.ndarray]]:
    """Return the answer of every window, where all rows have arrived before the first is answered."""
    for utterance in talk:
        predictor.listen(utterance)
    found = predictor.predict([talk[max(0, n - 2) : n + 1] for n in range(len(talk))])
    return [answer.probabilities for answer in found]


@pytest.mark.parametrize(("modalities", "fusion", "prosody"), CHOICES)
def test_predictions_do_not_know_the_future(
    tiny_bert: Path, tmp_path: Path, talks: Talks, modalities: str, fusion: str, prosody: str
) -> None:
    run = untrained(tmp_path / "run", recipe_of(tiny_bert, modalities, fusion, prosody))
    one, other = (alone(Predictor(run, device="cpu"), talk) for talk in talks)
    for before, after in zip(one, other, strict=True):
        for task in ("erc", "epc"):
            np.testing.assert_array_equal(before[task], after[task])
    one, other = (together(Predictor(run, device="cpu"), talk) for talk in talks)
    for n, (before, after) in enumerate(zip(one, other, strict=True)):
        apart = max(np.abs(before[task] - after[task]).max() for task in ("erc", "epc"))
        assert apart <= CLOSE if n <= N else apart > 100 * CLOSE, n


# ------------------------------------------------------------------------------- what peeks must be caught


class Centred(torch.nn.Module):
    """A module that takes from its output the mean over the batch, as batch normalisation in training mode would."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *given: object) -> torch.Tensor:
        found = self.inner(*given)
        result: torch.Tensor = found - found.mean(dim=0, keepdim=True)
        return result


class PeekingEncoder(AudioEncoder):
    """An encoder of audio whose frames depend on the longest waveform of their batch."""

    def __init__(self, inner: AudioEncoder) -> None:
        super().__init__(inner.options)
        self._inner = inner

    @property
    def width(self) -> int:
        return self._inner.width

    @property
    def sample_rate(self) -> int:
        return self._inner.sample_rate

    def encode(self, waves: Sequence[np.ndarray]) -> list[AudioFeatures]:
        longest = np.float32(max(map(len, waves)) / self.sample_rate)
        return [replace(found, frames=found.frames + longest) for found in self._inner.encode(waves)]


def test_a_fusion_that_peeks_at_its_batch_is_caught(tiny_bert: Path, prepared: Workspaces) -> None:
    recipe = recipe_of(tiny_bert, "text+audio")
    network = network_of(recipe)
    network.fusion = Centred(present(network.fusion))
    _, together, _ = difference(network, *inputs_of(recipe, prepared))
    assert together > 100 * CLOSE


def test_a_prosody_encoder_that_peeks_at_its_batch_is_caught(tiny_bert: Path, prepared: Workspaces) -> None:
    recipe = recipe_of(tiny_bert, "audio")
    network = network_of(recipe)
    present(network.audio).prosody = Centred(present(present(network.audio).prosody))
    _, together, _ = difference(network, *inputs_of(recipe, prepared))
    assert together > 100 * CLOSE


def test_samples_that_hear_one_utterance_too_many_are_caught(tiny_bert: Path, prepared: Workspaces) -> None:
    recipe = recipe_of(tiny_bert, "audio")
    ahead = []
    for inputs in inputs_of(recipe, prepared):
        own = inputs.samples["train"][:6]
        ahead.append(replace(inputs, samples={"train": [*own[1:], own[-1]]}))
    alone, _, _ = difference(network_of(recipe), *ahead)
    assert alone > 100 * CLOSE


def test_an_audio_encoder_that_peeks_is_caught_in_predictions(tiny_bert: Path, tmp_path: Path, talks: Talks) -> None:
    run, found = untrained(tmp_path / "run", recipe_of(tiny_bert, "text+audio")), []
    for talk in talks:
        predictor = Predictor(run, device="cpu")
        present(predictor._recordings)._encoder = PeekingEncoder(present(predictor._recordings)._encoder)
        found.append(together(predictor, talk)[N]["epc"])
    assert np.abs(found[0] - found[1]).max() > 10 * CLOSE
