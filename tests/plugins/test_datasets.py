"""The readers of MELD and of anyone's own dialogue files."""

from __future__ import annotations

import csv
import json
import unicodedata
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ecef_cli.errors import DataError
from ecef_cli.findings import duplicates
from ecef_datasets.jsonl import JsonLines, JsonLinesOptions
from ecef_datasets.meld import FILES, LABELS, Meld
from ecef_datasets.repair import CP1252, MISREAD, QUESTION, mend

if TYPE_CHECKING:
    from ecef_cli.components import Corpus

HEADER = [
    "Sr No.",
    "Utterance",
    "Speaker",
    "Emotion",
    "Sentiment",
    "Dialogue_ID",
    "Utterance_ID",
    "Season",
    "Episode",
    "StartTime",
    "EndTime",
]


# -------------------------------------------------------------------------------------------------- MELD


@pytest.fixture(scope="module")
def meld(shared_data: Path) -> Corpus:
    return Meld(Meld.Options()).read([shared_data / "meld"])


def row(text: str = "Hello.", dialogue: object = 0, utterance: object = 0, **changed: str) -> dict[str, str]:
    return {
        "Sr No.": "1",
        "Utterance": text,
        "Speaker": "Ana",
        "Emotion": "neutral",
        "Sentiment": "neutral",
        "Dialogue_ID": str(dialogue),
        "Utterance_ID": str(utterance),
        "Season": "8",
        "Episode": "21",
        "StartTime": "00:16:16,059",
        "EndTime": "0:16:21,731",
        **changed,
    }


