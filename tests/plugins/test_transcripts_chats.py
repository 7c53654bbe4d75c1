"""Readers of chats, plain text and rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transcript_examples import DISCORD, EXAMPLES, SLACK, read, read_text, reader

from ecef_cli.api.errors import DataError
from ecef_transcripts.names import Names
from ecef_transcripts.whatsapp import WhatsApp


def test_a_chat_of_ios_is_read_without_what_nobody_typed(tmp_path: Path) -> None:
    rows, source = read_text(tmp_path, "whatsapp", EXAMPLES["whatsapp"][1])
    assert rows == [
        {"speaker": "Ann", "text": "hello", "time": "2021-10-14T15:34:09"},
        {"speaker": "Bob", "text": "not now\nand: not later", "time": "2021-10-14T15:35:09"},
    ]
    assert source.left_out == {"attachments, calls and deleted messages": 2}


def test_a_chat_of_android_is_read_without_what_nobody_typed(tmp_path: Path) -> None:
    content = (
        "31/12/20, 23:58 - Messages and calls are end-to-end encrypted. Tap to learn more.\n"
        "31/12/20, 23:59 - Ann: at 10:30: come\n01/01/21, 00:00 - Bob: <Media omitted>\n"
        "01/01/21, 00:01 - +44 7700 900123: happy new year\n01/01/21, 00:02 - Bob left\n"
    )
    rows, source = read_text(tmp_path, "whatsapp", content)
    assert rows == [
        {"speaker": "Ann", "text": "at 10:30: come", "time": "2020-12-31T23:59:00"},
        {"speaker": "+44 7700 900123", "text": "happy new year", "time": "2021-01-01T00:01:00"},
    ]
    assert source.left_out == {"system messages": 2, "attachments, calls and deleted messages": 1}


@pytest.mark.parametrize(
    ("stamp", "time"),
    [
        ("[14/10/2021, 3:34:09 PM] ", "2021-10-14T15:34:09"),
        ("[10/14/21, 12:05:00 AM] ", "2021-10-14T00:05:00"),
        ("[14.10.21, 15:34:09] ", "2021-10-14T15:34:09"),
        ("[2021-10-14, 15:34:09] ", "2021-10-14T15:34:09"),
        ("[14.10.2021 klo 15.34.09] ", "2021-10-14T15:34:09"),
        ("10/14/21, 3:34 PM - ", "2021-10-14T15:34:00"),
        ("14.10.21, 15:34 - ", "2021-10-14T15:34:00"),
        ("2021/10/14, 15:34 - ", "2021-10-14T15:34:00"),
        ("14/10/2021, 3:34 p. m. - ", "2021-10-14T15:34:00"),
        ("14-10-2021 15:34 - ", "2021-10-14T15:34:00"),
    ],
)
def test_dates_of_many_countries_are_read(stamp: str, time: str, tmp_path: Path) -> None:
    content = f"{stamp}Ann: hello\n"
    assert WhatsApp.recognises(content.encode(), "chat.txt")
    assert read_text(tmp_path, "whatsapp", content)[0] == [{"speaker": "Ann", "text": "hello", "time": time}]


def test_a_date_of_two_readings_is_left_out_unless_the_order_is_named(tmp_path: Path) -> None:
    content = "[04/05/21, 10:00:00] Ann: hello\n"
    rows, source = read_text(tmp_path, "whatsapp", content)
    assert rows == [{"speaker": "Ann", "text": "hello"}]
    assert "dates=dmy" in source.remarks[0]
    assert read_text(tmp_path, "whatsapp", content, dates="mdy")[0][0]["time"] == "2021-04-05T10:00:00"
    with pytest.raises(DataError, match=r"_chat.txt:1: the date is not in the order mdy"):
        read_text(tmp_path, "whatsapp", content.replace("04/05", "14/05"), dates="mdy")


@pytest.mark.parametrize(
    "text",
    [
        "This message was deleted",
        "You deleted this message",
        "Diese Nachricht wurde gel\u00f6scht.",
        "Missed voice call",
        "Missed video call",
        "null",
        "IMG-20210101-WA0000.jpg (file attached)",
        "Waiting for this message\u2026",
        "Waiting for this message. This may take a while.",
        "<Media omitted>",
        "<Medien ausgeschlossen>",
        "<Multimedia omitido>",
        "<M\u00e9dias omis>",
        "<M\u00eddia oculta>",
        "<Media omessi>",
        "image omitted",
    ],
)
def test_what_whatsapp_writes_in_the_place_of_a_message_is_not_speech(text: str, tmp_path: Path) -> None:
    content = f"14/10/2021, 15:34 - Ann: hello\n14/10/2021, 15:35 - Bob: {text}\n"
    rows, source = read_text(tmp_path, "whatsapp", content)
    assert [row["text"] for row in rows] == ["hello"]
    assert source.left_out == {"attachments, calls and deleted messages": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("IMG-20210101-WA0000.jpg (file attached)\nlook at this", "look at this"),
        ("<Media omitted>\nlook at this", "look at this"),
        ("no way <This message was edited>", "no way"),
        ("no\nway <Diese Nachricht wurde bearbeitet.>", "no\nway"),
        ("I am waiting for this message to arrive", "I am waiting for this message to arrive"),
        ("Waiting for this message made me ill", "Waiting for this message made me ill"),
        ("null and void", "null and void"),
        ("This message was deleted by whom?", "This message was deleted by whom?"),
    ],
)
def test_what_somebody_typed_beside_it_is_kept(text: str, said: str, tmp_path: Path) -> None:
    rows, source = read_text(tmp_path, "whatsapp", f"14/10/2021, 15:34 - Ann: {text}\n")
    assert [row["text"] for row in rows] == [said]
    assert not source.left_out


@pytest.mark.parametrize(
    "event",
    [
        'Eve changed the subject from "a: b" to "c"',
        "Eve changed the subject to a: b",
        "Eve added Bob: the second",
        'Eve created group "club: new"',
    ],
)
def test_an_event_of_a_chat_is_no_speaker(event: str, tmp_path: Path) -> None:
    content = f"14/10/2021, 15:34 - Ann: hello\n14/10/2021, 15:35 - {event}\n"
    rows, source = read_text(tmp_path, "whatsapp", content)
    assert [row["speaker"] for row in rows] == ["Ann"]
    assert source.left_out == {"system messages": 1}


def test_a_message_of_slack_has_its_name_and_its_words_written_out(tmp_path: Path) -> None:
    rows, source = read_text(tmp_path, "slack", json.dumps(SLACK))
    assert rows == [
        {"speaker": "Ann Lee", "text": "Morning & hello @Bob, see the plan", "time": "2021-01-07T06:14:20+00:00"},
        {"speaker": "Bob", "text": "thanks!", "time": "2021-01-07T06:15:20+00:00", "thread": "1610000060.000200"},
    ]
    assert source.left_out == {"messages of bots and of Slack": 1}


def test_names_of_slack_come_from_the_list_of_users_above_the_channel(tmp_path: Path) -> None:
    users = [{"id": "U1", "name": "ann", "profile": {"display_name": "Annie"}}, {"id": "U2", "name": "bob"}]
    (tmp_path / "users.json").write_text(json.dumps(users), encoding="utf-8")
    path = tmp_path / "general" / "2021-01-07.json"
    path.parent.mkdir()
    path.write_text(json.dumps(SLACK), encoding="utf-8")
    assert [row["speaker"] for row in read(path, "slack")[0]] == ["Annie", "bob"]


def test_messages_of_discord_are_read_without_those_of_the_program(tmp_path: Path) -> None:
    rows, source = read_text(tmp_path, "discord", json.dumps(DISCORD))
    assert [(row["speaker"], row["text"]) for row in rows] == [("Ann", "hello all"), ("bob", "not you again")]
    assert source.left_out == {"messages of bots and of Discord": 1, "messages with attachments alone": 1}


def test_plain_text_has_turns_of_several_lines_and_times(tmp_path: Path) -> None:
    rows, _ = read_text(tmp_path, "text", EXAMPLES["text"][1])
    assert rows == [
        {"speaker": "Ann", "text": "Well, hello."},
        {"speaker": "Bob Ray", "text": "I said: go away. Now!"},
        {"speaker": "Ann", "text": "[00:01:02] no"},
    ]


@pytest.mark.parametrize(
    ("line", "start"),
    [
        ("[00:01:02] Ann: hi", 62.0),
        ("01:02 Ann: hi", 62.0),
        ("(1:02:03.5) - Ann: hi", 3723.5),
        ("Ann (01:02): hi", 62.0),
        ("**Ann:** hi", None),
        ("Ann:\thi", None),
    ],
)
def test_times_and_marks_around_a_name_are_not_part_of_it(line: str, start: float | None, tmp_path: Path) -> None:
    expected = {"speaker": "Ann", "text": "hi"} | ({} if start is None else {"start": start})
    assert read_text(tmp_path, "text", line + "\n")[0] == [expected]


@pytest.mark.parametrize(
    ("line", "speaker", "manner"),
    [
        ("Dr. O'Neil: oh no", "Dr. O'Neil", None),
        ("J. R. Smith: oh no", "J. R. Smith", None),
        ("Ms. Lee (nurse): oh no", "Ms. Lee", "nurse"),
        ("Ben (crying): oh no", "Ben", "crying"),
        ("Ben [in tears]: oh no", "Ben", "in tears"),
        ("Ann-Marie de la Cruz van den Berg: oh no", "Ann-Marie de la Cruz van den Berg", None),
        ("Speaker 2: oh no", "Speaker 2", None),
        ("[10:03] Dr. O'Neil: oh no", "Dr. O'Neil", None),
        ("[10:03] Woman in red: oh no", "Woman in red", None),
        ("Ben (crying) (10:03): oh no", "Ben", "crying"),
    ],
)
def test_a_name_may_have_dots_many_words_and_a_manner(
    line: str, speaker: str, manner: str | None, tmp_path: Path
) -> None:
    rows, source = read_text(tmp_path, "text", f"Ann: hi\n{line}\nAnn: well\n")
    assert [(row["speaker"], row["text"]) for row in rows] == [("Ann", "hi"), (speaker, "oh no"), ("Ann", "well")]
    assert (rows[1].get("manner"), rows[1].get("start")) == (manner, 603.0 if "10:03" in line else None)
    assert not source.remarks


def test_a_sentence_with_a_colon_continues_the_turn_and_is_counted(tmp_path: Path) -> None:
    content = "Ann: hi\nRemember this: never\nHe went home. Then: nothing\nand more\nBob: go\n"
    rows, source = read_text(tmp_path, "text", content)
    assert [(row["speaker"], row["text"]) for row in rows] == [
        ("Ann", "hi Remember this: never He went home. Then: nothing and more"),
        ("Bob", "go"),
    ]
    assert source.remarks == ["2 lines look like a name and words, and were joined to the turn before"]


def test_words_that_start_several_lines_are_a_name(tmp_path: Path) -> None:
    rows, source = read_text(tmp_path, "text", "Ann: hi\nOld man: no\nAnn: yes\nOld man: go\n")
    assert [row["speaker"] for row in rows] == ["Ann", "Old man", "Ann", "Old man"]
    assert not source.remarks


def test_a_line_with_its_own_time_is_never_joined(tmp_path: Path) -> None:
    rows, _ = read_text(tmp_path, "text", "[10:03] Ann: hi\n[10:04] and then\n[10:05] Bob, from afar: go\n")
    assert rows == [
        {"speaker": "Ann", "text": "hi", "start": 603.0},
        {"speaker": "Ann", "text": "and then", "start": 604.0},
        {"text": "Bob, from afar: go", "start": 605.0},
    ]


def test_lines_before_the_first_name_are_counted(tmp_path: Path) -> None:
    rows, source = read_text(tmp_path, "text", "A talk of 5 May\n\nAnn: hi\nBob: go\n")
    assert len(rows) == 2
    assert source.left_out == {"lines before the first name": 1}


@pytest.mark.parametrize(
    "text",
    [
        "It was late. They went home.\nNobody spoke.\n",
        "See: https://example.org\nand then nothing\nmore of it\n",
        "A long sentence of many words that ends like this: yes\n",
        "http://example.org/a\n",
    ],
)
def test_prose_is_not_taken_for_turns(text: str) -> None:
    assert not Names.recognises(text.encode(), "a.txt")


def test_rows_keep_their_own_keys(tmp_path: Path) -> None:
    content = json.dumps({"id": 3, "utterances": [{"speaker": "A", "text": "hi", "mood": 4}]})
    assert reader("json").recognises(content.encode(), "a.json")
    assert read_text(tmp_path, "json", content)[0] == [{"speaker": "A", "text": "hi", "mood": 4}]
