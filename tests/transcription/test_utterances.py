"""How recognised speech becomes utterances."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ecef_cli.api.components import SpokenSegment, SpokenWord
from ecef_cli.transcription.utterances import LONGEST, PAUSE, split


def words(
    text: str, *, start: float = 0.0, each: float = 0.4, pauses: dict[int, float] | None = None
) -> list[SpokenWord]:
    """Return the words of a text, one after another, with a pause before the word of a number."""
    found, at = [], start
    for number, word in enumerate(text.split()):
        at += (pauses or {}).get(number, 0.0)
        found.append(SpokenWord(f" {word}", round(at, 3), round(at + each, 3)))
        at += each
    return found


def segment(members: Sequence[SpokenWord]) -> SpokenSegment:
    return SpokenSegment("".join(w.text for w in members), members[0].start, members[-1].end, tuple(members))


def texts(*segments: SpokenSegment) -> list[str]:
    return [spoken.text for spoken in split(segments)]


def test_an_utterance_ends_with_its_sentence() -> None:
    said = words("You kept my letter? Of course I did. It was the best day of my life.")
    assert texts(segment(said)) == ["You kept my letter?", "Of course I did.", "It was the best day of my life."]


def test_a_sentence_goes_on_in_the_next_segment() -> None:
    said = words("I never told anybody about the letter.")
    assert texts(segment(said[:3]), segment(said[3:])) == ["I never told anybody about the letter."]


def test_a_pause_ends_an_utterance_without_the_end_of_a_sentence() -> None:
    assert texts(segment(words("well I thought so", pauses={2: PAUSE}))) == ["well I", "thought so"]
    assert texts(segment(words("well I thought so", pauses={2: PAUSE - 0.01}))) == ["well I thought so"]


def test_a_short_sentence_stays_with_the_one_that_follows_at_once() -> None:
    assert texts(segment(words("Yes. I know that."))) == ["Yes. I know that."]
    assert texts(segment(words("Yes. I know that.", pauses={1: 0.31}))) == ["Yes.", "I know that."]


@pytest.mark.parametrize(
    "text",
    [
        "Please call Mr. Smith and Dr. Jones now",
        "It begins at nine p.m. tomorrow in the hall",
        "The book of J. K. Rowling is on the table",
        "Wait a moment... and listen to this",
    ],
)
def test_a_full_stop_within_a_sentence_ends_nothing(text: str) -> None:
    assert texts(segment(words(text))) == [text]


def test_quotation_marks_and_other_scripts_end_sentences_too() -> None:
    assert texts(segment(words('He said "leave me alone." She left at once.'))) == [
        'He said "leave me alone."',
        "She left at once.",
    ]
    said = [SpokenWord(sign, at / 2, at / 2 + 0.5) for at, sign in enumerate("我很高兴。你呢?")]
    assert texts(segment(said)) == ["我很高兴。", "你呢?"]


def test_a_long_utterance_is_divided_at_a_comma_or_a_pause() -> None:
    said = words("word " * 20 + "word, " + "word " * 29)
    first, second = split([segment(said)])
    assert first.text.endswith("word,")
    assert len(first.text.split()) == 21
    assert all(spoken.end - spoken.start <= LONGEST for spoken in (first, second))
    assert len(next(split([segment(words("word " * 50, pauses={10: 0.5}))])).words) == 10


def test_without_a_better_place_a_long_utterance_is_divided_in_the_middle() -> None:
    assert [len(spoken.words) for spoken in split([segment(words("word " * 40))])] == [20, 20]


def test_no_word_is_lost_and_each_keeps_its_times() -> None:
    said = words("Yes. No? " * 30 + "and so on, " * 30, each=0.31, pauses={7: 3.0, 50: 0.5, 90: 0.9})
    found = list(split([segment(said[:40]), segment(said[40:41]), segment(said[41:])], channel=2))
    assert [word for spoken in found for word in spoken.words] == said
    for spoken in found:
        assert (spoken.start, spoken.end) == (spoken.words[0].start, spoken.words[-1].end)
        assert spoken.text == "".join(word.text for word in spoken.words).strip()
        assert spoken.channel == 2


def test_a_segment_without_words_is_one_utterance() -> None:
    whole = SpokenSegment(" First one. Second one.", 2.0, 4.0)
    found = list(split([segment(words("Before it")), whole, segment(words("after it", start=5))]))
    assert [(s.text, s.start, s.end) for s in found] == [
        ("Before it", 0.0, 0.8),
        ("First one. Second one.", 2.0, 4.0),
        ("after it", 5.0, 5.8),
    ]


def test_a_word_without_length_gives_an_utterance_with_one() -> None:
    (spoken,) = split([segment([SpokenWord(" Oh.", 3.0, 3.0)])])
    assert spoken.end > spoken.start
