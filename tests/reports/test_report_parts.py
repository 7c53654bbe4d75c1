"""The parts of a page: cue weights, forecasts, rows and their utterances, colours, texts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from narrow import instance

from ecef_cli.api.components import Tagger
from ecef_cli.api.dialogue import Dialogue, Utterance, words
from ecef_cli.api.errors import DataError
from ecef_cli.prediction.outcomes import Predicted, Rejected
from ecef_cli.recipe.model import build_component
from ecef_cli.reports.colours import PALETTE, channels, contrast, ink
from ecef_cli.reports.conversation import pieces
from ecef_cli.reports.cues import find_cues
from ecef_cli.reports.forecasts import check_forecasts
from ecef_cli.reports.page import LONGEST_NAME, LONGEST_TEXT, brief, visible
from ecef_cli.reports.recorder import PROBLEMS, ROWS, Recorded
from ecef_cli.tagging.pairs import tag_utterances

TEXTS = [
    ("Ann", "What a scene! There was a kangaroo in it, a kangaroo."),
    ("Ben", "What a surprise! Is it a marsupial?"),
    ("Ann", "Asleep. The kangaroo, Ben, was asleep. 🎉 Marsupials sleep."),
    ("Cid", "A dog is an animal, and an animal has a scene."),
    ("Ben", "Ann, the dog and the kangaroo are animals."),
]
DIALOGUE = Dialogue("d", tuple(Utterance(text, speaker, "d", n) for n, (speaker, text) in enumerate(TEXTS)))


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return instance(Tagger, build_component("tagger", "conceptnet", {}))


@pytest.mark.parametrize("history", [1, 2, 3, None])
def test_a_cue_word_has_the_weight_that_the_network_reads(tagger: Tagger, history: int | None) -> None:
    found = find_cues(DIALOGUE, tagger, history).utterances
    weighed = 0
    for last, utterance in enumerate(DIALOGUE.utterances):
        window = DIALOGUE.utterances[0 if history is None else max(0, last - history + 1) : last + 1]
        read = tag_utterances(window, tagger, history=None).importance(0, len(window) - 1)
        own = read[-len(words(utterance.spoken)) :]
        expected = {(w.start, w.end): int(v) for w, v in zip(words(utterance.spoken), own, strict=True) if v}
        assert {(cue.start, cue.end): cue.importance for cue in found[last] if cue.importance} == expected
        weighed += len(expected)
    assert weighed >= 2


def test_what_is_said_later_gives_no_weight(tagger: Tagger) -> None:
    for upto in range(1, len(TEXTS)):
        part = find_cues(Dialogue("d", DIALOGUE.utterances[:upto]), tagger, 3).utterances
        whole = find_cues(DIALOGUE, tagger, 3).utterances[:upto]
        for one, other in zip(part, whole, strict=True):
            heard = {(cue.start, cue.importance) for cue in other if cue.importance}
            assert {(cue.start, cue.importance) for cue in one if cue.importance} == heard


def test_pieces_are_the_text(tagger: Tagger) -> None:
    for utterance, cues in zip(DIALOGUE.utterances, find_cues(DIALOGUE, tagger, 8).utterances, strict=True):
        found = pieces(utterance.spoken, cues)
        assert "".join(piece.text for piece in found) == utterance.spoken
        assert [piece.cue for piece in found if piece.cue] == list(cues)
    (whole,) = pieces("x" * (LONGEST_TEXT + 5), ())
    assert len(whole.text) == LONGEST_TEXT


def said(*turns: tuple[str, str, str | None]) -> list[Predicted]:
    """Return rows of a speaker, what is recognised and forecast, and a label."""
    rows = []
    for n, (speaker, emotion, gold) in enumerate(turns):
        row = {"prediction": {"emotion": emotion}, "forecast": {"emotion": f"f{n}", "probabilities": {f"f{n}": 0.5}}}
        rows.append(Predicted(Utterance("x", speaker, "d", n, emotion=gold), row))
    return rows


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("next", [(0, 1), (1, 2), (2, 3)]),
        ("other", [(0, 2), (1, 2), (2, 3)]),
        ("own", [(0, 1), (1, 3)]),
    ],
)
def test_a_forecast_is_held_against_the_utterance_it_is_about(target: str, expected: list[tuple[int, int]]) -> None:
    rows = said(("A", "joy", None), ("A", "joy", None), ("B", "f1", "fear"), ("A", "f2", None))
    checks = check_forecasts(rows, target)
    assert [(check.made, check.came) for check in checks] == expected
    for check in checks:
        gold = rows[check.came].utterance.emotion
        assert check.judge == (gold or rows[check.came].row["prediction"]["emotion"])
        assert check.agrees == (check.forecast == check.judge)


def test_without_recognition_and_label_a_forecast_is_not_judged() -> None:
    rows = said(("A", "joy", None), ("B", "joy", None))
    (check,) = check_forecasts([Predicted(one.utterance, {"forecast": one.row["forecast"]}) for one in rows], "next")
    assert (check.recognised, check.judge, check.agrees) == (None, None, None)


def test_a_report_has_each_prediction_and_each_problem() -> None:
    fault = DataError("broken", where="f:2")
    items: list[Predicted | Rejected] = [*said(("A", "joy", None)), Rejected(fault), *said(("B", "joy", None))]
    items.append(Predicted(Utterance("five", "A", "d", 5), {}, DataError("no recording")))
    recorded = Recorded()
    assert list(recorded.recording(items)) == items
    assert recorded.answered == [items[0], *items[2:]]
    assert recorded.problems == ["left out: f:2: broken", "without its recording: no recording"]
    assert (recorded.rows, recorded.troubled) == (3, 2)


def test_a_report_of_a_long_stream_is_bounded() -> None:
    recorded = Recorded()
    items: list[Predicted | Rejected] = [
        *said(*[("A", "joy", None)] * (ROWS + 5)),
        *[Rejected(DataError("broken"))] * (PROBLEMS + 5),
    ]
    assert list(recorded.recording(items)) == items
    assert (recorded.rows, recorded.troubled) == (ROWS + 5, PROBLEMS + 5)
    assert (len(recorded.answered), len(recorded.problems)) == (ROWS, PROBLEMS)


def test_text_on_every_colour_can_be_read_and_neighbours_differ() -> None:
    ratios = [contrast(*channels(code), of=float(ink(*channels(code)) == "white")) for code in PALETTE]
    assert min(ratios) >= 4.5
    assert all(one != other for one, other in pairwise(PALETTE))
    assert contrast(1, 1, 1, of=0.0) == pytest.approx(21)


def test_texts_lose_what_no_page_may_hold_and_nothing_else() -> None:
    assert visible("a\x00b\x1bc\x85\n\td") == "a\u2400b\u241bc\ufffd\n\td"
    assert visible("naïve 🎉 \u202e مرحبا <b>&amp;") == "naïve 🎉 \ufffd مرحبا <b>&amp;"
    assert visible(b"caf\xe9".decode("utf-8", "surrogateescape")) == "caf\ufffd"
    assert len(brief("x" * 500)) == LONGEST_NAME + 1
