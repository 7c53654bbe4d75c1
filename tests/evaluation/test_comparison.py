"""Runs against a first one: the same targets, or none at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from forecasts import made_forecast, made_report, made_targets
from narrow import present

from ecef_cli.api.errors import DataError, UsageProblem
from ecef_cli.evaluation.comparison import COMPARED, compare
from ecef_cli.evaluation.significance import holm
from ecef_cli.evaluation.targets import Targets

TARGETS = made_targets(1, 50)
WEAK, STRONG = made_forecast(TARGETS, 1, skill=0.3), made_forecast(TARGETS, 2, skill=3)


def test_each_run_is_compared_with_the_first() -> None:
    reports = [made_report(name, TARGETS, f) for name, f in (("base", WEAK), ("better", STRONG), ("same", WEAK))]
    found = compare(reports, flips=500)
    assert [(row.run, row.metric) for row in found.rows] == [
        (run, metric) for run in ("better", "same") for metric in COMPARED["epc"]
    ]
    better, same = found.rows[0], found.rows[len(COMPARED["epc"])]
    expected = reports[1].tasks["epc"].model.uar - reports[0].tasks["epc"].model.uar
    assert better.difference.value == pytest.approx(expected)
    assert present(better.difference.low) > 0
    assert better.p == pytest.approx(1 / 501)
    assert (same.difference.value, same.difference.low, same.p, same.p_holm) == (0, 0, 1, 1)
    assert better.p_seeds is better.paired is None


def test_holm_is_over_the_whole_table() -> None:
    found = compare([made_report(n, TARGETS, f) for n, f in (("base", WEAK), ("better", STRONG))], flips=500)
    assert [row.p_holm for row in found.rows] == list(holm([row.p for row in found.rows]))
    assert all(row.p_holm > row.p for row in found.rows if row.p < 0.1)


def test_groups_of_seeds_get_a_t_test_over_seeds() -> None:
    weak = [made_forecast(TARGETS, seed, skill=0.3) for seed in (1, 2, 3)]
    strong = [made_forecast(TARGETS, seed, skill=3) for seed in (4, 5, 6)]
    one, other = made_report("one", TARGETS, *weak), made_report("other", TARGETS, *strong)
    paired = compare([one, other], flips=200).rows[0]
    assert paired.paired
    assert present(paired.p_seeds) < 0.05
    assert present(paired.p_seeds_holm) >= present(paired.p_seeds)
    welch = compare([one, replace(other, seeds=(4, 5, 6))], flips=200).rows[0]
    assert welch.paired is False
    assert welch.p_seeds != paired.p_seeds
    assert paired.difference.value == pytest.approx(other.tasks["epc"].model.uar - one.tasks["epc"].model.uar)
    unequal = compare([one, made_report("two", TARGETS, *strong[:2])], flips=200).rows[0]
    assert unequal.paired is False
    assert unequal.p < 0.05


def refused(other: Targets) -> str:
    with pytest.raises(DataError) as caught:
        compare([made_report("one", TARGETS, WEAK), made_report("two", other, made_forecast(other, 1))])
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_runs_of_different_datasets_are_refused() -> None:
    assert (
        "one and two cannot be compared, because their EPC targets differ: the manifests are made (k) and made (other)"
        in (refused(replace(TARGETS, key="other")))
    )


def test_runs_that_were_asked_more_or_less_are_refused() -> None:
    fewer = made_targets(1, 49)
    assert f"there are {len(TARGETS.gold)} and {len(fewer.gold)} targets" in refused(fewer)


def test_the_first_target_that_differs_is_named() -> None:
    gold = TARGETS.gold.copy()
    gold[4] = (gold[4] + 1) % 3
    dialogue, utterance, _ = TARGETS.identities[4]
    names = [TARGETS.labels[labels[4]] for labels in (TARGETS.gold, gold)]
    assert (
        refused(replace(TARGETS, gold=gold))
        .partition("; ")[0]
        .endswith(
            f"the first different target is number 5, {dialogue}/{utterance} -> {names[0]} "
            f"and {dialogue}/{utterance} -> {names[1]} "
            "(evaluate both on one dataset with --dataset, under the same protocol)"
        )
    )
    identities = list(TARGETS.identities)
    identities[2] = (*identities[2][:2], "another text")
    assert "number 3" in refused(replace(TARGETS, identities=tuple(identities)))
    assert "whose texts differ" in refused(replace(TARGETS, identities=tuple(identities)))


def test_runs_without_a_task_in_common_are_refused() -> None:
    recognition = made_targets(1, 50, task="erc")
    other = made_report("two", recognition, made_forecast(recognition, 1))
    with pytest.raises(UsageProblem, match="one and two have no task in common"):
        compare([made_report("one", TARGETS, WEAK), other])


def test_a_baseline_that_is_not_beaten_is_said_not_to_be() -> None:
    verdicts = {
        skill: made_report("run", TARGETS, made_forecast(TARGETS, 3, skill=skill)).tasks["epc"].verdicts[0]
        for skill in (3, 0, -9)
    }
    assert [v.beaten for v in verdicts.values()] == [True, False, False]
    assert verdicts[3].metric == "uar"
    assert verdicts[3].sentence("run").startswith("run beats majority: UAR +")
    assert verdicts[0].sentence("run").startswith("run does not beat majority: UAR ")
    assert verdicts[-9].sentence("run").startswith("run does not beat majority and is worse: UAR -")
    assert present(verdicts[0].difference.low) < 0 < present(verdicts[0].difference.high)


def test_of_one_dialogue_nothing_is_said_to_be_beaten() -> None:
    targets = made_targets(5, 1)
    found = made_report("run", targets, made_forecast(targets, 1, skill=9)).tasks["epc"].verdicts[0]
    assert not found.beaten
    assert found.sentence("run").startswith("too few dialogues to show whether run beats majority: UAR +")


def test_targets_without_a_label_of_the_present_are_left_out_of_the_change_and_counted() -> None:
    shift = present(made_report("run", TARGETS, STRONG).tasks["epc"].model.shift)
    assert shift.left_out == np.sum(~TARGETS.known) > 0
    assert shift.targets == len(TARGETS.gold) - shift.left_out
    assert shift.shifts == np.sum(TARGETS.shifted & TARGETS.known)
