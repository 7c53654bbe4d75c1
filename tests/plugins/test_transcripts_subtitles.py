"""Readers of SubRip and WebVTT."""

from __future__ import annotations

from pathlib import Path

import pytest
from transcript_examples import EXAMPLES, read_text

from ecef_cli.api.errors import DataError


def srt(*cues: str) -> str:
    return "".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\n{cue}\n\n" for n, cue in enumerate(cues, start=1))


def turns(folder: Path, *cues: str, **options: object) -> list[tuple[str | None, str]]:
    rows, _ = read_text(folder, "srt", srt(*cues), **options)
    return [(row.get("speaker"), row["text"]) for row in rows]


def test_a_cue_of_subrip_has_its_words_without_markup_and_its_times(tmp_path: Path) -> None:
    rows, source = read_text(tmp_path, "srt", EXAMPLES["srt"][1])
    assert rows == [
        {"text": "Hello there", "start": 1.0, "end": 2.5},
        {"text": "Go away", "speaker": "BOB", "start": 2.5, "end": 4.0},
    ]
    assert source.remarks == ["speakers by their prefix: 'BOB' (1); --option speakers=none keeps it as text"]


def test_lines_with_dashes_are_turns_and_other_lines_continue_them(tmp_path: Path) -> None:
    found = turns(tmp_path, "- Go away\n- No,\nnever", "-5 degrees", "\u2013 Why?")
    assert [text for _, text in found] == ["Go away", "No, never", "-5 degrees", "Why?"]


def test_a_word_before_a_colon_is_a_name_only_if_it_is_used_as_one(tmp_path: Path) -> None:
    cues = ("Look: a bird", "Ann: yes", "it is: true", "Ann: no", "DR. WHO: hm", "not a name", "nor here")
    assert turns(tmp_path, *cues) == [
        (None, "Look: a bird"),
        ("Ann", "yes"),
        (None, "it is: true"),
        ("Ann", "no"),
        ("DR. WHO", "hm"),
        (None, "not a name"),
        (None, "nor here"),
    ]
    assert {speaker for speaker, _ in turns(tmp_path, *cues, speakers="none")} == {None}


def test_names_before_every_cue_are_speakers_although_each_speaks_once(tmp_path: Path) -> None:
    assert turns(tmp_path, "Ann: hi", "[Bob]: go") == [("Ann", "hi"), ("Bob", "go")]


def test_a_name_of_subtitles_may_have_a_title_and_a_manner(tmp_path: Path) -> None:
    rows, _ = read_text(tmp_path, "srt", srt("Dr. O'Neil (crying): no", "hi there", "Look here: a bird", "who?"))
    assert [(row.get("speaker"), row.get("manner"), row["text"]) for row in rows] == [
        ("Dr. O'Neil", "crying", "no"),
        (None, None, "hi there"),
        (None, None, "Look here: a bird"),
        (None, None, "who?"),
    ]


def test_a_number_that_is_said_is_not_the_number_of_a_cue(tmp_path: Path) -> None:
    content = "1\n00:00:01,000 --> 00:00:02,000\nHow many?\n42\n\n2\n00:00:03,000 --> 00:00:04,000\n7\n"
    assert [row["text"] for row in read_text(tmp_path, "srt", content)[0]] == ["How many? 42", "7"]


def test_empty_cues_are_counted(tmp_path: Path) -> None:
    rows, source = read_text(tmp_path, "srt", srt("hi", "<i> </i>", "you"))
    assert len(rows) == 2
    assert source.left_out == {"empty cues": 1}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("1\n00:00:01,000 -> 00:00:02,000\nhi\n", 2),
        (srt("hi") + "2\n00:00:03,000 --> later\nyou\n", 6),
        (srt("hi") + "2\n00:00:03,000 -> 00:00:04,000\nyou\n", 6),
        ("some words\n" + srt("hi"), 1),
    ],
)
def test_a_broken_timing_line_is_an_error_and_never_speech(content: str, line: int, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"talk.srt:{line}: not a timing line of SubRip"):
        read_text(tmp_path, "srt", content)


def test_webvtt_has_voices_and_leaves_out_comments_and_styles(tmp_path: Path) -> None:
    content = EXAMPLES["vtt"][1] + "\nSTYLE\n::cue { color: red }\n\nREGION\nid:a\n\n0:09.000 --> 0:10.000\n\n"
    rows, source = read_text(tmp_path, "vtt", content)
    assert rows == [
        {"text": "Hello there", "speaker": "Ann", "start": 1.0, "end": 2.5},
        {"text": "Tea & cake", "speaker": "Bob Ray", "start": 3602.5, "end": 3604.0},
    ]
    assert source.left_out == {"empty cues": 1}


def test_two_voices_in_a_cue_are_two_turns(tmp_path: Path) -> None:
    content = "WEBVTT\n\n00:01.000 --> 00:02.000\nand <v Ann>hi</v> <v Bob>go</v>\n"
    rows, _ = read_text(tmp_path, "vtt", content)
    assert [(row.get("speaker"), row["text"]) for row in rows] == [(None, "and"), ("Ann", "hi"), ("Bob", "go")]


def test_rolling_captions_are_read_once(tmp_path: Path) -> None:
    content = (
        "WEBVTT\n\n00:00.000 --> 00:02.000\n \nso<00:00:00.500><c> here</c><00:00:01.000><c> we</c>\n\n"
        "00:02.000 --> 00:02.010\nso here we\n \n\n"
        "00:02.010 --> 00:04.000\nso here we\nare<00:00:02.500><c> again</c>\n"
    )
    rows, source = read_text(tmp_path, "vtt", content)
    assert [row["text"] for row in rows] == ["so here we", "are again"]
    assert source.left_out == {"repeated lines of rolling captions": 2}


def test_a_refrain_is_said_twice_without_times_per_word(tmp_path: Path) -> None:
    content = "WEBVTT\n\n00:01.000 --> 00:02.000\nno\n\n00:02.000 --> 00:03.000\nno\n"
    assert [row["text"] for row in read_text(tmp_path, "vtt", content)[0]] == ["no", "no"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("WEBVTT\n\n00:01,000 -> 00:02,000\nhi\n", "talk.vtt:3: not a timing line of WebVTT"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nhi\n\nyou there\n", "talk.vtt:6: not a timing line of WebVTT"),
        ("1\n00:00:01,000 --> 00:00:02,000\nhi\n", "talk.vtt:1: the first line is not WEBVTT.*--from srt"),
    ],
)
def test_broken_webvtt_is_an_error_with_its_line(content: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=problem):
        read_text(tmp_path, "vtt", content)
