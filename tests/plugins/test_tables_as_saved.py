"""Tables as spreadsheets, data frames and databases save them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from own_tables import HEADER, ROWS, lines, read, texts, utterances, write

from ecef_cli.api.errors import DataError
from ecef_cli.testing import check_dataset
from ecef_datasets.columns import TableDialogues, TableOptions

TEXTS = ["Hello you.", "My parcel is gone!", "I see."]


@pytest.mark.parametrize(
    "table",
    [
        "," + HEADER + "".join(f"\n{n},{row}" for n, row in enumerate(ROWS)),
        "Unnamed: 0," + HEADER + "".join(f"\n{n},{row}" for n, row in enumerate(ROWS)),
        lines().replace("\n", ",\n"),
        lines().replace("emotion\n", "emotion,\n"),
        lines().replace("\n", ",,\n").replace("emotion,,\n", "emotion\n"),
        "sep=,\n" + lines(),
        "\ufeffsep=;\r\n" + lines().replace(",", ";").replace("\n", "\r\n"),
        '"sep=;"\n' + lines().replace(",", ";"),
        lines().replace("\n", "\r"),
        lines().replace("\n", "\r\n", 2),
        lines(header="Dialogue, SPEAKER ,Text,Emotion"),
        "\n" + lines(),
    ],
    ids=[
        "index",
        "named index",
        "commas",
        "header",
        "rows",
        "sep",
        "sep ;",
        "sep quoted",
        "mac",
        "mixed",
        "case",
        "empty",
    ],
)
@pytest.mark.parametrize("pack", [lambda raw: raw, gzip.compress], ids=["plain", "gz"])
def test_the_rows_are_read_however_the_table_was_saved(
    tmp_path: Path, table: str, pack: Callable[[bytes], bytes]
) -> None:
    path = write(tmp_path / "calls.csv.gz", pack(table.encode()))
    reader = TableDialogues(TableOptions(dev=0, test=0))
    corpus = check_dataset(reader, [path])
    assert texts(corpus) == TEXTS
    assert [(u.dialogue, u.emotion) for u in utterances(corpus)] == [("d0", "joy"), ("d0", "anger"), ("d1", "neutral")]
    assert corpus.dropped == ()


def test_a_stated_separator_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "sep=;\n" + lines().replace(",", ";"))
    assert f"{path}: read with ';' as the delimiter" in read(path).remarks
    assert [u.where for u in utterances(read(path, delimiter="semicolon"))] == [f"{path}:{n}" for n in (3, 4, 5)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_encodings_with_a_mark_are_read(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "x.csv", lines("d,Zoë,Où est-il?,joy").encode(encoding))
    assert [(u.speaker, u.text) for u in utterances(read(path))] == [("Zoë", "Où est-il?")]


@pytest.mark.parametrize(
    ("encoding", "text"), [("cp1251", "Где мой автобус"), ("cp1250", "źle się czuję"), ("gbk", "我的车在哪里")]
)
def test_another_encoding_is_refused_with_the_option_that_reads_it(tmp_path: Path, encoding: str, text: str) -> None:
    path = write(tmp_path / "x.csv", lines(f"d,A,{text},joy", f"d,B,{text},joy").encode(encoding))
    with pytest.raises(DataError) as caught:
        read(path)
    assert caught.value.where == f"{path}:2"
    hint = caught.value.hint or ""
    named = hint.removeprefix("pass --option encoding=").partition(",")[0]
    assert texts(read(path, encoding=named)) == [text, text]
    assert read(path, encoding=named).repaired == {}


def test_unknown_encodings_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown encoding 'cp12521'; did you mean 'cp1252'"):
        TableOptions.model_validate({"encoding": "cp12521"})


def test_text_that_looks_misread_is_told_and_repaired_only_on_request(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", lines("d,A,donâ€™t,joy", "d,B,„Viel Spaß“,joy", "d,A,I?ve,joy"))
    corpus = read(path)
    assert texts(corpus) == ["donâ€™t", "„Viel Spaß“", "I?ve"]
    assert corpus.repaired == {}
    assert (
        f"1 row: the text looks like UTF-8 read as Windows-1252; --option repair=true mends it ({path}:2)"
        in corpus.remarks
    )
    assert texts(read(path, repair=True))[0] == "don\u2019t"


def test_bare_quotation_marks_in_a_tsv_swallow_no_rows(tmp_path: Path) -> None:
    rows = (
        'd1,A,"I never said that,anger',
        "d1,A,not once,anger",
        'd1,A,not even to you",anger',
        'd1,B,"say ""hi""",joy',
    )
    path = write(tmp_path / "x.tsv", lines(*rows).replace(",", "\t"))
    assert texts(read(path)) == ['"I never said that', "not once", 'not even to you"', 'say "hi"']
    assert texts(read(path, quoting="none"))[3] == '"say ""hi"""'


