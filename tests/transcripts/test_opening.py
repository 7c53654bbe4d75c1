"""Transcripts are found by extension and content, and become utterances."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transcript_examples import EXAMPLES, write

from ecef_cli.api.dialogue import Utterance
from ecef_cli.api.errors import DataError, EcefError, PluginError, RecipeError, UsageProblem
from ecef_cli.api.transcripts import TranscriptChoice, TranscriptRow, TranscriptSource
from ecef_cli.transcripts.opening import open_transcript, read_transcript
from ecef_cli.transcripts.rows import utterances_of
from ecef_cli.transcripts.sound import Sound


def opened(path: Path, **choice: Any) -> list[Utterance]:
    with open_transcript(path, TranscriptChoice(**choice)) as utterances:
        found = list(utterances)
    for item in found:
        if isinstance(item, DataError):
            raise item
    return [item for item in found if isinstance(item, Utterance)]


def saved(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "rttm"])
def test_every_format_becomes_utterances(name: str, tmp_path: Path) -> None:
    found = opened(write(tmp_path, name))
    assert len(found) >= 2
    assert all(item.text and item.speaker and item.where for item in found)


def test_a_transcript_without_an_extension_is_found_by_its_content_and_this_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(tmp_path, "download", EXAMPLES["srt"][1])
    assert [item.text for item in opened(path)] == ["Hello there", "Go away"]
    assert f"{path}: read as srt, going by its content; --from FORMAT overrides this" in capsys.readouterr().err


def test_a_dialogue_file_may_have_any_name_and_be_compressed(tmp_path: Path) -> None:
    import gzip

    line = '{"speaker": "A", "text": "hi"}\n'
    assert [item.dialogue for item in opened(saved(tmp_path, "talk.txt", line))] == ["talk"]
    assert [item.dialogue for item in opened(saved(tmp_path, "b.jsonl.gz", gzip.compress(line.encode())))] == ["b"]
    with pytest.raises(DataError, match="damaged gzip file"):
        opened(saved(tmp_path, "c.jsonl.gz", gzip.compress(line.encode())[:-6]))


def test_a_format_that_is_named_is_the_one_that_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path, "talk.txt", EXAMPLES["whatsapp"][1])
    assert {item.speaker for item in opened(path)} == {"Ann", "Bob"}
    assert opened(path, form="text")[0].speaker != "Ann"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("talk.txt", "Джим: Здравствуйте! Как жизнь?\nВадим: Уходите отсюда немедленно!\n"),  # noqa: RUF001 - Russian
        ("talk.csv", "speaker;text\nДжим;Здравствуйте! Как жизнь?\nВадим;Уходите отсюда немедленно!\n"),  # noqa: RUF001 - Russian
        ("talk.srt", "1\n00:00:01,000 --> 00:00:02,000\nДЖИМ: Здравствуйте! Как жизнь?\n"),  # noqa: RUF001 - Russian
    ],
)
def test_another_encoding_is_named_and_read_when_it_is_given(name: str, content: str, tmp_path: Path) -> None:
    path = saved(tmp_path, name, content.encode("cp1251"))
    with pytest.raises(DataError, match=r"not UTF-8: .*encoding=cp1251"):
        opened(path)
    first = opened(path, options=("encoding=cp1251",))[0]
    assert (first.speaker.title(), first.text) == ("Джим", "Здравствуйте! Как жизнь?")


def test_a_format_that_nobody_knows_is_an_error_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"no transcript format is called 'whisperx' \(did you mean 'whisper'\?\)"):
        opened(write(tmp_path, "whisper"), form="whisperx")


def test_an_option_that_the_reader_lacks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"invalid option of the srt reader\n  speekers: .*'speakers'"):
        opened(write(tmp_path, "srt"), options=("speekers=none",))
    with pytest.raises(UsageProblem, match="takes no --option"):
        opened(saved(tmp_path, "a.jsonl", '{"speaker": "A", "text": "hi"}\n'), options=("text=said",))


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        (
            "a.docx",
            b"PK\x03\x04....word/document.xml",
            r"a Word document is not read \(convert it: `pandoc .*a.docx -t",
        ),
        ("a.bin", b"PK\x03\x04....xl/workbook.xml", r"an Excel workbook is not read \(convert it: `soffice .* csv "),
        ("a.txt", b"%PDF-1.7\n%\xe2\xe3", r"a PDF document is not read \(convert it: `pdftotext -layout "),
        (
            "a b.ass",
            b"[Script Info]\n",
            r"subtitles in another format is not read \(convert it: `ffmpeg -i '.*a b.ass'",
        ),
        ("a.zip", b"PK\x03\x04....chat.txt", r"a ZIP archive is not read \(convert it: `unzip "),
        (
            "a.dat",
            b"\x00\x01\x02\x03" * 9,
            r"a binary file of an unknown format, not a transcript \(formats read: jsonl,",
        ),
        ("a.txt", b"It was late.\nThey went home.\n", r"text of an unknown format, not a transcript \(formats read:"),
    ],
)
def test_what_is_not_read_is_named_with_the_command_that_converts_it(
    name: str, content: bytes, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        opened(saved(tmp_path, name, content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.vtt", "hi\n", r"a.vtt:1: the first line is not WEBVTT"),
        ("a.srt", "hello\n", r"a.srt:1: not a timing line of SubRip"),
        ("a.eaf", "<?xml version='1.0'?><a>", r"a.eaf:1: not XML"),
        ("a.TextGrid", "ooBinaryFile", r"a.TextGrid:1: not a TextGrid in Praat's text format"),
        ("a.csv", "who,said\nA,hi\n", r"a.csv:1: no column named 'text'"),
        ("a.json", '{\n  "a": 1\n}\n', r"a.json: text of an unknown format, not a transcript"),
    ],
)
def test_a_broken_file_is_told_by_the_reader_of_its_extension(
    name: str, content: str, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=problem):
        opened(saved(tmp_path, name, content))


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf", b"\xff\xfe"])
@pytest.mark.parametrize("name", ["a.srt", "a.txt", "a.csv", "a.json", "a.jsonl", "a.vtt", "a"])
def test_an_empty_file_is_told_to_be_empty(name: str, content: bytes, tmp_path: Path) -> None:
    path = saved(tmp_path, name, content)
    for choice in ({}, {"form": "srt"}):
        with pytest.raises(DataError) as caught:
            opened(path, **choice)
        assert str(caught.value) == f"{path}: the file is empty (is it the right file?)"


@pytest.mark.parametrize("content", ['{"segments": []}', '{\n "segments": [\n ]\n}', '{"text": "", "segments": []}'])
def test_a_recognition_without_segments_is_told(content: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a.json: no segments \(the recogniser found no speech\)"):
        opened(saved(tmp_path, "a.json", content))


@pytest.mark.parametrize("content", [EXAMPLES["srt"][1], EXAMPLES["vtt"][1], EXAMPLES["csv"][1], "{\n}\n"])
def test_another_format_on_stdin_names_the_option(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with saved(tmp_path, "piped", content).open(encoding="utf-8") as piped:
        monkeypatch.setattr("sys.stdin", piped)
        with pytest.raises(DataError, match=r"stdin:1: .*JSON.* pass --from, such as --from srt"):
            opened(Path("-"))


def test_two_readers_that_recognise_a_file_are_a_question_to_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecef_transcripts.rows import Rows

    monkeypatch.setattr(Rows, "recognises", classmethod(lambda *_: True))
    with pytest.raises(DataError, match=r"the format may be json and slack \(choose one with --from FORMAT\)"):
        opened(write(tmp_path, "slack"))


def rows(*values: dict[str, Any]) -> list[TranscriptRow | DataError]:
    return [TranscriptRow(row, f"talk:{number}") for number, row in enumerate(values, start=1)]


def converted(*values: dict[str, Any], **choice: Any) -> tuple[list[Utterance | DataError], TranscriptSource]:
    source = TranscriptSource("talk", b"")
    return utterances_of(rows(*values), source, Sound(TranscriptChoice(**choice))), source


def test_speakers_that_are_not_named_are_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = converted({"text": "hi"}, {"text": "you", "speaker": " "})
    assert [item.speaker for item in found if isinstance(item, Utterance)] == ["?", "?"]
    assert capsys.readouterr().err == "talk: no speakers are named; the speaker of every row is '?'\n"
    converted({"text": "hi"}, {"text": "you", "speaker": 0})
    assert capsys.readouterr().err == "talk: 1 row names no speaker; it is '?'\n"


def test_rows_without_words_and_times_that_do_not_fit_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = converted(
        {"text": " ", "speaker": "A"},
        {"text": " hi ", "speaker": 7, "start": 2, "end": 2, "mood": None},
        {"text": "you", "speaker": "A", "start": 3, "end": 4.5},
    )
    assert [item.row for item in found if isinstance(item, Utterance)] == [
        {"text": "hi", "speaker": "7"},
        {"text": "you", "speaker": "A", "start": 3, "end": 4.5},
    ]
    expected = "talk: left out: rows without words (1), times of rows that do not end after they start (1)\n"
    assert capsys.readouterr().err == expected


def test_utterances_are_numbered_within_their_dialogue() -> None:
    found, _ = converted(*({"text": "hi", "speaker": "A", "dialogue": d} for d in ("x", "y", "x")))
    assert [(item.dialogue, item.utterance) for item in found if isinstance(item, Utterance)] == [
        ("x", 1),
        ("y", 1),
        ("x", 2),
    ]


def test_a_row_that_is_invalid_is_an_error_in_its_place() -> None:
    found, _ = converted({"text": 7, "speaker": "A"}, {"text": "hi", "speaker": "A"}, {"text": "\ud83d"})
    assert [str(item) for item in found if isinstance(item, DataError)] == [
        "talk:1: 'text' must be a string, not 7",
        'talk:3: "text" contains half a surrogate pair (repair the escape \\uD8xx)',
    ]
    assert isinstance(found[1], Utterance)


def test_a_transcript_without_utterances_is_an_error() -> None:
    with pytest.raises(DataError, match=r"talk: no utterance was found \(left out: rows without words \(1\)\)"):
        converted({"text": ""})


def test_a_reader_that_yields_something_else_breaks_its_contract() -> None:
    with pytest.raises(PluginError, match="must yield TranscriptRow or DataError"):
        utterances_of([{"text": "hi"}], TranscriptSource("talk", b""), Sound(TranscriptChoice()))  # type: ignore[list-item]


def test_an_error_of_a_row_ends_the_reading_of_dialogues(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.csv", "text,speaker\nhi,A\nyou,B,c\n")
    with pytest.raises(DataError, match=r"a.csv:3: the row has 3 values"):
        read_transcript(path)
    assert [d.id for d in read_transcript(write(tmp_path, "csv"))] == ["d1"]


def test_parquet_without_its_library_names_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(EcefError, match=r"reading Parquet needs pyarrow \(run `pip install 'ecef-cli\[parquet\]'`\)"):
        opened(saved(tmp_path, "a.parquet", b"PAR1...."))


def test_the_json_formats_of_a_large_file_are_recognised_by_its_start(tmp_path: Path) -> None:
    segments = [{"start": n, "end": n + 1, "text": f"words {n}", "speaker": "A"} for n in range(5000)]
    assert len(opened(saved(tmp_path, "talk.json", json.dumps({"segments": segments})))) == 5000
