"""Pages in a real browser: what is drawn, what reacts, what is asked of the network. Debian: `apt install chromium`."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from conftest import FEELINGS, save_voice
from narrow import present
from page_reader import HOSTILE
from PIL import Image

from ecef_cli.cli.main import run
from ecef_cli.reports.evaluation import Line, Mistake, Section, eval_report
from ecef_cli.reports.model import identify
from ecef_cli.reports.tables import Table
from ecef_cli.runs.run import Run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path")


def command(page: Path, *options: str) -> list[str]:
    profile = page.parent / f"profile-{len(list(page.parent.glob('profile-*')))}"
    return [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-background-networking",
        f"--user-data-dir={profile}",
        *options,
        page.as_uri(),
    ]


def chromium(page: Path, *options: str) -> str:
    """Open a page and return its document as it is once everything has come to rest."""
    return subprocess.run(command(page, *options), check=True, capture_output=True, text=True, timeout=300).stdout


def with_script(page: Path, done: str, script: str) -> Path:
    """Return a copy of a page with a script that its policy lets run; `done(found)` is what it says `done` does."""
    first = (
        "window.broken = [];"
        "document.addEventListener('securitypolicyviolation', (e) => broken.push(e.violatedDirective));"
        "window.addEventListener('error', (e) => broken.push(String(e.message)));"
    )
    last = f"const done = (found) => {{ {done} }};\n{script}"
    text = page.read_text(encoding="utf-8")
    for source in (first, last):
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        text = text.replace("script-src ", f"script-src 'sha256-{digest}' ", 1)
    text = text.replace("<title>", f"<script>{first}</script>\n<title>", 1)
    text = text.replace("</body>", f"<script>{last}</script>\n</body>", 1)
    copy = page.parent / "driven.html"
    copy.write_text(text, encoding="utf-8")
    return copy


def driven(page: Path, script: str, *options: str) -> Any:
    """Return what a script finds in a page; timers run as fast as they can."""
    copy = with_script(page, "document.title = JSON.stringify(found);", script)
    found = chromium(copy, "--dump-dom", "--virtual-time-budget=3000", *options)
    title = re.search(r"<title>(.*?)</title>", found, re.DOTALL)
    assert title is not None
    return json.loads(html.unescape(title.group(1)))


def driven_in_time(page: Path, script: str, place: str, asked: list[str]) -> Any:
    """Return what a script finds in a page at the pace of a clock, as players need it; it tells the server."""
    copy = with_script(page, f"new Image().src = '{place}/done?' + encodeURIComponent(JSON.stringify(found));", script)
    text = copy.read_text(encoding="utf-8").replace("img-src data:", f"img-src data: {place}", 1)
    copy.write_text(text, encoding="utf-8")
    browser = subprocess.Popen(
        command(copy, "--remote-debugging-port=0"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 120
        while not asked and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        browser.terminate()
        browser.wait(30)
    return json.loads(unquote(asked.pop().partition("?")[2]))


@pytest.fixture(scope="module")
def requests() -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and the paths that it has been asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.fixture(scope="module")
def page(fused_run: Run, tmp_path_factory: pytest.TempPathFactory, requests: tuple[str, list[str]]) -> Path:
    """A page of a talk with recordings, hostile texts, cue words and two dialogues."""
    folder = tmp_path_factory.mktemp("page")
    save_voice(folder / "a.flac", "joy", 1)
    texts = ["There is a kangaroo.", "Is it a marsupial? The kangaroo?", *FEELINGS["joy"]]
    texts += [text.replace("PLACE", requests[0]) for text in HOSTILE]
    rows = [
        {"speaker": ("Ann", "Ben", text[:50].strip())[n % 3], "text": text, "dialogue": "one" if n < 5 else "two<b>"}
        for n, text in enumerate(texts)
    ]
    rows[1]["audio"] = "a.flac"
    (folder / "talk.jsonl").write_text("\n".join(map(json.dumps, rows)))
    out = folder / "page.html"
    arguments = ["predict", folder / "talk.jsonl", "--model", fused_run.folder, "--report", out, "--device", "cpu"]
    assert run(list(map(str, arguments))) == 0
    return out


def test_nothing_is_loaded_and_nothing_hostile_runs(page: Path, requests: tuple[str, list[str]]) -> None:
    script = """
    addEventListener('load', () => setTimeout(() => done({
      owned: typeof window.owned, broken: window.broken, headings: document.querySelectorAll('h1').length,
      loaded: performance.getEntriesByType('resource').map((e) => e.name).filter((n) => !n.startsWith('data:')),
    }), 500));
    """
    found = driven(page, script)
    assert found == {"owned": "undefined", "broken": [], "headings": 1, "loaded": []}
    assert requests[1] == []


def test_the_policy_stops_what_would_load_or_run(page: Path, requests: tuple[str, list[str]]) -> None:
    """Had a text slipped through, the page's policy would still hold it."""
    script = f"""
    document.body.insertAdjacentHTML('beforeend',
      '<img src="{requests[0]}/i"><audio src="{requests[0]}/a" preload="auto"></audio><p onclick="owned = 1">');
    document.querySelector('p[onclick]').click();
    const s = document.createElement('script'); s.textContent = 'owned = 2'; document.body.append(s);
    setTimeout(() => done([typeof window.owned, [...new Set(window.broken)].sort()]), 1000);
    """
    owned, broken = driven(page, script)
    assert owned == "undefined"
    assert {"img-src", "media-src"} <= set(broken)
    assert any(name.startswith("script-src") for name in broken)
    assert requests[1] == []