def test_a_tsv_with_values_of_several_lines_is_read_with_quotation_marks(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tsv", lines('d,A,"two\nlines",joy', "d,B,x,joy").replace(",", "\t"))
    corpus = read(path)
    assert texts(corpus) == ["two\nlines", "x"]
    assert (
        f"1 row: a value encloses a line break; --option quoting=none reads each line as a row ({path}:2)"
        in corpus.remarks
    )


def test_a_quotation_mark_that_swallows_rows_of_a_csv_is_refused(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.csv", lines('d,A,"I never said,anger', "d,A,not once,anger", 'd,A,not to you",anger', "d,B,x,joy")
    )
    corpus = read(path)
    assert [d.where for d in corpus.dropped] == [f"{path}:2"]
    assert "encloses 3 lines that look like rows of their own (pass --option quoting=none" in str(
        corpus.dropped[0].error
    )
    assert texts(read(path, quoting="none"))[:2] == ['"I never said', "not once"]
    assert texts(read(path, quoting="double"))[0].count("\n") == 2


def test_prose_with_commas_and_line_breaks_is_one_value(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", lines('d,A,"Hello, you.\nHow are you, dear?",joy'))
    assert texts(read(path)) == ["Hello, you.\nHow are you, dear?"]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (r'"She said \"no\" to me"', 'She said "no" to me'),
        (r'"\"Really\""', '"Really"'),
        (r'"a \"joke\", or C:\new \\ x"', r'a "joke", or C:\new \ x'),
        (r"she said \"no\"", 'she said "no"'),
    ],
)
def test_quotation_marks_after_backslashes_are_told_and_read_on_request(tmp_path: Path, cell: str, text: str) -> None:
    path = write(tmp_path / "x.csv", lines(f"d,A,{cell},joy", "d,B,x,joy"))
    [dropped] = read(path).dropped
    assert dropped.reason == "the row has a quotation mark after a backslash"
    assert "pass --option quoting=backslash" in str(dropped.error)
    assert texts(read(path, quoting="backslash")) == [text, "x"]


def test_text_beside_a_quoted_value_is_refused_and_not_joined(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", lines('d,A,"Really" she said,joy', "d,B,x,joy"))
    assert [d.reason for d in read(path).dropped] == ["the row has an unclosed quotation mark"]
    assert texts(read(path, quoting="none")) == ['"Really" she said', "x"]


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [("00:01:11,400", "00:01:13,000", (71.4, 73)), ("71,4", "73,05", (71.4, 73.05)), ("1:11.4", "1:13", (71.4, 73))],
)
def test_times_may_be_clock_times_or_have_a_decimal_comma(
    tmp_path: Path, start: str, end: str, seconds: tuple[float, float]
) -> None:
    header = f"{HEADER},audio,start,end".replace(",", ";")
    path = write(tmp_path / "x.csv", f"{header}\nd;A;x;joy;a.wav;{start};{end}\n")
    [found] = utterances(read(path, delimiter=";"))
    assert (found.start, found.end) == pytest.approx(seconds)


def test_a_comma_that_may_separate_thousands_asks_for_an_option(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", f'{HEADER},start\nd,A,x,joy,"1,234"\nd,B,y,joy,nan\n')
    corpus = read(path)
    assert "pass --option decimal=comma, or decimal=point" in str(corpus.dropped[0].error)
    assert [u.start for u in utterances(read(path, decimal="comma"))] == [1.234, None]
    assert [u.start for u in utterances(read(path, decimal="point"))] == [1234, None]


def test_a_column_called_utterance_may_hold_the_text(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.csv", "conv_id,utterance_idx,context,speaker_idx,utterance\nc,1,joy,0,Well then\nc,2,joy,1,Yes\n"
    )
    columns = {"dialogue": "conv_id", "speaker": "speaker_idx", "emotion": "context"}
    with pytest.raises(DataError, match=r"no column named 'text'.*\(pass --option text=utterance\)"):
        read(path, **columns)
    found = utterances(read(path, text="utterance", **columns))
    assert [(u.text, u.speaker, u.utterance) for u in found] == [("Well then", "0", 1), ("Yes", "1", 2)]


def test_sentences_are_not_taken_for_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "speaker,utterance,emotion,audio\nA,I am not sure,joy,a.wav\n")
    [dropped] = read(path, labels="joy").dropped
    assert str(dropped.error) == f"{path}:2: utterance holds a sentence, not an id (pass --option text=utterance)"


def test_an_excel_workbook_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not text, but a ZIP archive or an Excel workbook"):
        read(write(tmp_path / "x.csv", b"PK\x03\x04\x14\x00"))
