"""Under every EPC protocol nothing of a later utterance reaches an answer, but its speaker where the recipe says so.

Every check changes what comes after utterance n and asks for the same result at n: bit for bit when the window is
computed alone, within 1e-5 in a batch. What is told of the next speaker must not carry anything else; where it did,
the same checks must fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import save_voice, toy_dialogue, voiced_recipe
from narrow import instance, present

from ecef_cli.api.components import Corpus
from ecef_cli.api.dialogue import Dialogue, Utterance
from ecef_cli.corpus.manifest import save_prepared
from ecef_cli.corpus.scan import scan_recordings
from ecef_cli.corpus.tolerance import RowCount, Tolerance
from ecef_cli.evaluation.audit.audit import audit_recipe
from ecef_cli.features.encoders import build_encoders
from ecef_cli.network.model import EcefNetwork
from ecef_cli.prediction.outcomes import Predicted
from ecef_cli.prediction.predictor import Predictor
from ecef_cli.prediction.stream import predictions, window_probabilities
from ecef_cli.recipe.model import Recipe, check_recipe
from ecef_cli.runs.run import Run, build_network, create_run, save_weights
from ecef_cli.samples.inputs import Inputs, load_inputs
from ecef_cli.samples.windows import UNKNOWN, Sample
from ecef_cli.workspace import Workspace, write_json

N = 4  # the last utterance that is not changed
CLOSE = 1e-5
LABELS = ("joy", "anger", "neutral")
EVERYTHING = ("words", "speaker")

SECRETIVE: list[dict[str, Any]] = [
    {},
    {"target": "other"},
    {"target": "own"},
    {"min_history": 3},
    {"last_only": True},
    {"others": "drop"},
    {"others": "drop", "target": "own", "min_history": 2},
]
TELLING: list[dict[str, Any]] = [
    {"next_speaker": True},
    {"next_speaker": True, "target": "other"},
    {"next_speaker": True, "others": "drop"},
    {"next_speaker": True, "min_history": 3},
]
HISTORIES = (3, "all")

Talks = Mapping[tuple[str, ...], tuple[Utterance, ...]]
Workspaces = Mapping[tuple[str, ...], Workspace]


def talk(folder: Path, *changed: str) -> tuple[Utterance, ...]:
    """Return eight utterances; of those after N, `words` changes text, emotion and recording, `speaker` who speaks."""
    said = [
        ("Ann", "A kangaroo is asleep in the kitchen, Bob.", "neutral"),
        ("Bob", "An animal? In my kitchen?", None),
        ("Ann", "A marsupial, dear. The kangaroo belongs to Cleo.", "joy"),
        ("Cleo", "Her kitchen, my animals.", "joy"),
        ("Bob", "Cleo and her animals. Get out of my house!", "anger"),
        ("Ann", "I am so happy about that animal.", "joy"),
        ("Bob", "The meeting is at ten.", "neutral"),
        ("Ann", "So it is.", "neutral"),
    ]
    found = []
    for n, (speaker, text, emotion) in enumerate(said):
        later, voice, seed = n > N, emotion or "joy", n
        if later and "words" in changed:
            text, emotion, voice, seed = f"Kangaroo kitchen animal {n}! " * 8, "anger", "anger", 50 + n  # noqa: PLW2901
        if later and "speaker" in changed:
            speaker = "Dora" if speaker == "Ann" else "Cleo"  # noqa: PLW2901
        audio = None if n == 2 else save_voice(folder / f"{n}.flac", voice, seed)
        found.append(Utterance(text, speaker, "d", n, emotion=emotion, audio=audio))
    return tuple(found)


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> Talks:
    """The dialogue by what is changed in it."""
    kinds = ((), ("words",), ("speaker",), EVERYTHING)
    return {kind: talk(tmp_path_factory.mktemp("talk"), *kind) for kind in kinds}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, talks: Talks) -> Workspaces:
    found = {}
    for kind, utterances in talks.items():
        workspace = found[kind] = Workspace(tmp_path_factory.mktemp("workspace"))
        splits = {"train": (Dialogue("d", utterances), toy_dialogue("o", 1)), "dev": (toy_dialogue("dev", 99),)}
        heard = scan_recordings(Corpus(LABELS, splits, ()))
        save_prepared(workspace, "voiced", heard.corpus, {"recordings": heard.facts})
    return found


def recipe_of(model: Path, protocol: Mapping[str, object], history: object) -> Recipe:
    changes: dict[str, Any] = {"epc": protocol, "history": history, "features": {"dtype": "float32"}}
    return check_recipe(voiced_recipe(model, "text", "audio", **changes), where="voiced")


def network_of(recipe: Recipe) -> EcefNetwork:
    """Return an untrained network in which it matters who speaks next."""
    torch.manual_seed(0)
    network = build_network(recipe, build_encoders(recipe, device="cpu"), len(LABELS)).eval()
    for heads in (network.text_heads, network.audio_heads):
        told = present(heads).next_speaker
        if told is not None:
            torch.nn.init.normal_(told.weight)
    return network


class Compared:
    """What a network says of the dialogue, as it is and with another end.

    Attributes:
        alone, together: by task, (windows,) how far apart the answers are, window by window and all in one batch.
        past: (windows,) whether a window ends before the change.
        samples: the samples of the two.
    """

    def __init__(self, network: EcefNetwork, before: Inputs, after: Inputs) -> None:
        self.samples = [[s for s in i.samples["train"] if s.dialogue == 0] for i in (before, after)]
        (one, other), every = self.samples, zip(*self.samples, strict=True)
        self.past = np.asarray([s.numbers[-1] <= N for s in one])
        alone = [_apart(network, (before, [a]), (after, [b])) for a, b in every]
        self.alone = {task: np.concatenate([found[task] for found in alone]) for task in network.tasks}
        self.together = _apart(network, (before, one), (after, other))

    def largest(self, task: str) -> float:
        result: float = max(found[task][self.past].max() for found in (self.alone, self.together))
        return result


def _apart(network: EcefNetwork, *sides: tuple[Inputs, list[Sample]]) -> dict[str, np.ndarray]:
    with torch.inference_mode():
        one, other = (network(inputs.batch(chosen)) for inputs, chosen in sides)
    return {task: (one[task] - other[task]).abs().amax(dim=1).numpy() for task in one}


def compared(recipe: Recipe, prepared: Workspaces, kind: tuple[str, ...]) -> Compared:
    encoders = build_encoders(recipe, device="cpu")
    before, after = (load_inputs(prepared[k], recipe, encoders, training=True) for k in ((), kind))
    return Compared(network_of(recipe), before, after)


@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("protocol", SECRETIVE, ids=str)
def test_nothing_of_the_future_reaches_an_answer(
    tiny_bert: Path, prepared: Workspaces, protocol: dict[str, Any], history: object
) -> None:
    found = compared(recipe_of(tiny_bert, protocol, history), prepared, EVERYTHING)
    assert 3 < found.past.sum() < len(found.past)
    for task in ("erc", "epc"):
        assert found.largest(task) <= CLOSE
        assert found.together[task][~found.past].min() > 100 * CLOSE
    assert {s.next_speaker for side in found.samples for s in side} == {UNKNOWN}


@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("protocol", TELLING, ids=str)
def test_where_it_is_told_who_speaks_next_nothing_else_of_what_is_said_next_matters(
    tiny_bert: Path, prepared: Workspaces, protocol: dict[str, Any], history: object
) -> None:
    found = compared(recipe_of(tiny_bert, protocol, history), prepared, ("words",))
    for task in ("erc", "epc"):
        assert found.largest(task) <= CLOSE
        assert found.together[task][~found.past].min() > 100 * CLOSE
    (one, other) = ([s.next_speaker for s in side] for side in found.samples)
    assert one == other
    assert set(one) > {UNKNOWN}


@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("protocol", TELLING, ids=str)
def test_where_it_is_told_who_speaks_next_that_alone_matters_and_to_prediction_alone(
    tiny_bert: Path, prepared: Workspaces, protocol: dict[str, Any], history: object
) -> None:
    found = compared(recipe_of(tiny_bert, protocol, history), prepared, ("speaker",))
    told = np.asarray([a.next_speaker != b.next_speaker for a, b in zip(*found.samples, strict=True)])
    assert found.largest("erc") <= CLOSE
    past = found.together["epc"][found.past]
    assert past[~told[found.past]].max() <= CLOSE
    assert past[told[found.past]].min() > 100 * CLOSE
    assert told[found.past].nonzero()[0].tolist() == [found.past.sum() - 1]  # at N alone


def test_where_it_is_not_told_no_network_can_know_it(tiny_bert: Path) -> None:
    for protocol, expected in (({}, False), ({"next_speaker": True}, True)):
        network = network_of(recipe_of(tiny_bert, protocol, 3))
        assert any("next_speaker" in name for name in network.state_dict()) is expected


def test_a_next_speaker_that_gives_away_the_next_emotion_is_caught(tiny_bert: Path, prepared: Workspaces) -> None:
    recipe = recipe_of(tiny_bert, {"next_speaker": True}, 3)
    encoders = build_encoders(recipe, device="cpu")
    peeking = []
    for kind in ((), ("words",)):
        inputs = load_inputs(prepared[kind], recipe, encoders, training=True)
        told = [replace(s, next_speaker=max(0, s.targets["epc"] + 1)) for s in inputs.samples["train"]]
        peeking.append(replace(inputs, samples={"train": told}))
    assert Compared(network_of(recipe), *peeking).largest("epc") > 100 * CLOSE


def test_a_window_that_reads_ahead_is_caught_in_whole_dialogues_too(tiny_bert: Path, prepared: Workspaces) -> None:
    recipe = recipe_of(tiny_bert, {}, "all")
    encoders = build_encoders(recipe, device="cpu")
    ahead = []
    for kind in ((), EVERYTHING):
        inputs = load_inputs(prepared[kind], recipe, encoders, training=True)
        own = [s for s in inputs.samples["train"] if s.dialogue == 0]
        ahead.append(replace(inputs, samples={"train": [*own[1:], own[-1]]}))
    (one, other) = (i.samples["train"] for i in ahead)
    found = _apart(network_of(recipe), (ahead[0], [one[N]]), (ahead[1], [other[N]]))
    assert found["epc"].min() > 100 * CLOSE


# -------------------------------------------------------------------------------------------- predictions


def untrained(folder: Path, recipe: Recipe) -> Run:
    encoders = build_encoders(recipe, device="cpu")
    identities = {**encoders.identities, "tagger": recipe.component("tagger").identity()}
    run = create_run(folder, recipe, labels=LABELS, identities=identities, dataset={"name": "voiced", "key": ""})
    save_weights(run.weights, network_of(recipe))
    write_json(folder / "metrics.json", {"finished": True})
    return run


def answers(run: Run, utterances: tuple[Utterance, ...], **row: object) -> list[dict[str, Any]]:
    """Return the answer of each row; what `row` says is said by each."""
    rows = [replace(u, emotion=None, row={"text": u.text, "speaker": u.speaker, **row}) for u in utterances]
    items = predictions(Predictor(run, device="cpu"), rows, RowCount(Tolerance.parse("0"), "test"))
    return [dict(instance(Predicted, item).row) for item in items]


@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("protocol", [SECRETIVE[0], TELLING[0]], ids=str)
def test_predictions_do_not_know_the_future(
    tiny_bert: Path, tmp_path: Path, talks: Talks, protocol: dict[str, Any], history: object
) -> None:
    run = untrained(tmp_path / "run", recipe_of(tiny_bert, protocol, history))
    before, after = talks[()], talks[EVERYTHING]
    for length in range(1, N + 2):  # in the same company, the same bytes
        one, other = (answers(run, utterances[:length])[-1] for utterances in (before, after))
        assert (one["prediction"], one["forecast"]) == (other["prediction"], other["forecast"])
    for n, (one, other) in enumerate(zip(answers(run, before), answers(run, after), strict=True)):
        for key in ("prediction", "forecast"):
            found, expected = one[key]["probabilities"], other[key]["probabilities"]
            assert (found == pytest.approx(expected, abs=CLOSE)) is (n <= N)


@pytest.mark.parametrize("protocol", [{"target": "own", "others": "drop"}, *TELLING], ids=str)
def test_the_audit_of_a_protocol_changes_all_but_what_it_tells(
    tiny_bert: Path, prepared: Workspaces, protocol: dict[str, Any]
) -> None:
    found = audit_recipe(prepared[()], recipe_of(tiny_bert, protocol, "all"), window_probabilities, device="cpu")
    assert [check for check in found if check.status == "failed"] == []
    assert sum(check.status == "passed" for check in found) >= 4
