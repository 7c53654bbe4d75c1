"""One transcript of each format, as other programs write them."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import TranscriptSource
from ecef_cli.plugin.manager import get_registry
from ecef_cli.recipe.model import build_component

if TYPE_CHECKING:
    from pathlib import Path

    from ecef_cli.api.components import TranscriptReader

LONG_TEXTGRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 6.5
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "Ann"
        xmin = 0
        xmax = 6.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 1.2
            text = "Did you say ""five""?"
        intervals [2]:
            xmin = 1.2
            xmax = 3
            text = ""
        intervals [3]:
            xmin = 3
            xmax = 6.5
            text = "No = way"
    item [2]:
        class = "IntervalTier"
        name = "Bob"
        xmin = 0
        xmax = 6.5
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 1
            text = " "
        intervals [2]:
            xmin = 1
            xmax = 6.5
            text = "At 5
o'clock"
    item [3]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 6.5
        points: size = 1
        points [1]:
            number = 2.5
            mark = "!"
"""

SHORT_TEXTGRID = """File type = "ooTextFile"
Object class = "TextGrid"

0
6.5
<exists>
2
"IntervalTier"
"Ann"
0
6.5
1
0
1.2
"Hello"
"IntervalTier"
"Bob"
0
6.5
2
0
1.5
""
1.5
6.5
"Go away"
"""

EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-05-01T10:00:00+01:00" FORMAT="3.0" VERSION="3.0">
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>
    <TIME_ORDER>
        <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="120"/>
        <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1500"/>
        <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="1500"/>
        <TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="2750"/>
    </TIME_ORDER>
    <TIER LINGUISTIC_TYPE_REF="utterance" PARTICIPANT="Bob" TIER_ID="B-spch">
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4">
                <ANNOTATION_VALUE>Tea &amp; cake, please</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="utterance" TIER_ID="Ann">
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
                <ANNOTATION_VALUE>What would you like?</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="feeling" PARENT_REF="Ann" TIER_ID="Ann-emotion">
        <ANNOTATION>
            <REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a1">
                <ANNOTATION_VALUE>joy</ANNOTATION_VALUE>
            </REF_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="utterance" TIME_ALIGNABLE="true"/>
    <LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" LINGUISTIC_TYPE_ID="feeling" TIME_ALIGNABLE="false"/>
