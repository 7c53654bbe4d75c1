"""Notes: what a model cannot read is said, and what it can read is not."""

from __future__ import annotations

import csv
import json
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ecef_cli.api.dialogue import Utterance, read_utterances, words
from ecef_cli.corpus.manifest import load_prepared
from ecef_cli.corpus.tolerance import RowCount, Tolerance
from ecef_cli.prediction.notes import Reader
from ecef_cli.prediction.outcomes import Predicted
from ecef_cli.prediction.predictor import Predictor
from ecef_cli.prediction.stream import predictions
from ecef_cli.runs.run import Run
from ecef_cli.samples.windows import text_window
from ecef_cli.workspace import Workspace

ENGLISH = Reader("en", longest=512, hears=False)


def said(text: str, **more: Any) -> Utterance:
    return Utterance(text, "A", "d", 1, **more)


def noted(text: str, before: Sequence[str] = (), reader: Reader = ENGLISH) -> list[str]:
    return [note.text for note in reader.notes([said(t) for t in (*before, text)], text, 0)]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("de", "Ich hasse dich, du hast mein Auto kaputt gemacht!"),
        ("de", "ICH HASSE DICH, DU HAST MEIN AUTO KAPUTT GEMACHT!"),
        ("fr", "Laisse-moi tranquille, s'il te plaît."),
        ("es", "Estoy muy contento de verte"),
        ("it", "Sono molto felice di vederti"),
        ("nl", "Ik haat je, je hebt mijn auto kapot gemaakt"),
        ("tr", "Seni gördüğüme çok sevindim"),
        ("pl", "Nienawidzę cię, zepsułeś mi samochód 😡"),
    ],
)
def test_another_language_is_noted(code: str, text: str) -> None:
    assert noted(text) == [f"the language seems to be {code!r}, but the model was trained on 'en'"]
    assert noted(text, reader=Reader(None, 512, hears=False)) == []
    assert noted(text, reader=Reader(code, 512, hears=False)) == []


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("Cyrillic", "Привет, как дела?"),
        ("Cjk", "你好吗"),
        ("Arabic", "كيف حالك"),
        ("Greek", "\u03b3\u03b5\u03b9\u03b1 \u03c3\u03bf\u03c5"),
        ("Hangul", "안녕하세요"),
    ],
)
def test_another_script_is_noted(script: str, text: str) -> None:
    assert noted(text) == [f"the script is {script}, but the model was trained on 'en'"]


@pytest.mark.parametrize("language", ["ru", "zh", "ja"])
def test_a_model_of_another_script_reads_it(language: str) -> None:
    assert noted("Привет 你好", reader=Reader(language, 512, hears=False)) == []


@pytest.mark.parametrize(
    "text",
    [
        "Ok.",
        "Ugh",
        "Joey!",
        "Ciao bella",
        "Hey, Mon.",
        "No no no no no no",
        "Hakuna matata",
        "Tres bien",
        "C'est la vie",
        "Hmm?!",
        "lol brb omg wtf u r gr8",
        "wanna grab lunch w me tmrw?",
        "Gimme that, ya big dork!",
        "Chandler Bing, Monica Geller, Ross Geller",
        "mi casa es su casa",
        "Café \u2013 naïve, señor?",
        "42",
        "...",
        "I heard him say \u041f\u0440\u0438\u0432\u0435\u0442 to her",
    ],
)
def test_short_and_strange_english_is_not_noted(text: str) -> None:
    assert noted(text) == []


def test_hardly_any_line_of_meld_is_noted(shared_data: Path) -> None:
    lines = []
    for split in ("train", "dev", "test"):
        with (shared_data / "meld" / f"{split}_sent_emo.csv").open(encoding="utf-8", newline="") as file:
            lines += [row["Utterance"].replace("\x92", "'") for row in csv.DictReader(file)]
    assert len(lines) > 13_000
    assert sum(bool(noted(line)) for line in lines) <= 3


def test_emoji_alone_are_noted() -> None:
    assert noted("😭😭") == ["emoji alone, read as 'loudly crying face'"]
    assert noted("Oh no 😭😭") == []


def test_a_missing_text_is_noted() -> None:
    assert noted(" ", ["Hi!"]) == ["no text: predicted from the context alone"]
    assert noted("") == noted("", [""]) == ["no text and no context: the prediction is the model's prior"]
    hearing = Reader("en", 512, hears=True)
    heard = said("", audio=Path("a.wav"))
    assert hearing.notes([heard], "", 0) == ()
    assert [note.text for note in ENGLISH.notes([heard], "", 0)] == noted("")
    assert [note.text for note in hearing.notes([heard, said("")], "", 0)] == noted("", ["Hi!"])
    assert Reader(None, None, hears=True).notes([heard], "", 0) == ()


