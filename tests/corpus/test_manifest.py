"""Prepared datasets on disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ecef_cli.api.components import Corpus
from ecef_cli.api.dialogue import Dialogue, Utterance
from ecef_cli.api.errors import DataError
from ecef_cli.corpus.checks.dataset import check_folder
from ecef_cli.corpus.manifest import counts, load_prepared, place_manifests, save_prepared
from ecef_cli.workspace import Workspace, checksum


def dialogue(name: str, *emotions: str | None) -> Dialogue:
    return Dialogue(
        name,
        tuple(
            Utterance(
                f"It\u2019s {i}.\u2028",
                "A",
                name,
                i,
                audio=Path(f"/rec/{i}.wav"),
                start=0.5,
                emotion=e,
                row={"take": i},
            )
            for i, e in enumerate(emotions)
        ),
    )


@pytest.fixture
def corpus() -> Corpus:
    splits = {"test": (dialogue("c", "joy"),), "train": (dialogue("b", "joy", None), dialogue("a", "fear"))}
    return Corpus(("fear", "joy"), splits, ())


def mute(corpus: Corpus) -> Corpus:
    def without(dialogue: Dialogue) -> Dialogue:
        return replace(dialogue, utterances=tuple(replace(u, audio=None, start=None) for u in dialogue.utterances))

    return replace(corpus, splits={split: tuple(map(without, ds)) for split, ds in corpus.splits.items()})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work")


def test_what_is_saved_is_loaded(workspace: Workspace, corpus: Corpus) -> None:
    save_prepared(workspace, "mine", corpus, {"reader": "some"})
    prepared = load_prepared(workspace, "mine")
    assert prepared.splits == corpus.splits
    assert prepared.labels == ("fear", "joy")
    assert [u.row["take"] for u in prepared.splits["train"][0].utterances] == [0, 1]


def test_the_dataset_states_its_counts_and_checksums(workspace: Workspace, corpus: Corpus) -> None:
    stated = save_prepared(workspace, "mine", corpus, {"reader": "some"})
    folder = workspace.dataset("mine")
    assert json.loads((folder / "dataset.json").read_text(encoding="utf-8")) == stated
    assert stated["reader"] == "some"
    assert stated["counts"] == counts(corpus)
    expected = {
        "train": {"dialogues": 2, "utterances": 3, "emotions": {"fear": 1, "joy": 1}, "unlabelled": 1},
        "dev": {"dialogues": 0, "utterances": 0, "emotions": {"fear": 0, "joy": 0}, "unlabelled": 0},
        "test": {"dialogues": 1, "utterances": 1, "emotions": {"fear": 0, "joy": 1}, "unlabelled": 0},
    }
    heard = {"train": 3, "dev": 0, "test": 1}
    assert counts(corpus) == {split: {**found, "recordings": heard[split]} for split, found in expected.items()}
    assert counts(mute(corpus)) == expected
    assert stated["manifests"] == {s: checksum(folder / "manifest" / f"{s}.jsonl") for s in ("train", "test")}


def test_the_key_follows_the_rows_and_nothing_else(workspace: Workspace, corpus: Corpus) -> None:
    keys = []
    for name, facts, splits in (
        ("one", {"reader": "a"}, corpus.splits),
        ("two", {"reader": "b"}, corpus.splits),
        ("three", {"reader": "a"}, {"train": (dialogue("b", "fear"),)}),
    ):
        save_prepared(workspace, name, Corpus(corpus.labels, splits, ()), facts)
        keys.append(load_prepared(workspace, name).key)
    assert keys[0] == keys[1] != keys[2]


def test_the_recordings_are_known_by_their_digest(workspace: Workspace, corpus: Corpus) -> None:
    save_prepared(workspace, "mine", corpus, {"recordings": {"digest": "abc"}})
    assert load_prepared(workspace, "mine").recordings == "abc"
    save_prepared(workspace, "mine", mute(corpus), {})
    assert load_prepared(workspace, "mine").recordings == ""


def test_the_manifest_of_a_split_that_is_gone_goes_too(workspace: Workspace, corpus: Corpus) -> None:
    save_prepared(workspace, "mine", corpus, {})
    save_prepared(workspace, "mine", Corpus(corpus.labels, {"train": corpus.splits["train"]}, ()), {})
    assert sorted(p.name for p in (workspace.dataset("mine") / "manifest").iterdir()) == ["train.jsonl"]
    assert set(load_prepared(workspace, "mine").splits) == {"train"}


def test_manifests_that_a_kill_has_left_beside_their_places_are_read_and_checked_there(
    workspace: Workspace, corpus: Corpus
) -> None:
    save_prepared(workspace, "mine", mute(corpus), {})
    folder = workspace.dataset("mine") / "manifest"
    old = (folder / "train.jsonl").read_bytes()
    stated = save_prepared(workspace, "mine", corpus, {})
    before, digest = load_prepared(workspace, "mine"), stated["manifests"]["train"]
    waiting = (folder / "train.jsonl").rename(folder / f".train-{digest[:16]}.jsonl")
    for there in (old, None):  # that of before is still in its place, or there was none
        if there is not None:
            (folder / "train.jsonl").write_bytes(there)
        assert load_prepared(workspace, "mine") == before
        checks = {check.name: check.status for check in check_folder(folder.parent)}
        assert checks["manifests are unchanged"] == "passed"
        (folder / "train.jsonl").unlink(missing_ok=True)
    place_manifests(folder.parent, stated["manifests"])
    assert not waiting.exists()
    assert load_prepared(workspace, "mine") == before


def test_a_write_that_fails_leaves_the_old_dataset(workspace: Workspace, corpus: Corpus) -> None:
    save_prepared(workspace, "mine", corpus, {})
    before = load_prepared(workspace, "mine")
    bad = {
        "test": (Dialogue("x", (Utterance("half \ud800", "A", "x", 1),)),),
        "train": (dialogue("y", "joy"),),
    }
    with pytest.raises(UnicodeEncodeError):
        save_prepared(workspace, "mine", Corpus(("joy",), bad, ()), {})
    assert load_prepared(workspace, "mine") == before
    assert not list(workspace.root.rglob("*.part"))


def test_a_changed_or_missing_manifest_is_refused(workspace: Workspace, corpus: Corpus) -> None:
    save_prepared(workspace, "mine", corpus, {})
    path = workspace.dataset("mine") / "manifest" / "train.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("fear", "joy"), encoding="utf-8")
    with pytest.raises(DataError, match=r"train\.jsonl: the manifest has changed since it was prepared"):
        load_prepared(workspace, "mine")
    path.unlink()
    with pytest.raises(DataError, match="the manifest has changed since it was prepared"):
        load_prepared(workspace, "mine")


def test_a_dataset_that_is_not_prepared_or_not_whole_is_named(workspace: Workspace, corpus: Corpus) -> None:
    save_prepared(workspace, "calls", corpus, {})
    with pytest.raises(DataError, match=r"'cals' is not prepared .*did you mean 'calls'"):
        load_prepared(workspace, "cals")
    (workspace.dataset("calls") / "dataset.json").write_text("[]")
    with pytest.raises(DataError, match=r"dataset\.json: does not describe a prepared dataset"):
        load_prepared(workspace, "calls")
