"""Nothing of a later utterance reaches an answer: tags, features, batches and predictions.

Every check changes all utterances after n (text, speaker, emotion) and asks for the same result at n: bit for bit when
the window is computed alone, within 1e-5 in a batch. Components that peek must fail the same checks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from conftest import toy_dialogue, toy_recipe
from narrow import instance, present

from ecef_cli.api.components import Corpus, TextFeatures, TextWindow
from ecef_cli.api.dialogue import Dialogue, Utterance
from ecef_cli.corpus.manifest import save_prepared
from ecef_cli.corpus.tolerance import RowCount, Tolerance
from ecef_cli.features.encoders import build_encoders
from ecef_cli.prediction.outcomes import Predicted
from ecef_cli.prediction.predictor import Predictor
from ecef_cli.prediction.stream import predictions
from ecef_cli.recipe.model import Recipe, check_recipe
from ecef_cli.runs.run import Run, build_network
from ecef_cli.samples.batches import Batch
from ecef_cli.samples.inputs import Inputs, load_inputs
from ecef_cli.samples.windows import Sample, windows
from ecef_cli.tagging.pairs import tag_utterances
from ecef_cli.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

N = 3  # the last utterance that is not changed
CLOSE = 1e-5

TALK = tuple(
    Utterance(text, speaker, "d", n, emotion=emotion)
    for n, (speaker, text, emotion) in enumerate(
        [
            ("Ann", "A kangaroo is asleep in the kitchen, Bob.", "neutral"),
            ("Bob", "An animal? In my kitchen?", "anger"),
            ("Ann", "A marsupial, dear. The kangaroo belongs to Cleo.", "joy"),
            ("Bob", "Cleo and her animals. Get out of my house!", "anger"),
            ("Ann", "I am so happy about that animal.", "joy"),
            ("Bob", "The meeting is at ten.", "neutral"),
        ]
    )
)
CHANGED = (
    *TALK[: N + 1],
    replace(
        TALK[4],
        text="Kangaroo kangaroo mammal animal kitchen, very much longer than it was " * 9,
        emotion="anger",
    ),
    replace(TALK[5], speaker="Cleo", text="…", emotion=None),
)


def inputs_of(talk: tuple[Utterance, ...], folder: Path, recipe: Recipe) -> Inputs:
    workspace = Workspace(folder)
    others = tuple(toy_dialogue(f"o{n}", n) for n in range(4))
    splits = {"train": (Dialogue("d", talk), *others), "dev": others[:1]}
    splits["dev"] = (toy_dialogue("dev", 99),)
    save_prepared(workspace, "toy", Corpus(("joy", "anger", "neutral"), splits, ()), {})
    return load_inputs(workspace, recipe, build_encoders(recipe, device="cpu"))


Encode = Callable[[Sequence[TextWindow]], list[TextFeatures]]


@pytest.fixture(scope="module")
def recipe(tiny_bert: Path) -> Recipe:
    return check_recipe(toy_recipe(tiny_bert, features={"dtype": "float32"}), where="toy")


@pytest.fixture(scope="module")
def before(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return inputs_of(TALK, tmp_path_factory.mktemp("before"), recipe)


@pytest.fixture(scope="module")
def after(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return inputs_of(CHANGED, tmp_path_factory.mktemp("after"), recipe)


def test_tags_of_a_window_do_not_know_the_future(recipe: Recipe, before: Inputs, after: Inputs) -> None:
    tagger = recipe.component("tagger")
    some = False
    for last in range(N + 1):
        first = max(0, last - present(recipe.history) + 1)
        alone = tag_utterances(TALK[first : last + 1], tagger, None).importance(0, last - first)
        for inputs in (before, after):
            stored = present(inputs.tags).dialogue("train", 0).importance(first, last)
            np.testing.assert_array_equal(stored, alone)
        some = some or bool(alone.any())
    assert some


def test_a_speaker_who_has_not_spoken_yet_is_no_name(recipe: Recipe) -> None:
    tagger = recipe.component("tagger")
    talk = (replace(TALK[0], text="Rose, a rose"), replace(TALK[1], text="flower", speaker="Rose"))
    assert tag_utterances(talk, tagger, None).importance(0, 0).any()
    assert not tag_utterances(talk, tagger, None).importance(0, 1).any()


def test_extracted_features_do_not_know_the_future(before: Inputs, after: Inputs) -> None:
    for number in range(N + 1):
        one, other = present(before.features).read("train", number), present(after.features).read("train", number)
        np.testing.assert_array_equal(one.first, other.first)
        np.testing.assert_allclose(one.states, other.states, atol=CLOSE)


def test_features_of_a_window_alone_are_the_same_bit_for_bit(recipe: Recipe) -> None:
    encoder = recipe.component("text_encoder")
    for one, other in list(zip(windows([Dialogue("d", TALK)], 3), windows([Dialogue("d", CHANGED)], 3), strict=True))[
        : N + 1
    ]:
        np.testing.assert_array_equal(encoder.encode([one])[0].states, encoder.encode([other])[0].states)


def logits(network: torch.nn.Module, inputs: Inputs, numbers: list[int]) -> torch.Tensor:
    """Return (tasks, windows, labels) of the first dialogue's windows."""
    with torch.inference_mode():
        found = network.eval()(inputs.batch(inputs.samples["train"][n] for n in numbers))
    return torch.stack([found[task] for task in sorted(found)])


