"""Readers of tables: CSV, TSV, Parquet."""

from __future__ import annotations

from pathlib import Path

import pytest
from transcript_examples import EXAMPLES, read, read_text, reader

from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import TranscriptChoice
from ecef_cli.testing import check_transcript
from ecef_cli.transcripts.opening import read_transcript
from ecef_transcripts.tables import Table


def test_a_table_is_read_by_the_names_of_its_columns(tmp_path: Path) -> None:
    assert read_text(tmp_path, "csv", EXAMPLES["csv"][1])[0] == [
        {"dialogue": "d1", "speaker": "Ann", "text": "Well, hello", "agent id": "7"},
        {"dialogue": "d1", "speaker": "Bob", "text": "Go away"},
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_divides_the_header(delimiter: str, tmp_path: Path) -> None:
    content = f"speaker{delimiter}text\nAnn{delimiter}hello\n"
    assert Table.recognises(content.encode(), "nameless")
    assert read_text(tmp_path, "csv", content)[0] == [{"speaker": "Ann", "text": "hello"}]
    assert read_text(tmp_path, "csv", f"sep={delimiter}\n{content}")[0] == [{"speaker": "Ann", "text": "hello"}]


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    content = 'who,said,text,from,until\nAnn,hello,x,"0:01,5",2\n'
    options = {"text": "said", "speaker": "who", "start": "from", "end": "until"}
    assert read_text(tmp_path, "csv", content, **options)[0] == [
        {"text": "hello", "speaker": "Ann", "start": 1.5, "end": 2.0}
    ]


@pytest.mark.parametrize(
    ("content", "options", "problem"),
    [
        ("who,said\nA,b\n", {}, r":1: no column named 'text'; found 'who', 'said' \(pass --option text=COLUMN\)"),
        ("who,said\nA,b\n", {"text": "sayd"}, r":1: no column named 'sayd'; found .*did you mean 'said'\?"),
        ("text,text\nA,b\n", {}, r":1: duplicate column 'text'"),
        ("text,who\nA,b,c\n", {}, r":2: the row has 3 values and the header 2 columns"),
        ("text,start\nA,soon\n", {}, r":2: start must be a number of seconds.*'soon'"),
        ('text,who\nA,b\n"hello,b\nc,d\n', {}, r":3: not a table: unexpected end of data"),
        ("text\nhello\n", {}, r":1: the first line is not a header with several columns"),
    ],
)
def test_a_broken_table_is_an_error_with_its_line(
    content: str, options: dict[str, object], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=rf"calls.csv{problem}"):
        read_text(tmp_path, "csv", content, **options)


def test_a_cell_of_several_lines_counts_its_lines(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"calls.csv:4: "):
        read_text(tmp_path, "csv", 'text,start\n"a\nb",1\nc,soon\n')


def test_parquet_is_read_by_the_names_of_its_columns(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="the extra ecef-cli[parquet] is not installed")
    from pyarrow import parquet

    path = tmp_path / "calls.parquet"
    columns = {"speaker": ["Ann", None], "said": ["hello", "go away"], "start": [0.5, None], "turn": [1, 2]}
    parquet.write_table(pa.table(columns), path)
    check_transcript(reader("parquet", text="said"), path)
    assert read(path, "parquet", text="said")[0] == [
        {"speaker": "Ann", "text": "hello", "start": 0.5, "turn": 1},
        {"text": "go away", "turn": 2},
    ]
    with pytest.raises(DataError, match=r"no column named 'text'; found 'speaker', 'said', 'start', 'turn'"):
        read(path, "parquet")


def test_a_bare_quotation_mark_between_tabs_belongs_to_the_text(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('Speaker\tText\nAnn\t"Well, I never\nBen\t"He is 6\'2"" tall"\n', encoding="utf-8")
    (dialogue,) = read_transcript(path)
    assert [u.text for u in dialogue.utterances] == ['"Well, I never', "He is 6'2\" tall"]
    with pytest.raises(DataError, match=r"a\.tsv:2: not a table"):
        read_transcript(path, TranscriptChoice(options=["quoting=double"]))
