"""IEMOCAP's splits, its published numbers, and `ecef prepare` on its release."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ecef_cli.cli.main import run
from ecef_datasets.iemocap import IemocapOptions
from ecef_datasets.iemocap_published import DEV_DIALOGUES, EMOTIONS, FOUR_BY_SESSION

if TYPE_CHECKING:
    from collections.abc import Iterator


# Turn, start, end and label, in the order of an evaluation's file: one speaker after the other.

from iemocap_small import evaluations, homes, published, read, write_dialogue

pytest_plugins = ["iemocap_fixtures"]


def test_the_standard_split_tests_on_session_5_and_validates_on_a_fixed_list(release: Path) -> None:
    write_dialogue(release, "Ses04F_script02_1")
    found = homes(read(release))
    assert found["test"] == ["Ses05F_impro01", "Ses05M_impro01"]
    assert found["dev"] == ["Ses01M_impro01", "Ses03F_impro01", "Ses04F_script02_1"]
    assert len(found["train"]) == 6
    assert len(DEV_DIALOGUES) == 12


@pytest.mark.parametrize("session", [1, 2, 3, 4, 5])
def test_each_session_may_be_the_one_that_is_left_out(release: Path, session: int) -> None:
    found = homes(read(release, split=f"loso{session}", dev=0.5))
    assert found["test"] == [f"Ses0{session}F_impro01", f"Ses0{session}M_impro01"]
    others = {str(number) for number in range(1, 6) if number != session}
    # Half of each other session, so that every speaker of dev is one of train.
    assert Counter(name[4] for name in found["dev"]) == Counter(others) == Counter(name[4] for name in found["train"])


def test_the_dev_dialogues_of_a_session_left_out_depend_on_the_seed_alone(release: Path) -> None:
    for number in range(2, 10):
        write_dialogue(release, f"Ses02F_impro0{number}")
    first = homes(read(release, split="loso1", dev=0.3))["dev"]
    assert sum(name.startswith("Ses02") for name in first) == 3
    assert homes(read(release, split="loso5", dev=0.3))["dev"] != first
    assert homes(read(release.parent, split="loso1", dev=0.3))["dev"] == first
    assert any(homes(read(release, split="loso1", dev=0.3, seed=seed))["dev"] != first for seed in (1, 2, 3))


def whole_release() -> Iterator[tuple[str, list[tuple[str, float, float, str]]]]:
    """Yield dialogues and their turns such that all that is published of the release is so."""
    sizes = {1: 28, 2: 30, 3: 32, 4: 30, 5: 31}
    pools = {label: [label] * number for label, number in EMOTIONS.items()}
    four = [label for name in ("hap", "exc", "neu", "ang", "sad") for label in pools.pop(name)]
    others = [label for pool in pools.values() for label in pool]
    for session, dialogues in sizes.items():
        quota, four = four[: FOUR_BY_SESSION[session]], four[FOUR_BY_SESSION[session] :]
        share = len(others) // (6 - session)
        labels, others = quota + others[:share], others[share:]
        named = sorted(name for name in DEV_DIALOGUES if name[4] == str(session))
        names = named + [f"Ses0{session}F_script04_{n}" for n in range(dialogues - len(named))]
        for number, name in enumerate(names):
            mine = labels[number::dialogues]
            yield name, [(f"M{n:03}", n + 0.5, n + 1.25, label) for n, label in enumerate(mine)]


def test_the_whole_release_is_compared_with_what_is_published(tmp_path: Path) -> None:
    release = tmp_path / "IEMOCAP_full_release"
    for name, turns in whole_release():
        write_dialogue(release, name, turns)
    assert published(release, audio=False) == ()
    [remark] = published(release, audio=False, labels="iemocap6")
    assert remark.startswith(
        "counts differ from the literature's six emotions by split "
        "(7,433 utterances, 53 of them happy only there): train "
    ), "the release has 7,380 utterances of them"
    path = evaluations(release, "Ses01F_script04_3")
    path.write_text(path.read_text().replace("\thap\t", "\tsad\t", 1))
    every, four = published(release, audio=False)
    assert every == (
        "counts differ from the release (10,039 evaluated turns): hap 594 instead of 595, sad 1,085 instead of 1,084"
    )
    assert four == (
        "counts differ from the literature on four emotions (5,531 utterances): "
        "happy 1,635 instead of 1,636, sad 1,085 instead of 1,084"
    )


def test_a_part_of_the_release_is_said_to_be_one(release: Path) -> None:
    [line] = published(release / "Session1", release / "Session5")
    assert line == "incomplete release: missing Session2, Session3, Session4"


@pytest.mark.parametrize("options", [["split=standard"], ["split=loso2", "seed=3"], ["labels=iemocap6"]])
def test_a_prepared_release_is_compared_again_with_the_options_that_it_had(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    release = tmp_path / "IEMOCAP_full_release"
    for name, turns in whole_release():
        write_dialogue(release, name, turns)
    work = ["--workspace", str(tmp_path / "work"), "prepare"]
    given = [part for option in options for part in ("--option", option)]
    assert run([*work, "iemocap", "--source", str(release), "--option", "audio=false", *given]) == 0
    facts = json.loads((tmp_path / "work" / "iemocap" / "dataset.json").read_text())
    said = capsys.readouterr().err
    assert all(f"warning: {line}" in said for line in facts.get("published", ()))
    assert run([*work, "--check", "iemocap"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["problems"] == facts.get("published", [])
    assert found["status"] == ("noted" if "labels=iemocap6" in options else "passed")


@pytest.mark.parametrize("options", [{"labels": "iemocap5"}, {"split": "loso6"}, {"dev": 0.2}, {"seed": 1}, {"x": 1}])
def test_senseless_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        IemocapOptions.model_validate(options)


def test_prepare_goes_through_and_says_what_it_found(release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav = release / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    wav.write_bytes(b"no sound")
    work = ["--workspace", str(release.parent / "work"), "prepare", "iemocap", "--source", str(release.parent)]
    assert run([*work]) == 3
    assert f"recording {wav}" in capsys.readouterr().err
    assert run([*work, "--tolerate", "1", "--option", "labels=iemocap6", "--option", "split=loso2"]) == 0
    said = capsys.readouterr()
    assert f"left with text alone 1: recording {wav}: is not a readable audio file (" in said.err
    assert "counts differ from the release" in said.err
    assert '"split": "test", "dialogues": 2, "utterances": 12, "unlabelled": 4' in said.out
