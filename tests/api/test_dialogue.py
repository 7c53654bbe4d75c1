"""Dialogue files: what they may look like, what is an error, and that nothing gets lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from narrow import instance

from ecef_cli.api.dialogue import Utterance, parse_row, read_dialogues, read_utterances, to_json, to_row, words
from ecef_cli.api.errors import DataError

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def parse(line: str, **more: Any) -> Utterance:
    return parse_row(line, where="f.jsonl:1", dialogue="f", number=1, **more)


def read(raw: bytes) -> list[Utterance | DataError]:
    return list(read_utterances(raw.splitlines(keepends=True), name="f.jsonl", dialogue="f"))


def test_a_row_needs_only_a_speaker_and_a_text() -> None:
    found = parse('{"speaker": "Ana", "text": "Hi."}')
    assert (found.speaker, found.text, found.dialogue, found.utterance) == ("Ana", "Hi.", "f", 1)
    assert (found.audio, found.start, found.end, found.emotion) == (None, None, None, None)


def test_null_counts_as_absent() -> None:
    found = parse(
        '{"speaker": "Ana", "text": "Hi.", "emotion": null, "audio": null, "start": null, "dialogue": null, '
        '"utterance": null}'
    )
    assert found == parse('{"speaker": "Ana", "text": "Hi."}')


def test_null_as_utterance_id_is_numbered_like_an_absent_one(tmp_path: Path) -> None:
    found = read(b'{"speaker": "A", "text": "1"}\n{"speaker": "A", "text": "2", "utterance": null}\n')
    assert [instance(Utterance, u).utterance for u in found] == [1, 2]


def test_ids_may_be_strings_or_whole_numbers() -> None:
    found = parse('{"speaker": "Ana", "text": "Hi.", "dialogue": 7, "utterance": "u-3"}')
    assert (found.dialogue, found.utterance) == ("7", "u-3")
    assert parse('{"speaker": "A", "text": "x", "utterance": 0}').utterance == 0


def test_text_may_be_empty_where_there_is_audio() -> None:
    found = parse('{"speaker": "Ana", "text": "", "audio": "a/1.flac", "start": 1, "end": 2.5}', folder=Path("d"))
    assert found.audio == Path("d/a/1.flac")
    assert (found.start, found.end) == (1.0, 2.5)


def test_a_row_with_audio_needs_no_text() -> None:
    found = parse('{"speaker": "Ana", "audio": "1.flac"}')
    assert (found.text, found.audio) == ("", Path("1.flac"))


@pytest.mark.parametrize(
    ("channel", "number"), [("1", 1), ("7", 7), ('"left"', 1), ('"right"', 2), ('"2"', 2), ("null", None)]
)
def test_a_channel_is_a_number_or_a_side(channel: str, number: int | None) -> None:
    found = parse('{"speaker": "Ana", "audio": "1.flac", "channel": %s}' % channel)  # noqa: UP031 - braces
    assert found.channel == number
    assert to_row(found).get("channel") == number


@pytest.mark.parametrize("channel", ["0", "-1", "true", "1.5", '"caller"', '"0"', "[1]"])
def test_another_channel_is_an_error(channel: str) -> None:
    with pytest.raises(DataError, match="'channel' must be 1, 2, … or left or right, not "):
        parse('{"speaker": "Ana", "audio": "1.flac", "channel": %s}' % channel)  # noqa: UP031 - braces


def test_without_a_recording_a_channel_is_a_key_like_any_other() -> None:
    found = parse('{"speaker": "Ana", "text": "Hi.", "channel": "general"}')
    assert found.channel is None
    assert to_row(found)["channel"] == "general"


def test_words_and_recording_may_both_be_missing_if_that_is_allowed() -> None:
    for text in ('""', '" "', "null"):
        line = '{"speaker": "Ana", "text": %s}' % text  # noqa: UP031 - braces
        found = parse_row(line, where="f.jsonl:1", dialogue="f", number=1, allow_empty=True)
        assert not found.text.strip()
    with pytest.raises(DataError, match="'text' is missing"):
        parse_row('{"speaker": "Ana"}', where="f.jsonl:1", dialogue="f", number=1, allow_empty=True)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not JSON"),
        ("[1]", "not an object"),
        ('"text"', "not an object"),
        ("null", "not an object"),
        ('{"speaker": "A"}', "'text' is missing"),
        ('{"text": "x"}', "'speaker' is missing"),
        ('{"speaker": "A", "text": null}', "'text' is null"),
        ('{"speaker": 1.5, "text": "x"}', "'speaker' must be a string, not 1.5"),
        ('{"speaker": "  ", "text": "x"}', "'speaker' is empty"),
        ('{"speaker": "A", "text": ["x"]}', "'text' must be a string"),
        ('{"speaker": "A", "text": " "}', "'text' is empty"),
        ('{"speaker": "A", "text": "", "audio": ""}', "'text' is empty"),
        ('{"speaker": "A", "text": "x", "emotion": 4}', "'emotion' must be a string"),
        ('{"speaker": "A", "text": "x", "emotion": true}', "'emotion' must be a string"),
        ('{"speaker": "A", "text": "x", "dialogue": true}', "'dialogue' must be a string or a whole number"),
        ('{"speaker": "A", "text": "x", "utterance": 1.5}', "'utterance' must be a string or a whole number"),
        ('{"speaker": "A", "text": "x", "start": "1"}', "'start' must be a number"),
        ('{"speaker": "A", "text": "x", "start": true}', "'start' must be a number"),
        ('{"speaker": "A", "text": "x", "start": -0.1}', "not negative"),
        ('{"speaker": "A", "text": "x", "start": NaN}', "'start' contains a number that is not finite"),
        ('{"speaker": "A", "text": "x", "end": 1e999}', "'end' contains a number that is not finite"),
        ('{"speaker": "A", "text": "x", "end": 1' + "0" * 400 + "}", "must be finite"),
        ('{"speaker": "A", "text": "x", "start": 2, "end": 2}', "'end' (2 s) is not after 'start' (2 s)"),
        (
            '{"speaker": "A", "text": "x", "score": [1, Infinity]}',
            "'score' contains a number that is not finite",
        ),
        ('{"speaker": "A", "text": "x", "n": ' + "9" * 5000 + "}", "unsupported JSON"),
        ('{"speaker": "A", "text": "\\ud83d"}', '"text" contains half a surrogate pair'),
        ('{"speaker": "A", "text": "x", "note": {"\\udc00": 1}}', '"note" contains half a surrogate pair'),
        ('{"speaker": "A", "text": "x", "\\ud800": 1}', "contains half a surrogate pair"),
        ('{"speaker": "A", "text": "x", "deep": ' + "[" * 150 + "]" * 150 + "}", "more than 100 levels"),
        ('{"speaker": "A", "text": "x", "deep": ' + "[" * 9999 + "]" * 9999 + "}", "more than 100 levels"),
    ],
)
def test_a_broken_row_is_named_with_its_place(line: str, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        parse(line)
    assert problem in str(caught.value)
    assert str(caught.value).startswith("f.jsonl:1: ")
    assert len(str(caught.value).splitlines()) == 1
    str(caught.value).encode()


def test_many_brackets_side_by_side_are_not_deep() -> None:
    flat = json.dumps({"speaker": "A", "text": "x", "flat": [[i] for i in range(500)]})
    assert parse(flat).row["flat"][499] == [499]


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert parse('{"speaker": "A", "text": "\\ud83d\\ude00"}').text == "\N{GRINNING FACE}"


def test_byte_order_mark_windows_line_ends_and_blank_lines_make_no_difference() -> None:
    plain = b'{"speaker": "A", "text": "x"}\n{"speaker": "B", "text": "y"}'
    odd = b'\xef\xbb\xbf\r\n{"speaker": "A", "text": "x"}\r\n   \r\n\r\n{"speaker": "B", "text": "y"}\r\n\r\n'
    assert read(odd) == read(plain)
    assert [u.where for u in read(odd)] == ["f.jsonl:2", "f.jsonl:5"]


def test_unicode_line_separators_do_not_end_a_line(tmp_path: Path) -> None:
    text = "one\u2028two\u2029three\x85four\x0bfive"
    path = tmp_path / "f.jsonl"
    path.write_bytes(
        f'{{"speaker": "A", "text": {json.dumps(text, ensure_ascii=False)}}}\n'.replace("\x0b", "\\u000b").encode()
    )
    [dialogue] = read_dialogues(path)
    assert [u.text for u in dialogue.utterances] == [text]
    assert "\n" not in to_json(to_row(dialogue.utterances[0]))


def test_errors_are_yielded_in_place_and_reading_goes_on() -> None:
    found = read(b'{"speaker": "A", "text": "x"}\nno\n\xff\xfe\n{"speaker": "B", "text": "y"}\n')
    assert [type(f) for f in found] == [Utterance, DataError, DataError, Utterance]
    assert "f.jsonl:2: not JSON" in str(found[1])
    assert "f.jsonl:3: not UTF-8" in str(found[2])
    assert instance(Utterance, found[3]).utterance == 2


def test_interleaved_dialogues_are_told_apart_and_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "two.jsonl"
    path.write_text(
        "".join(f'{{"dialogue": "{d}", "speaker": "S", "text": "{d}{i}"}}\n' for i in range(3) for d in "ba")
    )
    dialogues = read_dialogues(path)
    assert [d.id for d in dialogues] == ["b", "a"]
    assert [[u.text for u in d.utterances] for d in dialogues] == [["b0", "b1", "b2"], ["a0", "a1", "a2"]]
    assert [[u.utterance for u in d.utterances] for d in dialogues] == [[1, 2, 3], [1, 2, 3]]


def test_a_file_is_one_dialogue_where_no_row_says_otherwise() -> None:
    for name, speakers, length in (("moving-day", 2, 14), ("night-shift", 3, 13)):
        [dialogue] = read_dialogues(EXAMPLES / f"{name}.jsonl")
        assert dialogue.id == name
        assert len(dialogue.utterances) == length
        assert len({u.speaker for u in dialogue.utterances}) == speakers


def test_other_keys_come_out_again() -> None:
    row = {
        "speaker": "A",
        "text": "x",
        "time": "02:10",
        "tags": ["a", {"b": None}],
        "dialogue": "d",
        "utterance": 4,
    }
    assert to_row(parse(json.dumps(row))) == row


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    found = parse(
        '{"speaker": "A", "text": "\\u201cO\\u2028K\\u201d", "audio": "/a/b.wav", "start": 0.25, "end": 1, '
        '"emotion": "joy", "n": 1.5}'
    )
    path = tmp_path / "out.jsonl"
    path.write_text(to_json(to_row(found)) + "\n", encoding="utf-8")
    [dialogue] = read_dialogues(path)
    assert dialogue.utterances == (found,)
    assert dialogue.utterances[0].row["n"] == 1.5


def test_a_missing_or_empty_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl: cannot be read: No such file"):
        read_dialogues(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_bytes(b"\n \n")
    with pytest.raises(DataError, match="contains no utterance"):
        read_dialogues(tmp_path / "empty.jsonl")


def test_every_visible_character_belongs_to_one_word() -> None:
    text = "Don\u2019t! It's 'well-known'… \N{GRINNING FACE}"
    found = words(text)
    assert [w.text for w in found] == [
        "Don\u2019t",
        "!",
        "It's",
        "'",
        "well",
        "-",
        "known",
        "'…",
        "\N{GRINNING FACE}",
    ]
    assert "".join(w.text for w in found) == "".join(text.split())
    assert all(text[w.start : w.end] == w.text for w in found)
