"""Windows end at an utterance; targets are of that utterance or the next."""

from __future__ import annotations

from dataclasses import replace

from ecef_cli.api.dialogue import Dialogue, Utterance
from ecef_cli.recipe.labels import label_sets
from ecef_cli.recipe.sections import SENTIMENT
from ecef_cli.samples.windows import NO_TARGET, samples, text_window, turns_ago, windows

LABELS = ("neutral", "joy", "anger")


def said(speaker: str, text: str, emotion: str | None = None) -> Utterance:
    return Utterance(text, speaker, "d", 0, emotion=emotion)


TALK = Dialogue(
    "d",
    (
        said("Ann", "hi there", "joy"),
        said("Bob", "", None),
        said("Ann", "go!", "anger"),
        said("Cy", "why", "neutral"),
    ),
)


def test_a_window_holds_the_last_utterances_up_to_its_own() -> None:
    texts = [[turn.text for turn in window.turns] for window in windows([TALK, TALK], 2)]
    expected = [["hi there"], ["hi there", ""], ["", "go!"], ["go!", "why"]]
    assert texts == expected * 2


def test_speakers_are_numbered_in_the_order_of_first_appearance_within_the_window() -> None:
    assert [turn.speaker for turn in text_window(TALK.utterances).turns] == [0, 1, 0, 2]
    assert [turn.speaker for turn in text_window(TALK.utterances[1:]).turns] == [0, 1, 2]


def test_erc_asks_for_the_last_utterance_and_epc_for_the_next() -> None:
    found = samples("train", [TALK], history=2, tasks=["erc", "epc"], labels=LABELS)
    assert [s.targets["erc"] for s in found] == [1, NO_TARGET, 2, 0]
    assert [s.targets["epc"] for s in found] == [NO_TARGET, 2, 0, NO_TARGET]


def test_no_target_crosses_into_the_next_dialogue() -> None:
    found = samples("train", [TALK, TALK], history=8, tasks=["epc"], labels=LABELS)
    assert [s.targets["epc"] for s in found][3] == NO_TARGET
    assert [s.first for s in found] == [0] * 8


def test_numbers_are_places_in_the_manifest_and_positions_the_windows_length() -> None:
    found = samples("train", [TALK, TALK], history=2, tasks=["erc"], labels=LABELS)
    assert [s.number for s in found] == list(range(8))
    assert [s.positions for s in found] == [w.positions for w in windows([TALK, TALK], 2)]


def test_turns_count_back_from_the_last_utterance() -> None:
    (*_, last) = samples("train", [TALK], history=3, tasks=["erc"], labels=LABELS)
    assert turns_ago(last.sizes).tolist() == [2, 1, 1, 1, 0, 0]


def test_an_emotion_that_is_none_of_the_labels_is_no_target_and_its_utterance_context() -> None:
    talk = Dialogue("d", (said("Ann", "hi", "joy"), said("Bob", "hm", "calm"), said("Ann", "go", "anger")))
    found = samples("train", [talk], history=2, tasks=["erc", "epc"], labels=LABELS)
    assert [s.targets["erc"] for s in found] == [1, NO_TARGET, 2]
    assert [s.targets["epc"] for s in found] == [NO_TARGET, 2, NO_TARGET]
    assert [s.last - s.first for s in found] == [0, 1, 1]


def test_without_a_history_a_window_holds_the_whole_dialogue_so_far() -> None:
    long = Dialogue("d", tuple(said("AB"[n % 2], f"number {n}", "joy") for n in range(12)))
    found = samples("train", [long, TALK], history=None, tasks=["erc"], labels=LABELS)
    assert [(s.first, s.last) for s in found] == [(0, n) for n in (*range(12), *range(4))]
    assert [s.positions for s in found] == [w.positions for w in windows([long, TALK], None)]
    assert [len(w.turns) for w in windows([long], None)] == list(range(1, 13))


def test_the_sentiment_is_what_the_row_says_or_what_the_emotion_means() -> None:
    sentiments = label_sets()["sentiment3"]
    surprised = replace(said("Cy", "oh!", "surprise"), row={"sentiment": "negative"})
    talk = Dialogue("d", (*TALK.utterances, surprised, said("Bob", "oh!", "surprise")))
    found = samples("train", [talk], history=2, tasks=["erc"], labels=LABELS, sentiments=sentiments)
    names = [None if s.targets[SENTIMENT] == NO_TARGET else sentiments.labels[s.targets[SENTIMENT]] for s in found]
    assert names == ["positive", None, "negative", "neutral", "negative", None]