def test_filters_show_some_utterances_and_a_link_shows_its_own_again(page: Path) -> None:
    script = """
    const speaker = document.getElementById('by-speaker'), emotion = document.getElementById('by-emotion');
    const change = (box, value) => { box.value = value; box.dispatchEvent(new Event('change', { bubbles: true })); };
    const turns = [...document.querySelectorAll('.turn')];
    const seen = () => turns.filter((turn) => turn.offsetParent !== null);
    const all = seen().length;
    change(speaker, 'Ann');
    const ann = seen().map((turn) => turn.dataset.speaker);
    const label = document.getElementById('shown').textContent;
    change(emotion, seen()[0].dataset.emotion);
    const both = seen().map((turn) => [turn.dataset.speaker, turn.dataset.emotion]);
    const hidden = turns.find((turn) => turn.offsetParent === null);
    location.hash = hidden.id;
    const names = speaker.options.length;
    setTimeout(() => done({ all, ann, label, both, again: hidden.offsetParent !== null, names }), 200);
    """
    found = driven(page, script)
    assert found["all"] == 5 + len(HOSTILE)
    assert set(found["ann"]) == {"Ann"}
    assert found["label"] == f"{len(found['ann'])} of {found['all']} utterances"
    assert len({tuple(pair) for pair in found["both"]}) == 1
    assert found["again"]
    assert found["names"] == 1 + 2 + (5 + len(HOSTILE)) // 3


def test_a_cue_word_tells_its_relations_on_focus_and_escape_hides_them(page: Path) -> None:
    script = """
    const cue = [...document.querySelectorAll('.cue')].find((word) => word.textContent === 'marsupial');
    const tip = document.getElementById(cue.getAttribute('aria-describedby'));
    const look = () => getComputedStyle(tip).display;
    const before = look();
    cue.focus();
    const box = tip.getBoundingClientRect(), word = cue.getBoundingClientRect();
    const open = [look(), tip.textContent, box.top >= word.bottom - 2, box.right <= innerWidth];
    document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
    const closed = look();
    cue.blur();
    cue.focus();
    done([before, open, closed, look()]);
    """
    before, (display, text, below, inside), closed, again = driven(page, script)
    assert (before, display, closed, again) == ("none", "block", "none", "block")
    assert "kangaroo IsA marsupial" in text
    assert below
    assert inside


def test_a_recording_can_be_played_and_its_curves_follow(page: Path, requests: tuple[str, list[str]]) -> None:
    script = """
    const audio = document.querySelector('audio'), head = document.querySelector('.playhead');
    const places = [0.1, 0.99, 0.5];
    const ready = () => {
      const next = () => {
        if (places.length) audio.currentTime = audio.duration * places.shift();
        else setTimeout(() => done([audio.duration, head.getAttribute('transform')]), 50);
      };
      audio.addEventListener('seeked', next);
      next();
    };
    audio.addEventListener('error', () => done(['error', String(audio.error && audio.error.message)]));
    audio.readyState ? ready() : audio.addEventListener('loadedmetadata', ready);
    """
    duration, place = driven_in_time(page, script, *requests)
    assert 0.4 <= duration <= 0.6
    assert float(present(re.search(r"translate\(([\d.]+)", place))[1]) == pytest.approx(500, abs=40)


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_sticks_out_of_a_screen(page: Path, width: int) -> None:
    script = """
    const wide = [...document.querySelectorAll('main *, header *, footer *')].filter((element) =>
      !element.closest('.score, .wide, .tip, .unseen') && element.getBoundingClientRect().right > innerWidth + 1);
    done([innerWidth, document.documentElement.scrollWidth, wide.map((e) => e.outerHTML.slice(0, 80))]);
    """
    inner, scrolled, wide = driven(page, script, f"--window-size={width},900")
    assert inner <= max(width, 500)  # Chromium's windows are no narrower
    assert scrolled <= inner
    assert wide == []


