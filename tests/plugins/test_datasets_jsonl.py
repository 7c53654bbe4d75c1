"""The reader of anyone's own dialogue files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ecef_cli.api.errors import DataError
from ecef_datasets.jsonl import JsonLines, JsonLinesOptions

if TYPE_CHECKING:
    from ecef_cli.api.components import Corpus


def write(path: Path, *rows: Mapping[str, object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"speaker": "A", "text": "x", **r}) + "\n" for r in rows), encoding="utf-8")
    return path


def read(*sources: Path, **options: object) -> Corpus:
    return JsonLines(JsonLinesOptions.model_validate(options)).read(sources)


def ids(corpus: Corpus) -> dict[str, list[str]]:
    return {split: [d.id for d in dialogues] for split, dialogues in corpus.splits.items()}


def test_a_files_name_says_its_split(tmp_path: Path) -> None:
    for name in ("train", "Validation", "test"):
        write(tmp_path / f"{name}.jsonl", {"dialogue": f"in {name}", "emotion": "joy"})
    found = {"train": ["in train"], "dev": ["in Validation"], "test": ["in test"]}
    assert ids(read(tmp_path)) == found


def test_a_row_says_its_split_and_the_rest_of_the_dialogue_follows(tmp_path: Path) -> None:
    rows = [{"dialogue": d, "emotion": "joy"} for d in "abc" for _ in range(2)]
    for position, split in ((1, "test"), (2, "valid"), (4, "train")):
        rows[position]["split"] = split
    assert ids(read(write(tmp_path / "all.jsonl", *rows))) == {"train": ["c"], "dev": ["b"], "test": ["a"]}


def test_chance_gives_each_split_its_share_and_more_files_change_nothing(tmp_path: Path) -> None:
    rows = [{"dialogue": f"d{i}", "emotion": "joy"} for i in range(1000)]
    first = ids(read(write(tmp_path / "a.jsonl", *rows), dev=0.2, test=0.1))
    assert 160 < len(first["dev"]) < 240
    assert 70 < len(first["test"]) < 130
    write(tmp_path / "0.jsonl", *({"dialogue": f"e{i}"} for i in range(50)))
    second = ids(read(tmp_path, dev=0.2, test=0.1))
    assert all(set(first[split]) <= set(second[split]) for split in first)
    assert ids(read(tmp_path / "a.jsonl", dev=0.2, test=0.1, seed=1)) != first


def test_a_dialogue_in_two_splits_is_an_error_that_names_both_places(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", {"dialogue": "d", "utterance": 1, "emotion": "joy"})
    write(tmp_path / "test.jsonl", {"dialogue": "d", "utterance": 2, "emotion": "joy"})
    with pytest.raises(DataError) as caught:
        read(tmp_path / "train.jsonl", tmp_path / "test.jsonl")
    assert "test.jsonl:1: dialogue 'd' is in test here, but in train at" in str(caught.value)
    assert "train.jsonl:1" in caught.value.problem


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ({"emotion": "joi"}, "unknown emotion 'joi' (did you mean 'joy'?)"),
        ({"emotion": " "}, "'emotion' is empty"),
        ({"split": "trian"}, "unknown split 'trian' (did you mean 'train'?)"),
        ({"split": 3}, "unknown split 3"),
        ({"split": "test"}, "the row says 'test', but its file is train.jsonl"),
        (
            {"dialogue": "train", "utterance": "1"},
            "duplicate utterance '1' of dialogue 'train', first at",
        ),
        ({"text": None}, "'text' is null"),
        ({"start": 3, "end": 2}, "'end' (2 s) is not after 'start' (3 s)"),
    ],
)
def test_a_broken_row_is_left_out_with_its_line(tmp_path: Path, bad: dict[str, object], problem: str) -> None:
    path = write(tmp_path / "train.jsonl", {"emotion": "joy"}, bad, {"emotion": "fear"})
    corpus = read(path, labels=["joy", "fear"])
    assert [u.emotion for d in corpus.splits["train"] for u in d.utterances] == ["joy", "fear"]
    [dropped] = corpus.dropped
    assert (dropped.split, dropped.item, dropped.where) == ("train", "line 2", f"{path}:2")
    assert problem in str(dropped.error)


def test_labels_come_by_frequency_in_train_unless_they_are_named(tmp_path: Path) -> None:
    emotions = ["sad", "joy", "joy", "calm", "sad", "odd"]
    write(tmp_path / "train.jsonl", *({"emotion": e} for e in emotions))
    write(tmp_path / "test.jsonl", *({"emotion": "new"} for _ in range(9)))
    assert read(tmp_path).labels == ("joy", "sad", "calm", "odd", "new")
    assert read(tmp_path, labels="odd, new,sad,joy,calm,never").labels == (
        "odd",
        "new",
        "sad",
        "joy",
        "calm",
        "never",
    )


def test_a_row_without_a_label_stays_as_context(tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", {"emotion": "joy"}, {"emotion": None}, {})
    assert [u.emotion for u in read(path).splits["train"][0].utterances] == ["joy", None, None]
    corpus = read(write(tmp_path / "calls.jsonl", {}))
    assert (corpus.labels, list(ids(corpus)["test"])) == ((), ["calls"])


def test_a_recording_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "calls" / "train.jsonl", {"emotion": "joy", "audio": "wav/1.wav"})
    monkeypatch.chdir(tmp_path)
    [dialogue] = read(Path("calls")).splits["train"]
    assert dialogue.utterances[0].audio == (tmp_path / "calls/wav/1.wav").resolve()


def test_a_folder_gives_its_own_files_alone_each_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"emotion": "joy"})
    write(tmp_path / "work" / "b.jsonl", {"emotion": "joy"})
    (tmp_path / "notes.txt").write_text("no dialogue")
    assert read(tmp_path, path).sources == (path,)
    with pytest.raises(DataError, match=r"no dialogue file in the folder \(.*subfolders are not searched"):
        read(write(tmp_path / "up" / "down" / "c.jsonl").parents[1])


@pytest.mark.parametrize(
    "options",
    [
        {"labels": ["a", "a"]},
        {"labels": []},
        {"dev": 1.0},
        {"dev": 0.5, "test": 0.5},
        {"labels": [""]},
        {"x": 1},
    ],
)
def test_senseless_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        JsonLinesOptions.model_validate(options)
