"""Tags on disk: whole, resumable, and made once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from narrow import instance

from ecef_cli.api.components import Corpus, Tagger
from ecef_cli.api.dialogue import Dialogue, Utterance
from ecef_cli.api.errors import DataError
from ecef_cli.corpus.manifest import load_prepared, save_prepared
from ecef_cli.recipe.model import build_component
from ecef_cli.tagging.pairs import tag_utterances
from ecef_cli.tagging.store import TagStore, ensure_tags
from ecef_cli.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = {
    "train": [
        ["What a scene, a kangaroo!", "A marsupial, Joey?", "Asleep, the kangaroo."],
        ["Music.", "Music!"],
    ],
    "test": [["", "They feed the dog.", "Dogs eat; the dog eats."]],
}


def corpus(texts: dict[str, list[list[str]]]) -> Corpus:
    splits = {}
    for split, dialogues in texts.items():
        splits[split] = tuple(
            Dialogue(
                f"{split}{d}",
                tuple(
                    Utterance(text=text or "…", speaker=("Joey", "Ann")[i % 2], dialogue=f"{split}{d}", utterance=i)
                    for i, text in enumerate(lines)
                ),
            )
            for d, lines in enumerate(dialogues)
        )
    return Corpus(labels=(), splits=splits, sources=())


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path)
    save_prepared(found, "small", corpus(TEXTS), {})
    return found


def make(workspace: Workspace, *, history: int = 2, force: bool = False, **options: Any) -> TagStore:
    tagger = instance(Tagger, build_component("tagger", "conceptnet", options))
    return ensure_tags(
        workspace,
        load_prepared(workspace, "small"),
        name="conceptnet",
        tagger=tagger,
        history=history,
        force=force,
    )


def stamps(store: TagStore) -> dict[str, tuple[int, bytes]]:
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(store.folder.iterdir())}


def test_stored_tags_are_those_of_the_dialogue(workspace: Workspace) -> None:
    store = make(workspace)
    tagger = instance(Tagger, build_component("tagger", "conceptnet", {}))
    for split, dialogues in load_prepared(workspace, "small").splits.items():
        for number, dialogue in enumerate(dialogues):
            stored, fresh = store.dialogue(split, number), tag_utterances(dialogue.utterances, tagger, 2)
            for last in range(len(dialogue.utterances)):
                first = max(0, last - 1)
                np.testing.assert_array_equal(stored.matrix(first, last), fresh.matrix(first, last))


def test_counts_leave_out_the_names_of_speakers(workspace: Workspace) -> None:
    train = make(workspace).counts["train"]
    assert (train.dialogues, train.content_words, train.pairs, train.recurrences) == (2, 7, 3, 1)
    assert train.relations == {"IsA": 2, "HasContext": 0, "Causes": 0}


def test_the_total_is_the_sum_of_the_splits(workspace: Workspace) -> None:
    store = make(workspace)
    assert store.total().pairs == sum(c.pairs for c in store.counts.values())
    assert store.total().relations["Causes"] == store.counts["test"].relations["Causes"] > 0


def test_a_second_run_changes_nothing_and_says_so(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    before = stamps(make(workspace))
    capsys.readouterr()
    assert stamps(make(workspace)) == before
    assert "nothing to do" in capsys.readouterr().err


def test_force_makes_the_same_tags_again(workspace: Workspace) -> None:
    before = stamps(make(workspace))
    after = stamps(make(workspace, force=True))
    assert all(after[name][0] > before[name][0] for name in before)
    assert {n: c for n, (_, c) in after.items()} == {n: c for n, (_, c) in before.items()}


def test_another_history_options_or_manifest_has_another_folder(workspace: Workspace) -> None:
    folders = {
        make(workspace).folder,
        make(workspace, history=3).folder,
        make(workspace, relations=["IsA"]).folder,
    }
    save_prepared(workspace, "small", corpus({"train": TEXTS["train"]}), {})
    folders.add(make(workspace).folder)
    assert len(folders) == 4


def test_tags_of_a_longer_history_serve_a_shorter_one(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    longer = make(workspace, history=3)
    capsys.readouterr()
    shorter = make(workspace, history=2)
    assert shorter.folder == longer.folder
    assert "nothing to do" in capsys.readouterr().err
    (talk,) = [d for d in load_prepared(workspace, "small").splits["train"] if d.id == "train0"]
    tagger = instance(Tagger, build_component("tagger", "conceptnet", {}))
    alone = tag_utterances(talk.utterances[1:3], tagger, None)
    np.testing.assert_array_equal(shorter.dialogue("train", 0).importance(1, 2), alone.importance(0, 1))
    assert make(workspace, history=4).folder != longer.folder


def test_a_stopped_run_goes_on_with_the_splits_that_are_missing(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    store = make(workspace)
    before = stamps(store)
    (store.folder / "index.json").unlink()
    (store.folder / "test.safetensors").unlink()
    capsys.readouterr()
    after = stamps(make(workspace))
    assert after["train.safetensors"] == before["train.safetensors"]
    assert after["test.safetensors"][1] == before["test.safetensors"][1]
    assert "train already tagged" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["truncate", "flip", "index", "index_shape"])
def test_a_damaged_folder_is_made_anew(workspace: Workspace, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    store = make(workspace)
    before = {name: content for name, (_, content) in stamps(store).items()}
    target = store.folder / ("index.json" if "index" in damage else "train.safetensors")
    content = bytearray(target.read_bytes())
    if damage == "flip":
        content[-1] ^= 0xFF
    target.write_bytes({"index_shape": b"[]", "flip": bytes(content)}.get(damage, bytes(content[: len(content) // 2])))
    capsys.readouterr()
    after = {name: content for name, (_, content) in stamps(make(workspace)).items()}
    assert after == before
    assert "corrupt" in capsys.readouterr().err


def test_a_file_that_breaks_after_opening_is_an_error_that_names_it(workspace: Workspace) -> None:
    store = make(workspace)
    (store.folder / "test.safetensors").write_bytes(b"no tensors")
    with pytest.raises(DataError, match=r"test\.safetensors.*--force"):
        store.dialogue("test", 0)


def test_a_dialogue_that_is_not_there_is_refused(workspace: Workspace) -> None:
    with pytest.raises(IndexError):
        make(workspace).dialogue("test", 1)
