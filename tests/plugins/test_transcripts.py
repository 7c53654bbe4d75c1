"""Every built-in reader of transcripts keeps the contract and recognises its own format alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from transcript_examples import EXAMPLES, built_in, compressed, read, reader, write

from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import read_head
from ecef_cli.plugin.manager import get_registry
from ecef_cli.testing import check_transcript
from ecef_cli.transcripts.choice import find, reader_class


def test_every_reader_has_an_example() -> None:
    assert {*EXAMPLES, "parquet"} == set(built_in())


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_reader_keeps_its_contract(name: str, tmp_path: Path) -> None:
    check_transcript(reader(name), write(tmp_path, name))


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_format_is_recognised_by_one_reader_alone(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, name)
    head = read_head(path)
    entries = get_registry().entries("transcript")
    assert [e.name for e in entries if reader_class(e).recognises(head, "nameless")] == [name]
    found = find(head, str(path))
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_compressed_file_gives_the_same_rows(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, name)
    found = find(read_head(compressed(path)), f"{path}.gz")
    assert found is not None
    assert found.name == name
    assert read(compressed(path), name)[0] == read(path, name)[0]


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "eaf"])
def test_windows_line_ends_and_utf_16_make_no_difference(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, name)
    expected = read(path, name)[0]
    text = path.read_text(encoding="utf-8")
    path.write_bytes(text.replace("\n", "\r\n").encode("utf-16"))
    assert reader_class(get_registry().find("transcript", name)).recognises(read_head(path), path.name)
    assert read(path, name)[0] == expected


def test_another_encoding_is_refused_and_read_when_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "talk.txt"
    path.write_bytes("Анна: Здравствуйте! Как жизнь?\nДжим: Уходите отсюда немедленно!\n".encode("cp1251"))
    with pytest.raises(DataError, match=r"talk.txt:1: not UTF-8.*encoding=cp1251"):
        read(path, "text")
    rows, _ = read(path, "text", encoding="cp1251")
    assert rows[1] == {"speaker": "Джим", "text": "Уходите отсюда немедленно!"}