</ANNOTATION_DOCUMENT>
"""

WHISPERX: dict[str, Any] = {
    "segments": [
        {"start": 0.03, "end": 1.2, "text": " Hello there.", "words": [], "speaker": "SPEAKER_00"},
        {"start": 1.2, "end": 1.2, "text": " Go away."},
    ],
    "word_segments": [],
    "language": "en",
}

DEEPGRAM: dict[str, Any] = {
    "metadata": {"request_id": "1", "channels": 1},
    "results": {
        "channels": [
            {
                "alternatives": [
                    {
                        "transcript": "hello who is this go away",
                        "confidence": 0.98,
                        "words": [
                            {"word": "hello", "start": 0.1, "end": 0.4, "speaker": 0, "punctuated_word": "Hello."},
                            {"word": "who", "start": 0.9, "end": 1.0, "speaker": 1, "punctuated_word": "Who"},
                            {"word": "is", "start": 1.0, "end": 1.1, "speaker": 1, "punctuated_word": "is"},
                            {"word": "this", "start": 1.1, "end": 1.3, "speaker": 1, "punctuated_word": "this?"},
                            {"word": "go", "start": 3.0, "end": 3.1, "speaker": 1, "punctuated_word": "Go"},
                            {"word": "away", "start": 3.1, "end": 3.5, "speaker": 1, "punctuated_word": "away."},
                        ],
                    }
                ]
            }
        ]
    },
}

SLACK: list[dict[str, Any]] = [
    {"type": "message", "subtype": "channel_join", "ts": "1610000000.000100", "user": "U1", "text": "<@U1> has joined"},
    {
        "type": "message",
        "ts": "1610000060.000200",
        "user": "U1",
        "text": "Morning &amp; hello <@U2>, see <https://example.org/a|the plan>",
        "user_profile": {"real_name": "Ann Lee", "display_name": ""},
    },
    {
        "type": "message",
        "ts": "1610000120.000300",
        "user": "U2",
        "text": "thanks!",
        "thread_ts": "1610000060.000200",
        "user_profile": {"real_name": "Robert", "display_name": "Bob"},
    },
]

DISCORD: dict[str, Any] = {
    "guild": {"id": "1", "name": "Club"},
    "channel": {"id": "2", "type": "GuildTextChat", "name": "general"},
    "messages": [
        {
            "id": "10",
            "type": "GuildMemberJoin",
            "timestamp": "2023-01-02T09:00:00+00:00",
            "content": "Joined the server.",
            "author": {"name": "ann", "nickname": "Ann", "isBot": False},
        },
        {
            "id": "11",
            "type": "Default",
            "timestamp": "2023-01-02T09:01:00+00:00",
            "content": "hello all",
            "author": {"name": "ann", "nickname": "Ann", "isBot": False},
        },
        {
            "id": "12",
            "type": "Default",
            "timestamp": "2023-01-02T09:02:00+00:00",
            "content": "",
            "author": {"name": "bob", "nickname": "Bob", "isBot": False},
            "attachments": [{"url": "a.png"}],
        },
        {
            "id": "13",
            "type": "Reply",
            "timestamp": "2023-01-02T09:03:00+00:00",
            "content": "not you again",
            "author": {"name": "bob", "nickname": None, "isBot": False},
        },
    ],
}


def _task(number: int, text: str, *choices: str) -> dict[str, Any]:
    result = [
        {"from_name": "emotion", "to_name": "text", "type": "choices", "value": {"choices": [c]}} for c in choices
    ]
    return {
        "id": number,
        "data": {"text": text, "speaker": "AB"[number % 2], "dialogue": "d1"},
        "annotations": [{"id": number, "was_cancelled": False, "result": result}],
        "predictions": [],
    }


LABELSTUDIO = [_task(1, "so glad", "joy"), _task(2, "leave me", "anger"), _task(3, "well")]

EXAMPLES: dict[str, tuple[str, str]] = {
    "json": ("chat.json", json.dumps([{"speaker": "A", "text": "hello"}, {"speaker": "B", "text": "go away"}])),
    "csv": ("calls.csv", 'dialogue,speaker,text,agent id\nd1,Ann,"Well, hello",7\nd1,Bob,Go away,\n'),
    "srt": (
        "talk.srt",
        "1\n00:00:01,000 --> 00:00:02,500\n<i>Hello</i>\nthere\n\n2\n00:00:02,500 --> 00:00:04,000\nBOB: Go away\n",
    ),
    "vtt": (
        "talk.vtt",
        (
            "WEBVTT - call\nKind: captions\n\nNOTE made by hand\n\nintro\n00:01.000 --> 00:02.500 line:0\n<v Ann>Hello "
            "<i>there</i></v>\n\n1:00:02.500 --> 1:00:04.000\n<v.loud Bob Ray>Tea &amp; cake\n"
        ),
    ),
    "whisper": ("talk.json", json.dumps(WHISPERX)),
    "deepgram": ("call.json", json.dumps(DEEPGRAM)),
    "rttm": (
        "call.rttm",
        "SPEAKER call 1 0.10 1.00 <NA> <NA> spk0 <NA> <NA>\nSPEAKER call 1 1.30 2.00 <NA> <NA> spk1 <NA> <NA>\n",
    ),
    "stm": (
        "call.stm",
        (
            ";; made by hand\ncall A ann 0.10 1.10 <o,f0,female> hello there\ncall A bob 1.30 3.30 go away\n"
            "call A ann 3.3 4.0 ignore_time_segment_in_scoring\n"
        ),
    ),
    "textgrid": ("call.TextGrid", LONG_TEXTGRID),
    "eaf": ("call.eaf", EAF),
    "whatsapp": (
        "_chat.txt",
        (
            "\u200e[14/10/2021, 3:33:09\u202fPM] The club: \u200eMessages are end-to-end encrypted.\n"
            "[14/10/2021, 3:34:09\u202fPM] Ann: hello\n[14/10/2021, 3:35:09\u202fPM] Bob: not now\nand: not later\n"
            "\u200e[14/10/2021, 3:36:09\u202fPM] Ann: \u200eimage omitted\n"
        ),
    ),
    "slack": ("2021-01-07.json", json.dumps(SLACK)),
    "discord": ("general.json", json.dumps(DISCORD)),
    "labelstudio": ("project.json", json.dumps(LABELSTUDIO)),
    "text": ("talk.txt", "Ann: Well, hello.\n\nBob Ray: I said: go away.\nNow!\nAnn: [00:01:02] no\n"),
}
"""File name and content of each format that is text."""


def write(folder: Path, name: str) -> Path:
    """Return the path of an example."""
    file, content = EXAMPLES[name]
    path = folder / file
    path.write_text(content, encoding="utf-8")
    return path


def reader(name: str, **options: object) -> TranscriptReader:
    """Return a reader with options."""
    return build_component("transcript", name, options)  # type: ignore[return-value]


def read(path: Path, name: str, **options: object) -> tuple[list[dict[str, Any]], TranscriptSource]:
    """Return the rows of a transcript without empty keys, and its source; raise the first error of a row."""
    source = TranscriptSource.open(path)
    rows = []
    for row in reader(name, **options).read(source):
        if isinstance(row, DataError):
            raise row
        rows.append({key: value for key, value in row.values.items() if value is not None})
    return rows, source


def read_text(
    folder: Path, name: str, content: str, **options: object
) -> tuple[list[dict[str, Any]], TranscriptSource]:
    """Return the rows of a transcript with this content."""
    path = folder / EXAMPLES[name][0]
    path.write_bytes(content.encode())
    return read(path, name, **options)


def compressed(path: Path) -> Path:
    """Return the path of a gzip copy."""
    target = path.with_name(f"{path.name}.gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    return target


def built_in() -> list[str]:
    """Return the names of the readers that come with ecef."""
    return [entry.name for entry in get_registry().entries("transcript") if entry.built_in]
