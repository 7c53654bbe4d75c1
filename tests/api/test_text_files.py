"""Text files in the encodings that people save."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ecef_cli.api.errors import DataError
from ecef_cli.api.text_files import decode_text, known_encoding, likely_encodings, open_bytes, plain_name, read_text

RUSSIAN = "speaker,text\nA,Где мой автобус\nB,Почему так долго\n"
POLISH = "speaker,text\nA,Gdzie jest mój autobus\nB,Źle się czuję\n"
JAPANESE = "speaker,text\nA,私のバスはどこですか\nB,どうしてこんなに遅いの\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_utf_8_and_files_with_a_byte_order_mark_are_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(RUSSIAN.encode(encoding))
    assert read_text(path) == RUSSIAN
    path.write_bytes(gzip.compress(RUSSIAN.encode(encoding)))
    assert read_text(path) == RUSSIAN


@pytest.mark.parametrize(
    ("text", "encoding", "named"),
    [
        (RUSSIAN, "cp1251", "cp1251 (Где мой автобус)"),
        (RUSSIAN, "koi8-r", "koi8_r (Где мой автобус)"),
        (RUSSIAN, "iso8859-5", "iso8859_5 (Где мой автобус)"),
        (POLISH, "cp1250", "cp1250 (mój Źle się)"),
        (POLISH, "iso8859-2", "iso8859_2 (mój Źle się)"),
        (JAPANESE, "shift_jis", "shift_jis (私のバスはどこですか どうしてこんなに遅いの)"),
        ("speaker,text\nA,我的公共汽车在哪里\nB,为什么这么久\n", "gbk", "gb18030 (我的公共汽车在哪里 为什么这么久)"),
        ("speaker,text\nA,Où est-il passé? Ça va.\n", "mac-roman", "mac_roman (Où passé? Ça)"),
        ("speaker,text\nA,I\u2019m here, don\u2019t go\n", "cp1252", "cp1252 (I\u2019m don\u2019t)"),
    ],
)
def test_another_encoding_is_refused_and_the_likely_one_is_named_first(text: str, encoding: str, named: str) -> None:
    raw = text.encode(encoding)
    with pytest.raises(DataError) as caught:
        decode_text(raw, "a.csv")
    assert caught.value.where == "a.csv:2"
    assert f"; it may be {named}" in caught.value.problem
    name = named.partition(" ")[0]
    assert (caught.value.hint or "").startswith(f"pass --option encoding={name}")
    assert decode_text(raw, "a.csv", name) == text


@pytest.mark.parametrize("text", [RUSSIAN, JAPANESE, "speaker,text\nA,hello\n"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_refused_with_its_name(text: str, encoding: str) -> None:
    with pytest.raises(DataError, match=f"probably UTF-16 .*pass --encoding {encoding}, or") as caught:
        decode_text(text.encode(encoding), "a.csv", option="--encoding NAME")
    assert caught.value.where == "a.csv:1"


def test_a_single_bad_byte_among_utf_8_suggests_no_other_encoding() -> None:
    with pytest.raises(DataError, match="replace this byte: the rest of the file is UTF-8") as caught:
        decode_text("Zoë ist größer\nüber ".encode() + b"\x92", "a.csv")
    assert caught.value.where == "a.csv:2"


def test_a_stated_encoding_does_not_turn_utf_8_into_nonsense() -> None:
    with pytest.raises(DataError, match="the file is UTF-8, not cp1251"):
        decode_text(RUSSIAN.encode(), "a.csv", "cp1251")
    assert decode_text(RUSSIAN.encode("utf-8-sig"), "a.csv", "cp1251") == RUSSIAN
    with pytest.raises(DataError, match=r"a\.csv:1: not cp1252: .*choose another --option encoding"):
        decode_text(b"\x81", "a.csv", "cp1252")


def test_a_cut_off_utf_16_file_is_told() -> None:
    with pytest.raises(DataError, match=r"not utf-16: truncated data .the file is cut off or damaged"):
        decode_text(RUSSIAN.encode("utf-16")[:-1], "a.csv")


@pytest.mark.parametrize(("raw", "kind"), [(b"PK\x03\x04...", "an Excel workbook"), (b"PAR1...", "a Parquet file")])
def test_files_that_are_not_text_are_named(raw: bytes, kind: str) -> None:
    with pytest.raises(DataError, match=f"not text, but .*{kind}"):
        decode_text(raw, "a.csv")


def test_a_damaged_gzip_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(RUSSIAN.encode() * 100)[:-12])
    with pytest.raises(DataError, match="damaged gzip file"):
        read_text(path)
    with pytest.raises(DataError, match="damaged gzip file"), open_bytes(path) as stream:
        list(stream)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_text(tmp_path / "none.csv")


def test_names_are_plain_without_gz() -> None:
    assert plain_name(Path("x/calls.csv.GZ")) == Path("x/calls.csv")
    assert plain_name(Path("x/calls.csv")) == Path("x/calls.csv")


def test_unknown_encodings_are_refused() -> None:
    assert known_encoding("windows-1251") == "windows-1251"
    for name in ("cp125x", "base64", "a\0b"):
        with pytest.raises(ValueError, match="unknown encoding"):
            known_encoding(name)


def test_ascii_suggests_nothing() -> None:
    assert likely_encodings(b"speaker,text") == {}
