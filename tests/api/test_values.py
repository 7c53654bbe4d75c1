"""Labels, speakers and times as people write them."""

from __future__ import annotations

import pytest

from ecef_cli.api.values import alike_labels, alike_names, clean_name, fold_label, is_missing, parse_seconds


def test_labels_that_mean_one_emotion_are_alike() -> None:
    labels = [
        "joy",
        "JOY",
        "Joy ",
        "happiness",
        "neutral/none",
        "No_Emotion",
        "sad",
        "terrified",
        "afraid",
        "joy/anger",
    ]
    assert alike_labels(labels) == (("joy", "JOY", "Joy ", "happiness"), ("neutral/none", "No_Emotion"))


def test_labels_of_the_fields_corpora_stay_apart() -> None:
    meld = ["neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"]
    iemocap = ["ang", "hap", "exc", "sad", "fru", "fea", "sur", "neu", "dis", "oth", "xxx"]
    emorynlp = ["Joyful", "Mad", "Neutral", "Peaceful", "Powerful", "Sad", "Scared"]
    empathetic = [
        "afraid",
        "angry",
        "annoyed",
        "anticipating",
        "anxious",
        "apprehensive",
        "ashamed",
        "caring",
        "confident",
        "content",
        "devastated",
        "disappointed",
        "disgusted",
        "embarrassed",
        "excited",
        "faithful",
        "furious",
        "grateful",
        "guilty",
        "hopeful",
        "impressed",
        "jealous",
        "joyful",
        "lonely",
        "nostalgic",
        "prepared",
        "proud",
        "sad",
        "sentimental",
        "surprised",
        "terrified",
        "trusting",
    ]
    goemotions = [
        "admiration",
        "amusement",
        "anger",
        "annoyance",
        "approval",
        "caring",
        "confusion",
        "curiosity",
        "desire",
        "disappointment",
        "disapproval",
        "disgust",
        "embarrassment",
        "excitement",
        "fear",
        "gratitude",
        "grief",
        "joy",
        "love",
        "nervousness",
        "optimism",
        "pride",
        "realization",
        "relief",
        "remorse",
        "sadness",
        "surprise",
        "neutral",
    ]
    for labels in (meld, iemocap, emorynlp, empathetic, goemotions, ["喜", "怒"], ["😀", "😡"], ["1", "2", "-1"]):
        assert alike_labels(labels) == ()


@pytest.mark.parametrize("label", ["nan", "NaN", "None", "N/A", "NULL", "<NA>", " ", "#N/A", "\ufeffnan"])
def test_words_for_missing_values_are_no_labels(label: str) -> None:
    assert is_missing(label)
    assert not is_missing("neutral")
    assert is_missing(label, ()) is not bool(label.strip())


def test_names_lose_what_nobody_sees() -> None:
    assert clean_name("\ufeff Ross\u00a0 Geller\u200b\u200e ") == "Ross Geller"
    assert clean_name("Zoe\u0308") == "Zo\u00eb"
    assert (
        clean_name("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645")
        == "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    )


def test_names_that_look_alike_are_found() -> None:
    names = ["Ross", "ROSS", "R\u043ess", "Mr. Geller", "mr geller", "Ann", "Anne", "A1", "A2", "?", "*"]
    assert alike_names(names) == (("Ross", "ROSS", "R\u043ess"), ("Mr. Geller", "mr geller"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("71.4", 71.4), ("71,4", 71.4), (" 1:11.4 ", 71.4), ("00:01:11,400", 71.4), ("100:00", 6000), ("1e3", 1000)],
)
def test_times_are_seconds(text: str, seconds: float) -> None:
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "nan", "inf", "1:75", "1:75:00", "1,234.5", "soon", "1,234"])
def test_what_is_no_time_or_ambiguous_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"a number of seconds|below 60|unambiguous"):
        parse_seconds(text)


def test_a_comma_means_what_the_caller_says() -> None:
    assert parse_seconds("1,234", ",") == pytest.approx(1.234)
    assert parse_seconds("1,234.5", ".") == pytest.approx(1234.5)
    with pytest.raises(ValueError, match="decimal point"):
        parse_seconds("12,5", ".")


def test_folding_is_idempotent() -> None:
    for label in ("Happy", "neutral/none", "joy/anger", "!!"):
        assert fold_label(fold_label(label)) == fold_label(label)
