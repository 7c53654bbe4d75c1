"""Baselines on hand-made dialogues, what they know, and what they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from narrow import instance, present

from ecef_cli.api.components import Dataset
from ecef_cli.api.dialogue import Dialogue, Utterance
from ecef_cli.evaluation.baselines import BACKOFF, Transitions, baselines, forecast
from ecef_cli.evaluation.targets import FIRST, NOT_GIVEN, OTHER, SAME, Targets, find_targets
from ecef_cli.recipe.sections import Epc
from ecef_cli.runs.metrics import roc_auc, score
from ecef_cli.samples.windows import NO_TARGET, samples

LABELS = ("a", "b", "c")


def dialogue(name: str, turns: str) -> Dialogue:
    """Return a dialogue from `Xa Ya …`: speaker and emotion of each turn, `-` for none."""
    said = [
        Utterance(f"{name} {n}", turn[0], name, n, emotion=None if turn[1] == "-" else turn[1])
        for n, turn in enumerate(turns.split())
    ]
    return Dialogue(name, tuple(said))


def asked(*turns: str, task: str = "epc", epc: Epc | None = None) -> Targets:
    dialogues = [dialogue(f"d{n}", one) for n, one in enumerate(turns)]
    return find_targets(
        task, samples("test", dialogues, history=3, tasks=["erc", "epc"], labels=LABELS, epc=epc), dialogues, LABELS
    )


TRAIN = ("Xa Xa Yb Xb", "Xa Yb Yc", "Xc Yc Xc Ya", "Xa")


def test_targets_know_their_present_and_who_spoke_before() -> None:
    found = asked("Xa Xb Y- Xc", "Yb", "Xc Yc")
    assert found.gold.tolist() == [1, 2, 2]  # of the third turn's successor; its own label is nobody's target
    assert found.current.tolist() == [0, NO_TARGET, 2]
    assert found.known.tolist() == [True, False, True]
    assert found.before.tolist() == [FIRST, OTHER, FIRST]
    assert found.dialogue.tolist() == [0, 0, 1]  # the dialogue of one utterance asks for nothing
    assert found.dialogues == 2
    assert found.identities[1] == ("d0", 2, "d0 2")


def test_the_same_speaker_before_is_told_from_another() -> None:
    assert asked("Xa Xb Yc Yc Xa").before.tolist() == [FIRST, SAME, OTHER, SAME]


def test_majority_says_how_frequent_targets_are_in_training() -> None:
    train = asked(*TRAIN)
    found = dict(baselines(train, asked("Xa Yb"), None))["majority"]
    # Targets of the training dialogues: a b b | b c | c c a.
    assert found.probabilities[0] == pytest.approx([2 / 8, 3 / 8, 3 / 8])
    assert found.predicted.tolist() == [1]  # of two that are as frequent, the first


def test_transitions_by_hand() -> None:
    fitted = Transitions.fit(asked(*TRAIN))
    base = np.array([3, 4, 4]) / 11
    assert fitted.base == pytest.approx(base)
    # From a: a once and b twice. From a at the start of a dialogue: a once, b once. After the same speaker: b once.
    plain = (np.array([1, 2, 0]) + BACKOFF * base) / (3 + BACKOFF)
    assert fitted.plain[0] == pytest.approx(plain)
    assert fitted.rows[FIRST, 0] == pytest.approx((np.array([1, 1, 0]) + BACKOFF * plain) / (2 + BACKOFF))
    assert fitted.rows[SAME, 0] == pytest.approx((np.array([0, 1, 0]) + BACKOFF * plain) / (1 + BACKOFF))
    assert fitted.rows[OTHER, 0] == pytest.approx(plain)  # never seen: backed off
    assert fitted.rows.sum(axis=2) == pytest.approx(np.ones((3, 3)))
    assert fitted.plain.sum(axis=1) == pytest.approx(np.ones(3))


def test_a_present_without_a_label_is_answered_by_what_is_frequent() -> None:
    train, targets = asked(*TRAIN), asked("X- Yb")
    fitted = Transitions.fit(train)
    assert fitted.forecast(targets, targets.current)[0] == pytest.approx(fitted.base)
    repeated = dict(baselines(train, targets, None))["repeat-last (gold)"]
    assert repeated.probabilities[0] == pytest.approx([2 / 8, 3 / 8, 3 / 8])


def test_repeat_last_says_the_label_of_the_present_gold_or_recognised() -> None:
    targets = asked("Xa Yb Xc")
    recognised = np.array([[0.1, 0.2, 0.7], [0.2, 0.5, 0.3]])
    found = dict(baselines(asked(*TRAIN), targets, recognised))
    assert found["repeat-last (gold)"].predicted.tolist() == [0, 1]
    assert found["repeat-last (predicted)"].predicted.tolist() == [2, 1]
    assert found["repeat-last (predicted)"].deployable == pytest.approx([0.3, 0.5])
    assert found["repeat-last (gold)"].deployable is None


def test_soft_transitions_weigh_the_rows_by_what_is_recognised() -> None:
    targets = asked("Xa Yb Xc")
    recognised = np.array([[0.1, 0.2, 0.7], [0.2, 0.5, 0.3]])
    train = asked(*TRAIN)
    found = dict(baselines(train, targets, recognised))["transition (predicted, soft)"]
    rows = Transitions.fit(train).rows
    for n, condition in enumerate((FIRST, OTHER)):
        assert found.probabilities[n] == pytest.approx(recognised[n] @ rows[condition])
        changes = sum(recognised[n, c] * (1 - rows[condition, c, c]) for c in range(3))
        assert present(found.deployable)[n] == pytest.approx(changes)
    hard = dict(baselines(train, targets, recognised))["transition (predicted)"]
    assert hard.probabilities[0] == pytest.approx(rows[FIRST, 2])


def test_the_score_of_a_change_by_hand() -> None:
    targets = asked("Xa Yb Xc")
    probabilities = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    recognised = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
    found = forecast(targets, probabilities, recognised)
    assert found.deployable == pytest.approx([1 - 0.5, 1 - 0.05 - 0.4])
    assert found.oracle == pytest.approx([1 - 0.5, 1 - 0.1])


def test_without_recognition_what_needs_no_gold_label_is_not_measured() -> None:
    targets = asked("Xa Yb Xc")
    found = dict(baselines(asked(*TRAIN), targets, None))
    assert set(found) == {"majority", "repeat-last (gold)", "transition (gold)"}
    assert found["majority"].deployable is None
    assert found["majority"].missing == "the run has no recognition (ERC)"
    assert found["transition (gold)"].missing == "it uses the gold label of the current utterance"


def test_recognition_is_measured_beside_the_majority_alone() -> None:
    found = dict(baselines(asked(*TRAIN, task="erc"), asked("Xa Yb Xc", task="erc"), np.eye(3)))
    assert set(found) == {"majority"}
    assert found["majority"].deployable is found["majority"].oracle is None


def all_forecasts(turns: str, epc: Epc) -> dict[str, np.ndarray]:
    targets = asked(turns, epc=epc)
    recognised = np.random.default_rng(0).dirichlet(np.ones(3), size=len(targets.gold))
    found = baselines(asked(*TRAIN, epc=epc), targets, recognised, next_speaker=epc.next_speaker)
    parts = {name: [f.probabilities, f.deployable, f.oracle] for name, f in found}
    return {name: np.column_stack([part for part in three if part is not None]) for name, three in parts.items()}


@pytest.mark.parametrize("last", range(4))
def test_no_baseline_reads_anything_of_the_future(last: int) -> None:
    """What is forecast at turn `last` stays when emotions and speakers of all later turns change."""
    turns = ["Xa", "Yb", "Yc", "Xa", "Yb", "Xc"]
    later = ["Za", "Za", "Xc", "Ya", "Xb", "Yb"]
    changed = [*turns[: last + 1], *later[last + 1 :]]
    before, after = (all_forecasts(" ".join(one), Epc()) for one in (turns, changed))
    assert not any("next speaker" in name for name in before)
    for name, values in before.items():
        assert np.array_equal(values[: last + 1], after[name][: last + 1]), name


def test_the_next_speaker_is_known_only_where_the_protocol_tells_it() -> None:
    assert set(asked("Xa Xb Ya").following.tolist()) == {NOT_GIVEN}
    told = Epc(next_speaker=True)
    assert asked("Xa Xb Ya", epc=told).following.tolist() == [SAME, OTHER]
    found = all_forecasts("Xa Xb Ya", told)
    assert {name for name in found if "next speaker known" in name} == {
        f"transition ({kind}, next speaker known)" for kind in ("gold", "predicted", "predicted, soft")
    }
    # Of the future, who speaks next and nothing else: the emotion that is to be forecast does not matter.
    assert all(np.array_equal(found[name], other) for name, other in all_forecasts("Xa Xb Yc", told).items())
    name = "transition (gold, next speaker known)"
    assert not np.array_equal(found[name], all_forecasts("Xa Yb Ya", told)[name])


def test_nothing_of_the_measured_split_is_fitted_to() -> None:
    train, targets = asked(*TRAIN), asked("Xa Yb Xc")
    other = replace(targets, gold=np.array([0, 0]))
    for (name, one), (_, two) in zip(baselines(train, targets, None), baselines(train, other, None), strict=True):
        assert np.array_equal(one.probabilities, two.probabilities), name


def test_without_a_train_split_only_repetition_is_left() -> None:
    assert set(dict(baselines(None, asked("Xa Yb"), np.eye(3)[:1]))) == {
        "repeat-last (gold)",
        "repeat-last (predicted)",
    }


def test_baselines_on_the_test_split_of_meld(shared_data: Path) -> None:
    from ecef_cli.recipe.model import build_component

    corpus = instance(Dataset, build_component("dataset", "meld", {})).read([shared_data / "meld"])
    splits = {
        split: find_targets(
            "epc",
            samples(split, corpus.splits[split], history=8, tasks=["epc"], labels=corpus.labels),
            corpus.splits[split],
            corpus.labels,
        )
        for split in ("train", "test")
    }
    targets = splits["test"]
    assert len(targets.gold) == 2330
    found = dict(baselines(splits["train"], targets, None))
    repeated = score(targets.gold, found["repeat-last (gold)"].predicted, corpus.labels)
    assert repeated.uar == pytest.approx(27.29, abs=0.005)
    # The audit of Wen, Zhang and Tan (2026) finds 67.6 for transitions without anything of the speakers.
    plain = Transitions.fit(splits["train"]).plain
    stays = plain[targets.current, targets.current]
    assert roc_auc(targets.shifted, 1 - stays) == pytest.approx(67.6, abs=0.05)
    assert present(roc_auc(targets.shifted, present(found["transition (gold)"].oracle))) > 68
