"""The held-out sheet of everyday dialogue: its form, its balance, and that nothing of MELD is in it."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from ecef_cli.api.dialogue import Utterance, read_dialogues

BENCHMARKS = Path(__file__).parent / "benchmarks"
EMOTIONS = {"neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"}
KINDS = {"plain", "threat", "firm demand", "sympathy", "sarcasm", "fright", "disbelief"}
SETTINGS = {"service", "shop", "travel", "doctor", "family", "friends", "office", "neighbours", "school"}
DIALOGUES = read_dialogues(BENCHMARKS / "everyday.jsonl")
LINES = [line for dialogue in DIALOGUES for line in dialogue.utterances]


def first(line: Utterance) -> str:
    found: str = line.row["accept"][0]
    return found


def spoken(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", re.sub("['\N{RIGHT SINGLE QUOTATION MARK}\x92]", "", text.lower())))


def test_dialogues_hold_six_to_twelve_lines_and_two_speakers_or_more() -> None:
    assert {len(d.utterances) for d in DIALOGUES} <= set(range(6, 13))
    assert all(len({line.speaker for line in d.utterances}) > 1 for d in DIALOGUES)


def test_the_mood_of_every_dialogue_changes() -> None:
    for dialogue in DIALOGUES:
        assert len({first(line) for line in dialogue.utterances}) >= 3, dialogue.id


def test_lines_accept_one_to_three_known_emotions() -> None:
    for line in LINES:
        accepted = line.row["accept"]
        assert set(accepted) <= EMOTIONS, line.where
        assert 1 <= len(accepted) == len(set(accepted)) <= 3, line.where


def test_lines_have_no_gold_label_that_a_model_could_be_trained_on() -> None:
    assert [line.where for line in LINES if line.emotion is not None] == []


def test_a_dialogue_has_one_setting_and_every_setting_has_dialogues() -> None:
    settings = [{line.row["setting"] for line in d.utterances} for d in DIALOGUES]
    assert all(len(found) == 1 for found in settings)
    assert set().union(*settings) == SETTINGS


def test_every_emotion_comes_first_in_25_lines_and_neutral_in_35_percent_at_most() -> None:
    counts = Counter(map(first, LINES))
    assert set(counts) == EMOTIONS
    assert min(counts.values()) >= 25
    assert counts["neutral"] <= 0.35 * len(LINES)


def test_every_kind_has_12_lines() -> None:
    counts = Counter(line.row["kind"] for line in LINES)
    assert set(counts) == KINDS
    assert min(counts.values()) >= 12


def test_no_line_comes_twice() -> None:
    assert [text for text, count in Counter(spoken(line.text) for line in LINES).items() if count > 1] == []


def test_the_page_states_the_counts_of_the_sheet() -> None:
    page = (BENCHMARKS / "everyday.md").read_text(encoding="utf-8")
    assert f"{len(LINES)} lines in {len(DIALOGUES)} dialogues" in page
    accepted = Counter(len(line.row["accept"]) for line in LINES)
    assert f"in {accepted[1]} lines, two in {accepted[2]} and three in {accepted[3]}" in page
    counts = Counter(map(first, LINES)) + Counter(line.row["kind"] for line in LINES)
    counts += Counter(line.row["setting"] for line in LINES)
    stated = {name: int(count) for name, count in re.findall(r"^\| ([a-z ]+) \| (\d+) \|", page, flags=re.MULTILINE)}
    assert stated == counts


def test_no_line_is_of_meld(shared_data: Path) -> None:
    files = sorted((shared_data / "meld").glob("*_sent_emo.csv"))
    if not files:
        pytest.skip(f"no MELD in {shared_data}")
    known = set()
    for file in files:
        with file.open(encoding="utf-8", errors="replace", newline="") as rows:
            known |= {spoken(row["Utterance"]) for row in csv.DictReader(rows)}
    assert [line.text for line in LINES if spoken(line.text) in known] == []
