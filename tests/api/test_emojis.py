"""Emoji are read by their names, and texts without emoji as they are."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ecef_cli.api.dialogue import Utterance, words
from ecef_cli.api.emojis import emoji_rules, is_emoji, name_emoji


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("😭", "loudly crying face"),
        ("😭😭 😭", "loudly crying face"),
        ("😂👍🏽", "face with tears of joy thumbs up"),
        ("👍🏿 👍🏻", "thumbs up"),
        ("I love it ❤️❤️ so much", "I love it red heart so much"),
        ("No!!!😡", "No!!! enraged face"),
        ("👨‍👩‍👧 at home", "family man woman girl at home"),
        ("☹", "frowning face"),
    ],
)
def test_an_emoji_is_its_name(text: str, spoken: str) -> None:
    assert name_emoji(text) == spoken
    said = Utterance(text, "A", "d", 1)
    assert (said.text, said.spoken) == (text, spoken)
    assert emoji_rules(["Hello", text])["emoji"].startswith("1 ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello!",
        "It\u2019s \u201cfine\u201d\u2026",
        "5 \u20ac \u2122 \u00a9",
        "1\ufe0f\u20e3",
        "What\u203c",
        "\u266a la \u266a",
        "你好",
        " a ",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert name_emoji(text) == text
    assert emoji_rules([text]) == {}


def test_every_word_of_a_name_is_a_word() -> None:
    assert [word.text for word in words(name_emoji("Oh😭😭!"))] == ["Oh", "loudly", "crying", "face", "!"]


@pytest.mark.parametrize(
    ("text", "alone"), [("😭😭", True), ("😭!!", True), ("Oh 😭", False), ("!!", False), ("", False)]
)
def test_emoji_alone(text: str, *, alone: bool) -> None:
    assert is_emoji(text) == alone


def test_texts_without_emoji_do_not_load_the_names() -> None:
    code = (
        "import sys; from ecef_cli.api.emojis import name_emoji\n"
        "name_emoji('caf\u00e9'); assert 'emoji' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