def test_long_texts_are_cut_to_what_the_encoder_can_read() -> None:
    reader = Reader("en", longest=8, hears=False)
    text = "a b c d e f g h i j"
    assert reader.shortened(said(text)).text == "c d e f g h i j"
    assert reader.shortened(said("a b, c d")).text == "a b, c d"
    endless = reader.shortened(said("x" * 10**7)).text
    assert len(endless) == 800
    cut = reader.shortened(said(text))
    assert [note.text for note in reader.notes([cut], text, 3)] == [
        "longer than the model reads: only the last 5 of 10 words are read"
    ]


def predicted(predictor: Predictor, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    lines = [json.dumps(row).encode() for row in rows]
    utterances = read_utterances(lines, name="talk.jsonl", dialogue="talk", allow_empty=True)
    items = predictions(predictor, utterances, RowCount(Tolerance.parse("0"), "talk.jsonl"))
    return [dict(item.row) for item in items if isinstance(item, Predicted)]


@pytest.fixture(scope="module")
def predictor(toy_run: Run) -> Predictor:
    return Predictor(toy_run, device="cpu")


def test_an_empty_text_never_ends_the_command(predictor: Predictor, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"speaker": "A", "text": text} for text in ("", "I am so happy!", None, "  ", "Yes.")]
    found = predicted(predictor, *rows)
    assert [row.get("note") for row in found] == [
        "no text and no context: the prediction is the model's prior",
        None,
        "no text: predicted from the context alone",
        "no text: predicted from the context alone",
        None,
    ]
    assert all(row["prediction"]["emotion"] for row in found)
    assert capsys.readouterr().err == "3 rows have a note, see 'note' in the output: 3 without text\n"


def test_notes_are_counted_once_at_the_end(predictor: Predictor, capsys: pytest.CaptureFixture[str]) -> None:
    found = predicted(predictor, {"speaker": "A", "text": "😭"}, {"speaker": "A", "text": "Hi!", "note": "mine"})
    assert found[0]["note"] == "emoji alone, read as 'loudly crying face'"
    assert found[1]["note"] == "mine"
    assert found[0]["text"] == "😭"
    assert capsys.readouterr().err == "1 row has a note, see 'note' in the output: 1 with emoji alone\n"
    predicted(predictor, {"speaker": "A", "text": "Hi!"})
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of the peak differs")
def test_a_row_of_ten_thousand_words_takes_bounded_memory(predictor: Predictor) -> None:
    limit = predictor.reader.longest
    assert limit is not None
    text = " ".join(f"happy house friend{number % 400}" for number in range(10_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = predicted(predictor, {"speaker": "A", "text": text}, {"speaker": "B", "text": "Great, we won!"})
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # KiB
    assert found[0]["text"] == text
    kept = int(found[0]["note"].split()[-6].replace(",", ""))
    assert found[0]["note"].endswith(f"only the last {kept:,} of 30,000 words are read")
    assert 0 < kept < limit
    assert "note" not in found[1]


def test_an_utterance_a_little_too_long_is_noted(predictor: Predictor) -> None:
    """As many words as the model has tokens fit in only if each takes one token, and none is left for the speaker."""
    limit = predictor.reader.longest
    assert limit is not None
    text = "happy " * limit
    [row] = predicted(predictor, {"speaker": "A", "text": text})
    assert row["note"].startswith("longer than the model reads: only the last ")
    assert "note" not in predicted(predictor, {"speaker": "A", "text": "happy"})[0]


def test_the_window_of_an_emoji_is_that_of_its_name(predictor: Predictor) -> None:
    assert text_window([said("😭 now")]) == text_window([said("loudly crying face now")])
    crying, named = (predictor.predict([[said(text)]])[0] for text in ("😭 now", "loudly crying face now"))
    assert crying.as_dict() == named.as_dict()


def test_datasets_with_emoji_have_another_key(tmp_path: Path, toy_workspace: Workspace) -> None:
    from ecef_cli.api.components import Corpus
    from ecef_cli.api.dialogue import Dialogue
    from ecef_cli.corpus.manifest import save_prepared
    from ecef_cli.workspace import content_key

    workspace = Workspace(tmp_path)
    for name, text in (("plain", "Oh no"), ("smiling", "Oh no 😭")):
        corpus = Corpus(("joy",), {"train": (Dialogue("d", (said(text, emotion="joy"),)),), "dev": (), "test": ()}, ())
        save_prepared(workspace, name, corpus, {"sources": {}})
        prepared = load_prepared(workspace, name)
        manifests = json.loads((workspace.dataset(name) / "dataset.json").read_text())["manifests"]
        assert (prepared.key == content_key(manifests)) == (name == "plain")
    assert len(words(said("😭").spoken)) == 3
