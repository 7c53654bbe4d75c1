"""Names of recordings as other programs write them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from ecef_cli.api.audio_paths import recording_path, similar_name
from ecef_cli.api.dialogue import parse_row, to_json
from ecef_cli.api.errors import DataError


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_another_normal_form_is_found(tmp_path: Path, form: str, written: str) -> None:
    there = tmp_path / "wav" / unicodedata.normalize(form, "é-clip.wav")  # type: ignore[arg-type]
    there.parent.mkdir()
    there.touch()
    name = unicodedata.normalize(written, "wav\\é-clip.wav")  # type: ignore[arg-type]
    assert recording_path(name, tmp_path, "a:1").samefile(there)


def test_a_missing_recording_keeps_its_name(tmp_path: Path) -> None:
    assert recording_path("é\\1.wav", tmp_path, "a:1") == tmp_path / "é\\1.wav"
    assert recording_path("1.wav", tmp_path, "a:1") == tmp_path / "1.wav"


@pytest.mark.parametrize("name", ["https://example.org/a.wav", "s3://bucket/a.wav", "file:///a.wav"])
def test_an_address_is_told(name: str) -> None:
    row = to_json({"speaker": "A", "text": "x", "audio": name})
    with pytest.raises(DataError, match=r"'audio' is an address, not a file: .*download the recording"):
        parse_row(row, where="a:1", dialogue="d", number=1)


@pytest.mark.parametrize("name", ["/data/local-files/?d=wav/one.wav", "/data/upload/2/one.wav"])
def test_an_address_within_label_studio_is_told(name: str) -> None:
    with pytest.raises(DataError, match="an address within Label Studio"):
        recording_path(name, Path(), "a:1")


def test_a_name_in_another_case_is_similar(tmp_path: Path) -> None:
    (tmp_path / "One.wav").touch()
    assert similar_name(tmp_path / "one.WAV") == "One.wav"
    assert similar_name(tmp_path / "two.wav") is None
    assert similar_name(tmp_path / "none" / "one.wav") is None


def test_numbers_are_speakers() -> None:
    assert parse_row('{"speaker": 0, "text": "x"}', where="a:1", dialogue="d", number=1).speaker == "0"
    with pytest.raises(DataError, match="'speaker' must be a string, not true"):
        parse_row('{"speaker": true, "text": "x"}', where="a:1", dialogue="d", number=1)
