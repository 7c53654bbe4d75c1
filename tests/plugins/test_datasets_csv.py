"""The reader of tables whose columns may have any names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ecef_cli.api.dialogue import Utterance
from ecef_cli.api.errors import DataError
from ecef_cli.cli.main import run
from ecef_cli.testing import check_dataset
from ecef_datasets.columns import DELIMITERS, TableDialogues, TableOptions

if TYPE_CHECKING:
    from ecef_cli.api.components import Corpus

CALLS = """call,who,said,feeling,agent id
c1,Ann,"Hello, you.",calm,7
c1,Bob,My parcel is gone!,angry,7
c2,Cy,Good.,calm,9
"""
FEWER, WHOLE = (
    "the row has fewer values than the header has columns; missing:",
    "(write every value, also empty ones)",
)
CLOSE = '(close it; inside a text, write "" for one; or pass --option quoting=none if it belongs to the text)'
QUOTE = "(quote values that contain the delimiter, and give each column a name in the header)"
REMOVE = "(remove it; --option repair=true reads those of Windows-1252 as punctuation)"
TIME = "(use a decimal point, as in 71.4, or a time such as 0:01:11.4)"
MAP = {"dialogue": "call", "speaker": "who", "text": "said", "emotion": "feeling"}


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def reader(**options: object) -> TableDialogues:
    return TableDialogues(TableOptions.model_validate(options))


def read(*sources: Path, **options: object) -> Corpus:
    return reader(**options).read(sources)


def utterances(corpus: Corpus) -> list[Utterance]:
    return [u for dialogues in corpus.splits.values() for d in dialogues for u in d.utterances]


def test_columns_are_taken_by_the_names_that_options_give(tmp_path: Path) -> None:
    corpus = check_dataset(reader(**MAP), [write(tmp_path / "train.csv", CALLS)])
    first, second = corpus.splits["train"]
    assert [(u.speaker, u.text, u.emotion, u.utterance) for u in first.utterances] == [
        ("Ann", "Hello, you.", "calm", 1),
        ("Bob", "My parcel is gone!", "angry", 2),
    ]
    assert (first.id, second.id) == ("c1", "c2")
    assert corpus.labels == ("calm", "angry")
    assert second.utterances[0].row["agent id"] == "9"
    [remark] = corpus.remarks
    assert remark == (
        "columns: text from 'said', speaker from 'who', dialogue from 'call', emotion from 'feeling'; "
        "kept unchanged: agent id"
    )


def test_without_options_columns_are_taken_by_the_keys_of_a_dialogue_file(tmp_path: Path) -> None:
    table = "speaker,text,emotion,utterance,audio,start,end,split\nA,Hi.,joy,u1,wav/1.wav,0.5,1.25,dev\nB,Ho.,,u2,,,,\n"
    [dialogue] = read(write(tmp_path / "evening.csv", table)).splits["dev"]
    first, second = dialogue.utterances
    assert (dialogue.id, first.utterance, first.start, first.end) == ("evening", "u1", 0.5, 1.25)
    assert first.audio == (tmp_path / "wav/1.wav").resolve()
    assert (second.emotion, second.audio, second.start) == (None, None, None)


def test_a_files_name_says_its_split_and_a_folder_gives_csv_and_tsv(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "speaker,text,emotion,dialogue\nA,x,joy,a\n")
    write(tmp_path / "Validation.tsv", "speaker\ttext\temotion\tdialogue\nA,B\tx, y\tjoy\tb\n")
    write(tmp_path / "test.CSV", "speaker,text,emotion,dialogue\nA,x,joy,c\n")
    write(tmp_path / "._train.csv", b"\x00\x05\x16\x07")
    corpus = read(tmp_path)
    assert {split: [d.id for d in ds] for split, ds in corpus.splits.items()} == {
        "train": ["a"],
        "dev": ["b"],
        "test": ["c"],
    }
    assert corpus.splits["dev"][0].utterances[0].speaker == "A,B"


@pytest.mark.parametrize(
    ("word", "character"), [("semicolon", ";"), (";", ";"), ("tab", "\t"), ("bar", "|"), ("^", "^")]
)
def test_the_delimiter_is_what_the_option_says(tmp_path: Path, word: str, character: str) -> None:
    table = "speaker,text,emotion\nA,x,joy\n".replace(",", character)
    assert [u.text for u in utterances(read(write(tmp_path / "t.csv", table), delimiter=word))] == ["x"]


def test_a_column_that_is_missing_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", CALLS)
    with pytest.raises(DataError) as caught:
        read(path, **{**MAP, "text": "sayd"})
    assert str(caught.value) == (
        f"{path}:1: no column named 'sayd'; found 'call', 'who', 'said', 'feeling', 'agent id' "
        "(pass --option text=said)"
    )
    with pytest.raises(DataError, match=r"no column named 'speaker'; found 'call', 'who'"):
        read(path, text="said")
    with pytest.raises(DataError, match="no column named 'end'"):
        read(path, **MAP, end="end")


def test_another_delimiter_shows_in_the_columns_that_are_there(tmp_path: Path) -> None:
    for word, character in DELIMITERS.items():
        path = write(tmp_path / f"t{'.tsv' if word == 'comma' else '.csv'}", f"speaker{character}said{character}x\n")
        for options in ({}, {"text": "said"}, {"dialogue": "x", "text": "said"}):
            with pytest.raises(DataError) as caught:
                read(path, **options)
            assert f"if these are several columns, pass --option delimiter={word})" in str(caught.value)
    with pytest.raises(DataError, match=r"found 'said' \(pass --option text=said"):
        read(write(tmp_path / "t.csv", "said\nx\n"))


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ("B,x,joy,1,2,3", f"the row has more values than the header has columns {QUOTE}"),
        ("B", f"{FEWER} text, emotion, start {WHOLE}"),
        ("B,x,joy", f"{FEWER} start {WHOLE}"),
        ('B,"x,joy,\nB,"y",joy,', f"the row has an unclosed quotation mark {CLOSE}"),
        ('B,"x,joy,\nB,"y, z",joy,', f"the row has an unclosed quotation mark {CLOSE}"),
        ("B,,joy,", "'text' is empty and 'audio' is missing (give one of the two)"),
        (",x,joy,", 'speaker is empty (name the speaker, or write "?")'),
        ("B,x,joi,", "unknown emotion 'joi' (did you mean 'joy'?)"),
        ("B,x,joy,soon", f"start must be a number of seconds, or a time such as 0:01:11.4; found 'soon' {TIME}"),
        ("B,x,joy,1:75", f"start must be a time with minutes and seconds below 60; found '1:75' {TIME}"),
        (
            "B,x\x07,joy,",
            f"text contains U+0007, which is not a character {REMOVE}",
        ),
    ],
)
def test_a_broken_row_is_left_out_with_its_line(tmp_path: Path, bad: str, problem: str) -> None:
    path = write(tmp_path / "train.csv", f'speaker,text,emotion,start\nA,"two\nlines",joy,\n{bad}\nC,z,joy,\n')
    corpus = read(path, labels="joy")
    assert [u.speaker for u in utterances(corpus)] == ["A", "C"]
    [dropped] = corpus.dropped
    assert (dropped.split, dropped.item, dropped.where) == ("train", "line 4", f"{path}:4")
    assert str(dropped.error) == f"{path}:4: {problem}"


def test_an_utterance_that_stands_twice_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "train.csv", "speaker,text,emotion,utterance\nA,x,joy,1\nA,y,joy,1\n")
    [dropped] = read(path).dropped
    assert dropped.reason == f"duplicate utterance '1' of dialogue 'train', first at {path}:2"


def test_a_quotation_mark_left_open_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "train.csv", 'speaker,text,emotion\nA,"' + "x" * 140_000)
    with pytest.raises(DataError, match=r"train\.csv:2: not CSV: .*look for an unclosed quotation mark"):
        read(path)


@pytest.mark.parametrize("more", ["", "\n", "\nB,hi,joy\n"])
def test_a_quotation_mark_that_is_never_closed_is_told_with_its_row(tmp_path: Path, more: str) -> None:
    path = write(tmp_path / "train.csv", f'speaker,text,emotion\nA,"x",joy\nA,"x,joy{more}')
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value) == f"{path}:3: the row has an unclosed quotation mark {CLOSE}"


def test_quotation_marks_within_a_text_are_no_open_ones(tmp_path: Path) -> None:
    table = 'speaker,text,emotion\nA,"say ""hi""",joy\nB,5" of it,joy\nC,"two\n\nlines",joy\nD,x,"joy"'
    corpus = read(write(tmp_path / "train.csv", table))
    assert [u.text for u in utterances(corpus)] == ['say "hi"', '5" of it', "two\n\nlines", "x"]


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
def test_a_table_without_a_header_is_empty(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "train.csv", text)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value) == f"{path}: the file is empty (a table starts with its column names)"