def write_meld(folder: Path, header: list[str] = HEADER, **splits: list[dict[str, str]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, name in FILES.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, header, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(splits.get(split) or [row()])
    return folder


def read_meld(*sources: Path) -> Corpus:
    return Meld(Meld.Options()).read(sources)


def test_meld_has_the_published_numbers(meld: Corpus) -> None:
    sizes = {s: (len(d), sum(len(x.utterances) for x in d)) for s, d in meld.splits.items()}
    assert sizes == {"train": (1038, 9989), "dev": (114, 1109), "test": (280, 2610)}
    emotions = {s: Counter(u.emotion for x in d for u in x.utterances) for s, d in meld.splits.items()}
    assert [emotions["train"][label] for label in LABELS] == [4710, 1205, 268, 683, 1743, 271, 1109]
    assert [emotions["dev"][label] for label in LABELS] == [470, 150, 40, 111, 163, 22, 153]
    assert [emotions["test"][label] for label in LABELS] == [1256, 281, 50, 208, 402, 68, 345]
    assert meld.labels == LABELS == ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
    assert meld.dropped == ()


def test_meld_keeps_the_published_ids_with_their_gaps(meld: Corpus) -> None:
    gaps = {
        s: sum([u.utterance for u in x.utterances] != list(range(len(x.utterances))) for x in d)
        for s, d in meld.splits.items()
    }
    assert gaps == {"train": 72, "dev": 2, "test": 2}
    assert all(
        [u.utterance for u in x.utterances] == sorted(u.utterance for u in x.utterances)
        for d in meld.splits.values()
        for x in d
    )
    ids = [x.id for d in meld.splits.values() for x in d]
    assert len(set(ids)) == 1038 + 114 + 280
    assert "train_dia60" not in ids


def test_meld_has_dialogues_of_one_utterance(meld: Corpus) -> None:
    singles = {s: sum(len(x.utterances) == 1 for x in d) for s, d in meld.splits.items()}
    assert singles == {"train": 70, "dev": 6, "test": 12}


def test_meld_has_one_test_dialogue_that_is_in_train_too_and_one_that_is_in_dev(meld: Corpus) -> None:
    assert duplicates(meld) == [
        {"train": ["train_dia19"], "test": ["test_dia63"]},
        {"dev": ["dev_dia55"], "test": ["test_dia148"]},
    ]


def test_no_control_character_is_left_in_meld(meld: Corpus) -> None:
    texts = [part for d in meld.splits.values() for x in d for u in x.utterances for part in (u.text, u.speaker)]
    assert not [text for text in texts if any(unicodedata.category(c) in {"Cc", "Cs"} for c in text)]


def test_apostrophes_that_became_question_marks_are_mended_in_meld(meld: Corpus) -> None:
    texts = {(x.id, u.utterance): u.text for x in meld.splits["train"] for u in x.utterances}
    assert texts["train_dia160", 5] == "I\u2019ve got some bad news."
    assert texts["train_dia980", 2] == "How\u2019s it going."
    assert meld.repaired[QUESTION] == 12


def test_the_time_and_place_of_an_utterance_are_kept(meld: Corpus) -> None:
    first = meld.splits["train"][0].utterances[0]
    assert first.row == {
        "sentiment": "neutral",
        "season": 8,
        "episode": 21,
        "episode_start": 976.059,
        "episode_end": 981.731,
    }
    assert first.start is first.end is first.audio is None


def test_utterances_whose_clip_is_faulty_are_kept_and_marked(meld: Corpus) -> None:
    faults = {
        (x.id, u.utterance): u.row["clip_fault"]
        for d in meld.splits.values()
        for x in d
        for u in x.utterances
        if "clip_fault" in u.row
    }
    assert faults == {
        ("train_dia125", 3): "the published clip is corrupt",
        ("dev_dia110", 7): "the clip was not published",
        ("test_dia155", 3): "its duration is not positive",
    }


def test_rows_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    shuffled = [row("d", 2, 10), row("b", 0, 9), row("c", 2, 9), row("a", 0, 1)]
    corpus = read_meld(write_meld(tmp_path, train=shuffled))
    assert [(x.id, [u.text for u in x.utterances]) for x in corpus.splits["train"]] == [
        ("train_dia0", ["a", "b"]),
        ("train_dia2", ["c", "d"]),
    ]


def test_the_files_may_lie_in_a_folder_in_the_repository_or_anywhere(tmp_path: Path) -> None:
    write_meld(tmp_path / "repo" / "data" / "MELD")
    flat = write_meld(tmp_path / "flat")
    assert read_meld(tmp_path / "repo").splits == read_meld(flat).splits
    apart = [flat / name for name in FILES.values()]
    assert read_meld(*apart).splits == read_meld(flat).splits
    assert read_meld(*apart).sources == tuple(apart)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (write_meld(tmp_path) / "dev_sent_emo.csv").unlink()
    with pytest.raises(DataError, match=r"dev_sent_emo\.csv is missing"):
        read_meld(tmp_path)
    with pytest.raises(DataError, match="no such file or folder"):
        read_meld(tmp_path / "nowhere")


def test_a_file_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train_sent_emo\.csv is there twice"):
        read_meld(write_meld(tmp_path / "a"), write_meld(tmp_path / "b"))


def test_a_missing_column_is_named_with_the_one_that_was_meant(tmp_path: Path) -> None:
    header = ["UtteranceID" if name == "Utterance_ID" else name for name in HEADER]
    with pytest.raises(DataError) as caught:
        read_meld(write_meld(tmp_path, header))
    assert caught.value.exit_code == 3
    assert "train_sent_emo.csv:1: the column 'Utterance_ID' is missing" in str(caught.value)
    assert "'UtteranceID'" in str(caught.value)


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (row("b", 0, 1, Emotion="joi"), "unknown emotion 'joi' (did you mean 'joy'?)"),
        (row("b", 0, 1, Emotion=""), "Emotion is empty"),
        (row("b", "x", 1), "Dialogue_ID must be a whole number, not 'x'"),
        (row("b", 0, "1.0"), "Utterance_ID must be a whole number, not '1.0'"),
        (row("b", 0, "-1"), "Utterance_ID must be a whole number"),
        (row("b", 0, 0), "dialogue 0, utterance 0 stands here again"),
        (row("  ", 0, 1), "Utterance is empty"),
        (row("b", 0, 1, StartTime="16:16"), "StartTime must read h:mm:ss,ms, not '16:16'"),
        (row("b\x81", 0, 1), "Utterance holds U+0081"),
        (row("b\x07", 0, 1), "Utterance holds U+0007"),
    ],
)
def test_a_broken_row_of_meld_is_left_out_with_its_line(tmp_path: Path, broken: dict[str, str], problem: str) -> None:
    rows = [row("a\nstill a", 0, 0), broken, row("c", 0, 2)]
    corpus = read_meld(write_meld(tmp_path, test=rows))
    [dialogue] = corpus.splits["test"]
    assert [u.utterance for u in dialogue.utterances] == [0, 2]
    [dropped] = corpus.dropped
    assert problem in str(dropped.error)
    # The first row takes two lines, the header one.
    assert dropped.where.endswith("test_sent_emo.csv:4")


