"""The reader of DailyDialog's text files, on small ones in their form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ecef_cli.api.errors import DataError
from ecef_cli.cli.main import run
from ecef_cli.testing import check_dataset
from ecef_datasets.dailydialog import DIALOGUES, EMOTIONS, FOLDERS, LABELS, DailyDialog, DailyDialogOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecef_cli.api.components import Corpus

Lines = dict[str, "Sequence[tuple[str, str]]"]

SMALL: Lines = {
    "train": [
        ("Hello , Jim . __eou__ Hi ! Coffee ? __eou__ Sure . __eou__", "0 0 4"),
        ("Say , it \u2019 s late . __eou__ Is it ? __eou__", "0 6"),
    ],
    "validation": [("I lost my bag . __eou__ Oh no . __eou__", "5 0")],
    "test": [("Say , it 's late . __eou__ Is it ? __eou__", "0 6"), ("Stop it ! __eou__", "1")],
}


def write(folder: Path, nested: str = "{split}", /, **changed: Sequence[tuple[str, str]]) -> Path:
    for split, dialogues in {**SMALL, **changed}.items():
        place = folder / nested.format(split=split)
        place.mkdir(parents=True, exist_ok=True)
        for kind, column in (("", 0), ("emotion_", 1), ("act_", 1)):
            lines = "".join(dialogue[column] + " \n" for dialogue in dialogues)
            (place / f"dialogues_{kind}{split}.txt").write_text(lines, encoding="utf-8")
    return folder


def reader(**options: object) -> DailyDialog:
    return DailyDialog(DailyDialogOptions.model_validate(options))


def read(*sources: Path, **options: object) -> Corpus:
    return reader(**options).read(sources)


def test_two_speakers_take_turns_and_numbers_are_emotions(tmp_path: Path) -> None:
    corpus = check_dataset(reader(), [write(tmp_path)])
    assert corpus.labels == LABELS
    first = corpus.splits["train"][0]
    assert first.id == "train_1"
    assert [(u.utterance, u.speaker, u.text, u.emotion) for u in first.utterances] == [
        (1, "A", "Hello , Jim .", "no emotion"),
        (2, "B", "Hi ! Coffee ?", "no emotion"),
        (3, "A", "Sure .", "happiness"),
    ]
    assert {split: len(dialogues) for split, dialogues in corpus.splits.items()} == {"train": 2, "dev": 1, "test": 2}
    assert corpus.dropped == ()
    assert first.utterances[0].where == f"{tmp_path / 'train/dialogues_train.txt'}:1"


@pytest.mark.parametrize(
    "nested", ["", "{split}", "{split}/{split}", "ijcnlp_dailydialog/{split}", "ijcnlp_dailydialog/{split}/{split}"]
)
def test_the_files_may_lie_where_an_archive_leaves_them(tmp_path: Path, nested: str) -> None:
    assert read(write(tmp_path / "a", nested)).splits == read(write(tmp_path / "b")).splits


def test_a_release_whose_splits_are_still_packed_is_explained(tmp_path: Path) -> None:
    (tmp_path / "dialogues_text.txt").write_text("Hi . __eou__\n")
    (tmp_path / "train.zip").write_bytes(b"PK")
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: dialogues_train.txt is missing (pass the folder ijcnlp_dailydialog, and unpack train.zip in it)"
    )


@pytest.mark.parametrize(
    ("dialogue", "problem"),
    [
        (("Hi . __eou__ Ho . __eou__", "0"), "{texts}:2: 2 utterances, but 1 emotions at {emotions}:2 (each utterance"),
        (
            ("Hi . __eou__", "0 0"),
            "{texts}:2: 1 utterances, but 2 emotions at {emotions}:2 (each utterance needs one)",
        ),
        (("", "0 0"), "{texts}:2: 0 utterances, but 2 emotions at {emotions}:2"),
        (("Hi . __eou__", ""), "{texts}:2: 1 utterances, but 0 emotions at {emotions}:2"),
        (("Hi . __eou__", "7"), "{emotions}:2: unknown emotion '7' (known: 0 no emotion, 1 anger, 2 disgust, 3 fear"),
        (("Hi . __eou__", "joy"), "{emotions}:2: unknown emotion 'joy'"),
    ],
)
def test_a_dialogue_whose_emotions_do_not_fit_is_left_out(
    tmp_path: Path, dialogue: tuple[str, str], problem: str
) -> None:
    write(tmp_path, train=[SMALL["train"][0], dialogue, SMALL["train"][1]])
    corpus = check_dataset(reader(), [tmp_path])
    [dropped] = corpus.dropped
    uneven = dropped.reason == "a dialogue with more or fewer emotions than utterances"
    assert uneven is ("utterances, but" in problem)
    texts, emotions = (tmp_path / "train" / f"dialogues_{kind}train.txt" for kind in ("", "emotion_"))
    assert (dropped.split, dropped.item) == ("train", "train_2")
    assert str(dropped.error).startswith(problem.format(texts=texts, emotions=emotions))
    assert [d.id for d in corpus.splits["train"]] == ["train_1", "train_3"]


def test_an_empty_utterance_is_left_out_and_turns_go_on(tmp_path: Path) -> None:
    corpus = read(write(tmp_path, train=[("Hi . __eou__ __eou__ Ho . __eou__", "0 0 4")]))
    assert [(u.utterance, u.speaker, u.emotion) for u in corpus.splits["train"][0].utterances] == [
        (1, "A", "no emotion"),
        (3, "A", "happiness"),
    ]
    [dropped] = corpus.dropped
    assert str(dropped.error) == f"{tmp_path / 'train/dialogues_train.txt'}:1: utterance 2 is empty"


def test_files_of_two_releases_are_not_laid_side_by_side(tmp_path: Path) -> None:
    path = write(tmp_path) / "train" / "dialogues_emotion_train.txt"
    path.write_text("0 0 4\n")
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert str(caught.value).startswith(f"{path}: 1 lines, but dialogues_train.txt has 2 (each line has the emotions")


def test_misread_characters_are_mended(tmp_path: Path) -> None:
    path = write(tmp_path) / "train" / "dialogues_train.txt"
    path.write_bytes(path.read_bytes().replace(b"Jim", b"it\x92s\xc2\x85").replace(b"Sure", b"\x07"))
    corpus = read(tmp_path)
    assert corpus.splits["train"][0].utterances[0].text == "Hello , it\u2019s\u2026 ."
    assert corpus.repaired == {"Windows-1252 punctuation": 1}
    assert [d.reason for d in corpus.dropped] == ["utterance 3 contains U+0007, which is not a character"]


def test_dialogues_of_train_may_be_left_out_of_dev_and_test(tmp_path: Path) -> None:
    # Case, spacing and the shape of an apostrophe make no difference, nor do emotions; a word does.
    louder = ("HELLO ,  Jim . __eou__ hi ! coffee ? __eou__ Sure . __eou__", "0 0 0")
    write(
        tmp_path,
        validation=[*SMALL["validation"], louder],
        test=[("Say , it ' s late . __eou__ Is it ? __eou__", "0 0")],
    )
    kept, left = read(tmp_path), check_dataset(reader(duplicates="drop"), [tmp_path])
    assert [[d.id for d in kept.splits[split]] for split in ("dev", "test")] == [["dev_1", "dev_2"], ["test_1"]]
    assert [[d.id for d in left.splits[split]] for split in ("dev", "test")] == [["dev_1"], []]
    assert left.splits["train"] == kept.splits["train"]
    assert [(d.split, d.item, d.reason, d.error) for d in left.dropped] == [
        ("dev", "dev_2", "the same dialogue is in train", None),
        ("test", "test_1", "the same dialogue is in train", None),
    ]
    assert [d.where for d in left.dropped] == [
        f"{tmp_path / 'validation/dialogues_validation.txt'}:2",
        f"{tmp_path / 'test/dialogues_test.txt'}:1",
    ]


def as_published(split: str) -> list[tuple[str, str]]:
    """Return dialogues such that all that is counted of the release is so; in dev, 200 read like one in train each."""
    emotions = [str(label) for label, number in enumerate(EMOTIONS[split]) for _ in range(number)]
    parts = [emotions[n :: DIALOGUES[split]] for n in range(DIALOGUES[split])]
    found = []
    for n, part in enumerate(parts):
        # Train's first dialogues have eight utterances, and so have all of dev's but the first.
        like = "train" if split == "dev" and 100 <= n < 300 else split
        found.append((" ".join([f"Hi {n} of {like} . __eou__"] * len(part)), " ".join(part)))
    return found


def write_published(folder: Path) -> Path:
    return write(folder, **{folder_of: as_published(split) for split, folder_of in FOLDERS.items()})


def test_numbers_are_compared_with_those_of_the_release(tmp_path: Path) -> None:
    assert sum(DIALOGUES.values()) == 13_118
    assert [sum(numbers) for numbers in EMOTIONS.values()] == [87_170, 8_069, 7_740]
    of_all = (85_572, 1_022, 353, 174, 12_885, 1_150, 1_823)
    assert tuple(map(sum, zip(*EMOTIONS.values(), strict=True))) == of_all
    write_published(tmp_path)
    assert reader().published(read(tmp_path)) == ()
    published = {folder: as_published(split) for split, folder in FOLDERS.items()}
    lost = published["train"].pop()[1].split()
    write(tmp_path, **published)
    [remark] = reader().published(read(tmp_path))
    assert remark.startswith("counts differ from the release: dialogues in train 11,117 instead of 11,118, ")
    assert f"no emotion in train {72_143 - lost.count('0'):,} instead of 72,143" in remark
    assert "in dev" not in remark


def test_what_is_left_out_as_a_duplicate_counts_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_published(tmp_path)
    work = tmp_path / "work"
    prepare = ["--workspace", str(work), "prepare"]
    assert run([*prepare, "dailydialog", "--source", str(source), "--option", "duplicates=drop"]) == 0
    said = capsys.readouterr().err
    assert "dropped 200: the same dialogue is in train" in said
    assert "counts differ" not in said
    path = work / "dailydialog" / "dataset.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    assert sum(len(item["emotions"]) for item in facts["dropped"]) > 200
    assert run([*prepare, "--check", "dailydialog"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["status"] == "passed"
    for item in facts["dropped"]:  # a dataset of an earlier version does not say what it left out
        del item["emotions"]
    path.write_text(json.dumps(facts), encoding="utf-8")
    assert run([*prepare, "--check", "dailydialog"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["status"] == "passed"
    path.write_text(json.dumps({**facts, "dropped": facts["dropped"][1:]}), encoding="utf-8")
    assert run([*prepare, "--check", "dailydialog"]) == 0
    assert "dialogues in dev 999 instead of 1,000" in capsys.readouterr().out


def test_prepare_reports_duplicates_and_drops_them_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "release", test=[SMALL["train"][0], *SMALL["test"]])
    prepare = ["--workspace", str(tmp_path / "work"), "prepare", "dailydialog", "--source", str(source)]
    assert run(prepare) == 0
    assert "the same dialogue in several splits: train_1, test_1" in capsys.readouterr().err
    assert run([*prepare, "--name", "clean", "--option", "duplicates=drop"]) == 0
    said = capsys.readouterr()
    assert "dropped 1: the same dialogue is in train (test/dialogues_test.txt:1)" in said.err
    assert "several splits" not in said.err
