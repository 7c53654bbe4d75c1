"""`ecef predict --report`: what stands in the page, and what must not come of it."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import save_voice
from narrow import present
from page_reader import HOSTILE, Element, check_page, read_page

from ecef_cli.api.emojis import name_emoji
from ecef_cli.api.values import clean_name
from ecef_cli.audio.reading import read_wave
from ecef_cli.cli.main import run as run_cli
from ecef_cli.reports import recorder, sound
from ecef_cli.reports.page import LONGEST_TEXT, visible
from ecef_cli.runs.run import Run

TALK = [
    {"speaker": "Ann", "text": "What a scene! There was a kangaroo in it.", "emotion": "joy"},
    {"speaker": "Ben", "text": "Is it a marsupial?", "emotion": "anger"},
    {"speaker": "Ann", "text": "Asleep. The kangaroo was asleep."},
]

Ecef = Callable[..., tuple[int, str, str, str | None]]


@pytest.fixture
def ecef(tmp_path: Path, toy_run: Run, capsys: pytest.CaptureFixture[str]) -> Ecef:
    """Predict on rows with a report; returns exit code, stdout, stderr and the page, where there is one."""

    def run(
        rows: list[dict[str, Any]] | list[str], *options: object, model: Run = toy_run
    ) -> tuple[int, str, str, str | None]:
        file, page = tmp_path / "talk.jsonl", tmp_path / "pages" / "talk.html"
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        file.write_text("\n".join(lines), encoding="utf-8")
        command = ["predict", file, "--model", model.folder, "--report", page, "--device", "cpu", *options]
        code = run_cli(list(map(str, command)))
        out, err = capsys.readouterr()
        return code, out, err, page.read_text(encoding="utf-8") if page.exists() else None

    return run


def turns(page: Element) -> list[Element]:
    return page.find("li", class_="turn")


def said(turn: Element) -> str:
    (text,) = turn.find("p", class_="said")
    return text.text(without="tip")


def test_the_page_shows_speakers_words_emotions_probabilities_and_forecasts(ecef: Ecef) -> None:
    code, out, err, html = ecef(TALK)
    rows = [json.loads(line) for line in out.splitlines()]
    page = read_page(present(html))
    check_page(page)
    assert code == 0
    assert "report: " in err
    assert [said(turn) for turn in turns(page)] == [row["text"] for row in TALK]
    for turn, row in zip(turns(page), rows, strict=True):
        heading = turn.find("h3")[0].text()
        assert row["speaker"] in heading
        assert row["prediction"]["emotion"] in heading
        for table, key in zip(turn.find("table", class_="bars"), ("prediction", "forecast"), strict=True):
            shown = {r.find("th")[0].text(): float(r.find("td", class_="number")[0].text()) for r in table.find("tr")}
            assert shown == pytest.approx(row[key]["probabilities"], abs=0.0051)
            widths = [bar.attributes["style"] for bar in table.find("span", class_="bar")]
            assert widths == [f"width:{100 * p:.1f}%" for p in row[key]["probabilities"].values()]


def test_each_speaker_has_a_lane_whose_fields_lead_to_the_utterances(ecef: Ecef) -> None:
    page = read_page(present(ecef(TALK)[3]))
    (lanes,) = page.find("table", class_="lanes")
    rows = lanes.find("tbody")[0].find("tr")
    assert [row.find("th")[0].text() for row in rows] == ["Ann", "Ben"]
    numbers = [[a.attributes["href"] for a in row.find("a")] for row in rows]
    assert numbers == [["#u1", "#u3"], ["#u2"]]
    emotions = [turn.find("span", class_="emotion")[0].text() for turn in turns(page)]
    assert [[a.text() for a in row.find("a")] for row in rows] == [[emotions[0], emotions[2]], [emotions[1]]]


def test_cue_words_say_which_word_and_which_relation(ecef: Ecef) -> None:
    page = read_page(present(ecef(TALK)[3]))
    cues = {cue.text(): cue for turn in turns(page)[1:] for cue in turn.find("span", class_="cue")}
    tips = {tip.attributes["id"]: tip.text() for tip in page.find("span", role="tooltip")}
    assert {"marsupial", "kangaroo"} <= set(cues)
    assert all(cue.attributes["tabindex"] == "0" for cue in cues.values())
    assert "kangaroo IsA marsupial" in tips[cues["marsupial"].attributes["aria-describedby"]]
    assert "the same word" in tips[cues["kangaroo"].attributes["aria-describedby"]]
    first = turns(page)[0].find("span", class_="c0")
    assert "kangaroo" in [cue.text() for cue in first]  # only what is said later ties to it
    (pairs,) = page.find("details", class_="pairs")
    assert "kangaroo IsA marsupial" in pairs.text()  # for print, and where there is no pointer


def test_forecasts_stand_beside_what_came_and_beside_labels(ecef: Ecef) -> None:
    _, out, _, html = ecef(TALK)
    rows = [json.loads(line) for line in out.splitlines()]
    (table,) = read_page(present(html)).find("details", class_="forecasts")[0].find("tbody")
    found = [[cell.text() for cell in row.find("td")] for row in table.find("tr")]
    recognised = [row["prediction"]["emotion"] for row in rows]
    for number, cells in enumerate(found):
        forecast = rows[number]["forecast"]["emotion"]
        judge = TALK[number + 1].get("emotion", recognised[number + 1])
        assert cells[0] == str(number + 1)
        assert cells[1] == f"{forecast} {rows[number]['forecast']['probabilities'][forecast]:.2f}"
        assert cells[2:5] == [str(number + 2), recognised[number + 1], TALK[number + 1].get("emotion", "")]
        assert cells[5] == ("agrees" if forecast == judge else "differs")
    assert len(found) == 2


def test_the_rows_on_stdout_are_the_same_with_a_report(
    ecef: Ecef, toy_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _, _ = ecef(TALK)
    run_cli(["predict", str(tmp_path / "talk.jsonl"), "--model", str(toy_run.folder), "--device", "cpu"])
    plain = capsys.readouterr().out
    # Rows that arrive together are computed together, which may change the last decimal.
    assert re.sub(r"0\.\d+", "…", plain) == re.sub(r"0\.\d+", "…", out)
    assert [*map(float, re.findall(r"0\.\d+", plain))] == pytest.approx(
        [*map(float, re.findall(r"0\.\d+", out))], abs=1e-5
    )
    _, table, _, _ = ecef(TALK, "--format", "table")
    assert "next will feel" in table


def test_hostile_text_is_shown_as_it_is_and_does_nothing(ecef: Ecef) -> None:
    rows = [
        {
            "speaker": text[:60].strip() or "?",
            "text": text,
            "dialogue": text[:30],
            "utterance": text[:20],
            "emotion": text[:9],
        }
        for text in HOSTILE
    ]
    code, _, _, html = ecef(rows)
    page = read_page(present(html))
    check_page(page)
    assert code == 0
    for turn, text in zip(turns(page), HOSTILE, strict=True):
        shown = visible(name_emoji(text)[:LONGEST_TEXT])
        assert said(turn).startswith(shown)
        assert turn.attributes["data-speaker"] == visible(clean_name(text[:60]))
    assert not {"xss", "svg", "img"} & {element.tag for element in page.all()}
    assert len(page.find("nav")[0].find("a")) == len({text[:30] for text in HOSTILE})
    assert "\x07" not in present(html)
    assert "\x00" not in present(html)
    assert f"{9000 - LONGEST_TEXT:,} characters more" in present(html)


def test_rows_that_cannot_be_read_are_listed(ecef: Ecef) -> None:
    rows = [json.dumps(TALK[0]), "<script>no JSON</script>", '{"text": "who?"}', json.dumps(TALK[1])]
    code, out, _, html = ecef(rows, "--tolerate", "2")
    page = read_page(present(html))
    check_page(page)
    assert code == 0
    problems = [item.text() for item in page.find("ul", class_="problems")[0].find("li")]
    assert ["talk.jsonl:2" in problems[0], "talk.jsonl:3" in problems[1]] == [True, True]
    assert [said(turn) for turn in turns(page)] == [TALK[0]["text"], TALK[1]["text"]]
    assert len(out.splitlines()) == 2


def test_a_row_too_many_that_cannot_be_read_leaves_no_page(ecef: Ecef) -> None:
    code, out, err, html = ecef([json.dumps(TALK[0]), "no JSON"])
    assert code == 3
    assert err.count("\n") == 1
    assert html is None
    assert len(out.splitlines()) == 1


def test_a_long_stream_is_answered_whole_and_shown_in_part(ecef: Ecef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "ROWS", 40)
    code, out, _, html = ecef([{**TALK[n % 3], "dialogue": f"d{n // 30}"} for n in range(100)])
    page = read_page(present(html))
    check_page(page)
    assert code == 0
    assert len(out.splitlines()) == 100
    assert len(turns(page)) == 40
    assert "Only the first 40 of 100 utterances" in page.find("header")[0].text()
    assert [a.text() for a in page.find("nav")[0].find("a")] == ["d0", "d1"]
    (first, _) = page.find("section", class_="talk")
    assert len(first.find("table", class_="lanes")) == 3  # 30 utterances in systems of 12


def test_the_page_says_which_model_it_is_and_what_it_cannot(ecef: Ecef, toy_run: Run) -> None:
    from ecef_cli.workspace import checksum

    footer = read_page(present(ecef(TALK)[3])).find("footer")[0].text()
    assert checksum(toy_run.weights) in footer
    assert all(label in footer for label in toy_run.labels)
    assert "the last 3 utterances; never a later one" in footer
    assert "not calibrated" in footer
    assert "Do not use it to judge people." in footer


@pytest.fixture
def spoken(tmp_path: Path) -> list[dict[str, Any]]:
    save_voice(tmp_path / "a.flac", "joy", 1)
    save_voice(tmp_path / "b.wav", "anger", 2)
    whole = {"speaker": "Ann", "text": "Hello there.", "audio": "a.flac"}
    return [whole, {"speaker": "Ben", "text": "", "audio": "b.wav", "start": 0.1, "end": 0.3}]


def test_recordings_can_be_heard_and_seen(
    ecef: Ecef, spoken: list[dict[str, Any]], heard_run: Run, tmp_path: Path
) -> None:
    code, _, _, html = ecef(spoken, model=heard_run)
    page = read_page(present(html))
    check_page(page)
    assert code == 0
    players = [audio.attributes["src"].partition(",")[2] for audio in page.find("audio")]
    for data, times in zip(players, ((None, None), (0.1, 0.3)), strict=True):
        wave, rate = soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="float32")
        path = tmp_path / ("a.flac" if times[0] is None else "b.wav")
        expected = read_wave(path, rate=sound.RATE, start=times[0], end=times[1])
        assert rate == sound.RATE
        assert len(wave) / rate == pytest.approx(len(expected) / rate, abs=0.1)
        assert np.square(wave).sum() == pytest.approx(np.square(expected).sum(), rel=0.1)
        assert np.correlate(wave, expected, "valid").max() > 0.9 * np.square(expected).sum()
    assert all(len(svg.find("path", class_="energy")[0].attributes["d"]) > 50 for svg in page.find("svg"))
    assert said(turns(page)[1]) == "(no words)"
    assert ecef(spoken, model=heard_run)[3] == html  # the same bytes again


def test_the_pitch_of_a_voice_is_found(ecef: Ecef, spoken: list[dict[str, Any]], heard_run: Run) -> None:
    from conftest import VOICES

    caption = read_page(present(ecef(spoken[:1], model=heard_run)[3])).find("figcaption")[0].text()
    pitch = float(caption.partition("pitch ")[2].partition(" Hz")[0])
    assert pitch == pytest.approx(VOICES["joy"][0], rel=0.06)


def test_sound_beyond_the_limit_is_left_out_and_said_so(
    ecef: Ecef, spoken: list[dict[str, Any]], heard_run: Run
) -> None:
    page = read_page(present(ecef(spoken, "--report-audio", "0", model=heard_run)[3]))
    assert page.find("audio") == []
    assert len(page.find("svg")) == 2
    assert "2 recordings are left out" in page.find("header")[0].text()
    some = read_page(present(ecef(spoken, "--report-audio", "0.004", model=heard_run)[3]))
    assert len(some.find("audio")) == 1


def test_a_recording_that_is_too_long_for_a_page(
    ecef: Ecef, spoken: list[dict[str, Any]], heard_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sound, "LONGEST", 0.3)
    code, _, err, html = ecef(spoken, model=heard_run)
    page = read_page(present(html))
    assert code == 0
    assert len(page.find("audio")) == 1
    assert "lasts" in turns(page)[0].find("p", class_="note")[0].text()
    assert "left out of the report" in err.splitlines()[0]


def test_a_recording_that_a_model_of_text_never_asked_for(ecef: Ecef) -> None:
    code, _, err, html = ecef([{**TALK[0], "audio": "<i>gone</i>.wav"}, TALK[1]])
    page = read_page(present(html))
    check_page(page)
    assert code == 0
    assert "there is no such file" in turns(page)[0].text()
    assert err.count("warning: ") == 1


def test_a_recording_that_a_model_of_speech_cannot_read(
    ecef: Ecef, spoken: list[dict[str, Any]], fused_run: Run
) -> None:
    rows = [{**spoken[0], "audio": "gone.wav"}, spoken[1]]
    code, out, err, html = ecef(rows, model=fused_run)
    assert (code, out, html) == (3, "", None)
    assert err.count("\n") == 1
    assert "talk.jsonl:1" in err
    code, _, _, html = ecef(rows, "--tolerate", "1", model=fused_run)
    page = read_page(present(html))
    assert code == 0
    assert "could not be read" in turns(page)[0].find("p", class_="note")[0].text()
    assert len(page.find("audio")) == 1


@pytest.mark.parametrize(
    ("file", "report", "expected"),
    [
        ("-", "page.html", "standard input is answered line by line"),
        ("talk.jsonl", "-", "stdout has the rows"),
        ("talk.jsonl", "talk.jsonl", "is the input file"),
        ("talk.jsonl", ".", "is a folder"),
        ("talk.jsonl", "talk.jsonl/page.html", "cannot be written"),
        ("talk.jsonl", "/proc/nowhere/page.html", "cannot be written"),
    ],
)
def test_a_page_that_cannot_be_is_refused_before_any_work(
    file: str,
    report: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talk.jsonl").write_text(json.dumps(TALK[0]))
    code = run_cli(["predict", file, "--report", report])
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert expected in err
    assert (tmp_path / "talk.jsonl").read_text() == json.dumps(TALK[0])


def test_a_missing_file_is_told_and_leaves_no_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["predict", str(tmp_path / "gone.jsonl"), "--report", str(tmp_path / "page.html")]) == 3
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "page.html").exists()