def difference(network: torch.nn.Module, before: Inputs, after: Inputs) -> tuple[float, float]:
    """Return how far logits up to N lie apart, window by window and in a batch with all windows of the dialogue."""
    pairs = [(logits(network, before, [n]), logits(network, after, [n])) for n in range(N + 1)]
    alone = max((one - other).abs().max().item() for one, other in pairs)
    every = list(range(len(TALK)))
    together = logits(network, before, every)[:, : N + 1] - logits(network, after, every)[:, : N + 1]
    return alone, together.abs().max().item()


def network_of(recipe: Recipe) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(recipe, build_encoders(recipe, device="cpu"), 3)


def test_the_network_does_not_know_the_future(recipe: Recipe, before: Inputs, after: Inputs) -> None:
    alone, together = difference(network_of(recipe), before, after)
    # The stored features were computed in batches, so that windows alone may differ by rounding too.
    assert alone <= CLOSE
    assert together <= CLOSE


class Peeking(torch.nn.Module):
    """A network that normalises over the batch, as batch normalisation in training mode would."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {task: values - values.mean(dim=0) for task, values in self.inner(batch).items()}


def test_a_network_that_peeks_at_its_batch_is_caught(recipe: Recipe, before: Inputs, after: Inputs) -> None:
    _, together = difference(Peeking(network_of(recipe)), before, after)
    assert together > 100 * CLOSE


def test_samples_that_hold_one_utterance_too_many_are_caught(recipe: Recipe, before: Inputs, after: Inputs) -> None:
    shifted = [replace(i, samples={"train": _reading_ahead(i)}) for i in (before, after)]
    alone, _ = difference(network_of(recipe), *shifted)
    assert alone > 100 * CLOSE


def _reading_ahead(inputs: Inputs) -> list[Sample]:
    own = inputs.samples["train"][: len(TALK)]
    return [*own[1:], own[-1]]


def answers(predictor: Predictor, talk: tuple[Utterance, ...], rows: int) -> list[dict[str, Any]]:
    told = [replace(u, row={"text": u.text, "speaker": u.speaker}) for u in talk[:rows]]
    items = predictions(predictor, told, RowCount(Tolerance.parse("0"), "test"))
    return [dict(instance(Predicted, item).row) for item in items]


def test_predictions_do_not_know_the_future(toy_run: Run) -> None:
    alone = [answers(Predictor(toy_run, device="cpu"), talk, N + 1) for talk in (TALK, CHANGED)]
    assert json.dumps(alone[0]) == json.dumps(alone[1])
    whole = [answers(Predictor(toy_run, device="cpu"), talk, len(TALK)) for talk in (TALK, CHANGED)]
    for one, other in zip(whole[0][: N + 1], whole[1][: N + 1], strict=True):
        for key in ("prediction", "forecast"):
            assert one[key]["probabilities"] == pytest.approx(other[key]["probabilities"], abs=CLOSE)
    assert whole[0][-1]["prediction"] != whole[1][-1]["prediction"]


def test_an_encoder_that_peeks_is_caught_in_predictions(toy_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    predictors = [Predictor(toy_run, device="cpu") for _ in range(2)]
    for predictor in predictors:
        original = present(predictor._encoder).encode

        def peek(batch: Sequence[TextWindow], original: Encode = original) -> list[TextFeatures]:
            found = original(batch)
            last = found[-1].states.mean(axis=0)
            return [replace(f, states=f.states + last) for f in found]

        monkeypatch.setattr(predictor._encoder, "encode", peek)
    # One batch: the rows are all there before the first is asked for.
    one, other = (
        predictor.predict([talk[: n + 1][-3:] for n in range(len(talk))])[N].probabilities["erc"]
        for predictor, talk in zip(predictors, (TALK, CHANGED), strict=True)
    )
    assert np.abs(one - other).max() > CLOSE


def test_training_targets_are_the_only_thing_that_later_utterances_decide(before: Inputs, after: Inputs) -> None:
    for one, other in zip(before.samples["train"][: N + 1], after.samples["train"][: N + 1], strict=True):
        assert (one.first, one.last, one.positions) == (other.first, other.last, other.positions)
        assert one.targets["erc"] == other.targets["erc"]