DARK = "--blink-settings=preferredColorScheme=0"


@pytest.mark.parametrize("scheme", [[], [DARK]], ids=["light", "dark"])
def test_text_has_enough_contrast_with_what_it_stands_on(page: Path, scheme: list[str]) -> None:
    script = """
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
    const ground = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const found = parse(getComputedStyle(at).backgroundColor);
        if (found.length < 4 || found[3] > 0) return found;
      }
      throw Error('the body has a colour');
    };
    const poor = {};
    let count = 0;
    for (const element of document.querySelectorAll('body *')) {
      if (![...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
      if (element.closest('script, option, select')) continue;
      const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      count += 1;
      if (ratio < 4.5) poor[`${element.tagName}.${element.className}`] = ratio;
    }
    done([count, poor]);
    """
    count, poor = driven(page, script, *scheme)
    assert count > 100
    assert poor == {}


def test_a_page_is_dark_if_the_reader_wants_it(page: Path) -> None:
    script = "done(getComputedStyle(document.body).backgroundColor);"
    assert [driven(page, script), driven(page, script, DARK)] == ["rgb(255, 255, 255)", "rgb(22, 22, 21)"]


def test_a_narrow_window_says_that_the_timeline_scrolls(page: Path) -> None:
    script = """
    const score = document.querySelector('.score');
    done([score.scrollWidth > score.clientWidth, document.querySelector('.hint').checkVisibility()]);
    """
    assert driven(page, script, "--window-size=1280,900") == [False, False]
    assert driven(page, script, "--window-size=500,900") == [True, True]


def test_without_scripts_everything_but_the_filter_is_there(page: Path) -> None:
    silent = page.parent / "silent.html"
    silent.write_text(re.sub(r"<script>.*?</script>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL))
    found = chromium(silent, "--dump-dom")
    (form,) = re.findall(r'<form id="filters"[^>]*>', found)
    assert "hidden" in form
    assert found.count('class="turn"') == 5 + len(HOSTILE)
    assert "kangaroo IsA marsupial" in found


@pytest.mark.parametrize(("width", "height"), [(1280, 1400), (400, 1400)])
def test_a_page_is_drawn(page: Path, width: int, height: int, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    chromium(page, f"--screenshot={picture}", f"--window-size={width},{height}")
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(pixels, axis=0)) > 20
    assert 0.3 < (pixels.min(axis=1) > 250).mean() < 0.99


def test_a_page_can_be_printed(page: Path, tmp_path: Path) -> None:
    chromium(page, f"--print-to-pdf={tmp_path / 'page.pdf'}", "--no-pdf-header-footer")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


def test_the_page_of_an_evaluation_holds_hostile_labels_and_texts(
    toy_run: Run, tmp_path: Path, requests: tuple[str, list[str]]
) -> None:
    from ecef_cli.reports.plots import confusion, emotion_bars

    labels = [text.replace("PLACE", requests[0])[:40] for text in HOSTILE[:7]]
    pictures = (confusion("a", np.eye(7, dtype=int), labels), emotion_bars("b", labels, [50.0] * 7, [3] * 7))
    texts = tuple(Line(text[:9], text.replace("PLACE", requests[0])) for text in HOSTILE)
    wrong = Mistake(labels[0], labels[1], labels[2], 0.9, 0.1, texts, texts[0])
    grid = Table(labels[0], tuple(labels), (tuple(labels),), notes=(labels[1],))
    out = tmp_path / "eval.html"
    sections = [Section(labels[2], (grid,), pictures, (wrong,), 9)] * 2
    out.write_text(eval_report(HOSTILE[0], sections, [identify(toy_run)], labels), encoding="utf-8")
    script = """
    const drawn = [...document.querySelectorAll('svg')].map((svg) => svg.getBoundingClientRect().width > 200);
    setTimeout(() => done({ owned: typeof window.owned, broken: window.broken, drawn,
      wide: document.documentElement.scrollWidth > innerWidth }), 500);
    """
    found = driven(out, script, "--window-size=400,900")
    assert found == {"owned": "undefined", "broken": [], "drawn": [True] * 4, "wide": False}
    assert requests[1] == []