def test_empty_lines_before_the_header_count_for_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "train.csv", "\n\nspeaker,text,emotion\nA,x,joy\n")
    assert [u.where for u in utterances(read(path))] == [f"{path}:4"]
    with pytest.raises(DataError, match=r"train\.csv:3: no column named 'said'"):
        read(path, text="said")


def test_what_is_broken_is_told_where_only_that_may_have_an_emotion(tmp_path: Path) -> None:
    path = write(tmp_path / "train.csv", "speaker,text,emotion\nA,x,joy,1\nB,y,\n")
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:2: the row has more values than the header has columns (")
    assert str(caught.value).endswith("; fix it: no valid row has an 'emotion', and training needs gold labels)")
    with pytest.raises(DataError, match=r"no row has an 'emotion' .training needs gold labels"):
        read(write(tmp_path / "dev.csv", "speaker,text,emotion\nB,y,\n"))


def test_values_that_no_key_is_taken_from_may_be_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "train.csv", "speaker,text,emotion,mine,more\nA,x,joy,1\nB,y,joy,1,2\n")
    corpus = check_dataset(reader(), [path])
    assert [u.row.get("more") for u in utterances(corpus)] == [None, "2"]
    assert corpus.dropped == ()


def test_a_table_without_text_may_have_recordings_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "train.csv", "speaker,file,emotion\nA,1.wav,joy\nB,,joy\n")
    corpus = read(path, audio="file")
    assert [(u.text, u.audio) for u in utterances(corpus)] == [("", (tmp_path / "1.wav").resolve())]
    assert [d.reason for d in corpus.dropped] == ["'text' is empty and 'audio' is missing"]


