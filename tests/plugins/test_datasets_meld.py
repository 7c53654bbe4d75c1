"""The reader of MELD's official tables."""

from __future__ import annotations

import csv
import unicodedata
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from meld_tables import HEADER, row, write_meld

from ecef_cli.api.errors import DataError
from ecef_cli.corpus.summary import duplicates
from ecef_datasets.meld import FILES, LABELS, Meld
from ecef_datasets.repair import CP1252, MISREAD, QUESTION, mend

if TYPE_CHECKING:
    from ecef_cli.api.components import Corpus


@pytest.fixture(scope="module")
def meld(shared_data: Path) -> Corpus:
    return Meld(Meld.Options()).read([shared_data / "meld"])


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
    assert (first.start, first.end, first.audio) == (None, None, None)


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
    with pytest.raises(DataError, match=r"two files are called train_sent_emo\.csv"):
        read_meld(write_meld(tmp_path / "a"), write_meld(tmp_path / "b"))


def test_a_missing_column_is_named_with_the_one_that_was_meant(tmp_path: Path) -> None:
    header = ["UtteranceID" if name == "Utterance_ID" else name for name in HEADER]
    with pytest.raises(DataError) as caught:
        read_meld(write_meld(tmp_path, header))
    assert caught.value.exit_code == 3
    assert "train_sent_emo.csv:1: no column named 'Utterance_ID'" in str(caught.value)
    assert "'UtteranceID'" in str(caught.value)


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (row("b", 0, 1, Emotion="joi"), "unknown emotion 'joi' (did you mean 'joy'?)"),
        (row("b", 0, 1, Emotion=""), "Emotion is empty"),
        (row("b", "x", 1), "Dialogue_ID must be a whole number, not 'x'"),
        (row("b", 0, "1.0"), "Utterance_ID must be a whole number, not '1.0'"),
        (row("b", 0, "-1"), "Utterance_ID must be a whole number"),
        (row("b", 0, 0), "duplicate utterance 0 of dialogue 0"),
        (row("  ", 0, 1), "Utterance is empty"),
        (row("b", 0, 1, StartTime="16:16"), "StartTime must be a time h:mm:ss,ms, not '16:16'"),
        (row("b\x81", 0, 1), "Utterance contains U+0081"),
        (row("b\x07", 0, 1), "Utterance contains U+0007"),
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


@pytest.mark.parametrize("start", ["", "sep=;\n"])
def test_tables_saved_by_excel_with_semicolons_are_read_and_told(tmp_path: Path, start: str) -> None:
    write_meld(tmp_path, train=[row("Hello; you.")], dev=[row("Yes.")], test=[row("No.")])
    for name in FILES.values():
        with (tmp_path / name).open(newline="", encoding="utf-8") as stream:
            found = list(csv.reader(stream))
        with (tmp_path / name).open("w", newline="", encoding="utf-8-sig") as stream:
            stream.write(start)
            csv.writer(stream, delimiter=";").writerows(found)
    corpus = read_meld(tmp_path)
    assert [d[0].utterances[0].text for d in corpus.splits.values()] == ["Hello; you.", "Yes.", "No."]
    assert corpus.remarks[0] == f"{tmp_path / FILES['train']}: read with ';' as the delimiter"