def test_a_row_with_too_few_or_too_many_values_is_broken(tmp_path: Path) -> None:
    path = write_meld(tmp_path) / "train_sent_emo.csv"
    with path.open("a", encoding="utf-8") as stream:
        stream.write('2,"Hi, there",Ana\n3,Hi,there,Ana,neutral,neutral,0,2,8,21,"0:00:01,0","0:00:02,0"\n')
    assert [d.reason for d in read_meld(tmp_path).dropped] == [
        "Emotion is empty",
        "the row has more values than the header has columns",
    ]


@pytest.mark.parametrize(
    ("raw", "text", "repair"),
    [
        (b"I\x92ve \x85 \x93a\x94 \x97", "I\u2019ve \u2026 \u201ca\u201d \u2014", CP1252),
        ("I\x92ve \x85".encode(), "I\u2019ve \u2026", CP1252),
        ("I\u2019ve".encode().decode("cp1252").encode(), "I\u2019ve", MISREAD),
        ("caf\u00e9".encode().decode("latin-1").encode(), "caf\u00e9", MISREAD),
        (b"I?ve", "I\u2019ve", QUESTION),
    ],
)
def test_misread_characters_are_mended_and_counted(tmp_path: Path, raw: bytes, text: str, repair: str) -> None:
    path = write_meld(tmp_path, dev=[row("HERE")]) / "dev_sent_emo.csv"
    path.write_bytes(path.read_bytes().replace(b"HERE", raw))
    corpus = read_meld(tmp_path)
    assert corpus.splits["dev"][0].utterances[0].text == text
    assert corpus.repaired == {repair: 1}
    assert corpus.dropped == ()


@pytest.mark.parametrize(
    "text",
    [
        "caf\u00e9 na\u00efve",
        "\u201cWhy?\u201d\u2026",
        "So?So what?",
        "What? s",
        "\u00c3x",
        "Zo\u00eb\u2019s \u20ac5",
    ],
)
def test_sound_text_is_left_alone(text: str) -> None:
    assert mend(text) == (text, Counter())


# ------------------------------------------------------------------------------------------------- JSON Lines


def write(path: Path, *rows: dict[str, object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"speaker": "A", "text": "x"} | r) + "\n" for r in rows), encoding="utf-8")
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
    assert "test.jsonl:1: the dialogue 'd' is in test here and in train at" in str(caught.value)
    assert "train.jsonl:1" in caught.value.problem


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ({"emotion": "joi"}, "unknown emotion 'joi' (did you mean 'joy'?)"),
        ({"emotion": " "}, "'emotion' is empty"),
        ({"split": "trian"}, "unknown split 'trian' (did you mean 'train'?)"),
        ({"split": 3}, "unknown split 3"),
        ({"split": "test"}, "the row says 'test' and its file is train.jsonl"),
        (
            {"dialogue": "train", "utterance": "1"},
            "dialogue 'train', utterance '1' stands here again, first at",
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
    with pytest.raises(DataError, match="no row has an 'emotion'"):
        read(write(tmp_path / "test.jsonl", {}))


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
    with pytest.raises(DataError, match=r"holds no dialogue file \(.*subfolders are not searched"):
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