def test_a_column_is_not_read_twice_nor_two_as_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "speaker,text,emotion\nA,x,joy\n")
    with pytest.raises(DataError, match="column 'text' cannot be both text and dialogue"):
        read(path, dialogue="text")
    with pytest.raises(DataError, match="duplicate column 'text'"):
        read(write(tmp_path / "b.csv", "speaker,text,text,emotion\nA,x,y,joy\n"))


def test_a_column_whose_place_another_took_is_left_out_and_said(tmp_path: Path) -> None:
    path = write(tmp_path / "train.csv", "speaker,text,emotion,clean\nA,umm x,joy,x\n")
    corpus = read(path, text="clean")
    assert [u.text for u in utterances(corpus)] == ["x"]
    assert corpus.remarks[0].endswith("; ignored, because another column replaces them: text")


@pytest.mark.parametrize("options", [{"delimiter": ",,"}, {"delimiter": '"'}, {"text": ""}, {"texts": "a"}, {"dev": 1}])
def test_senseless_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        TableOptions.model_validate(options)


def test_prepare_reads_a_table_and_says_which_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "calls.csv", CALLS.replace(",", ";"))
    options = [part for key, column in MAP.items() for part in ("--option", f"{key}={column}")]
    arguments = ["prepare", "csv", "--source", str(source), "--name", "calls", *options]
    code = run(["--workspace", str(tmp_path / "work"), *arguments, "--option", "delimiter=semicolon"])
    said = capsys.readouterr().err
    assert code == 0, said
    assert "columns: text from 'said', speaker from 'who'" in said
    facts = json.loads((tmp_path / "work" / "calls" / "dataset.json").read_text())
    assert facts["remarks"][0].startswith("columns: text from 'said'")
    assert sum(counts["utterances"] for counts in facts["counts"].values()) == 3
