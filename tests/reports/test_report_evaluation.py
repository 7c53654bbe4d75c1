"""`ecef eval --plots --report`: pictures, tables and mistakes, as the run has them."""

from __future__ import annotations

import json
import re
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from page_reader import check_page, read_page
from safetensors.torch import load_file, save_file
from sklearn.metrics import f1_score

from ecef_cli.cli.main import run
from ecef_cli.corpus.manifest import load_prepared
from ecef_cli.evaluation.bootstrap import Draws
from ecef_cli.evaluation.evaluate import evaluate
from ecef_cli.evaluation.results import Report
from ecef_cli.reports.pages import MISTAKES, curves, f1_intervals, mistakes
from ecef_cli.reports.picture import Picture
from ecef_cli.reports.svg import inline
from ecef_cli.runs.run import Run, open_run
from ecef_cli.workspace import Workspace


@pytest.fixture(scope="module")
def report(toy_workspace: Workspace, toy_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The toy run on its train split, with noise on its weights, without which it may make no mistake."""
    folder = shutil.copytree(toy_run.folder, tmp_path_factory.mktemp("runs") / "noisy")
    torch.manual_seed(0)
    noisy = {key: value + 0.3 * torch.randn_like(value) for key, value in load_file(toy_run.weights).items()}
    save_file(noisy, folder / "model.safetensors")
    return evaluate(toy_workspace, open_run(folder), split="train", device="cpu", draws=60)


def test_pictures_and_page_of_a_run(
    toy_workspace: Workspace, toy_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, plots = tmp_path / "new" / "page.html", tmp_path / "plots"
    arguments = ["eval", toy_run.folder, "--draws", 50, "--device", "cpu", "--plots", plots, "--report", page]
    assert run(["--workspace", str(toy_workspace.root), *map(str, arguments)]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    names = {f"shared-toy-test-{task}-{kind}" for task in ("erc", "epc") for kind in ("confusion", "f1", "reliability")}
    names.add("shared-curves")
    assert {path.name for path in plots.iterdir()} == {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    assert f"plots: 7 in {plots}, each as PNG and SVG" in err
    html = read_page(page.read_text(encoding="utf-8"))
    check_page(html)
    assert len(html.find("svg", class_="plot")) == 7
    assert all(svg.attributes["aria-label"] for svg in html.find("svg"))
    text = html.find("main")[0].text()
    for task in ("erc", "epc"):
        model = found["tasks"][task]["model"]
        low, high = model["intervals"]["uar"]
        assert f"{model['uar']:.2f} [{low:.2f}, {high:.2f}]" in text
    assert "baseline: repeat-last (gold)" in text
    assert toy_run.labels[0] in html.find("footer")[0].text()


def test_two_runs_are_compared_in_one_page(
    toy_workspace: Workspace, toy_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(toy_run.folder, tmp_path / "other")
    page = tmp_path / "page.html"
    arguments = ["eval", toy_run.folder, tmp_path / "other", "--draws", 50, "--device", "cpu", "--report", page]
    assert run(["--workspace", str(toy_workspace.root), *map(str, arguments)]) == 0
    capsys.readouterr()
    html = read_page(page.read_text(encoding="utf-8"))
    check_page(html)
    titles = [a.text() for a in html.find("nav")[0].find("a")]
    assert titles[0] == "Comparison"
    assert {"ERC of shared on toy test", "EPC of other on toy test", "Training of other"} <= set(titles)
    assert len(html.find("svg", class_="plot")) == 14
    assert "The models" in html.find("footer")[0].text()


def test_a_page_that_cannot_be_written_is_told_before_measuring(
    toy_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["eval", str(toy_run.folder), "--report", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_f1_intervals_are_those_of_the_plain_way(report: Report) -> None:
    for found in report.tasks.values():
        targets, predicted = found.targets, found.forecasts[0].predicted
        draws = Draws.of(targets.dialogues, draws=60, seed=0)
        drawn = []
        for times in draws.dialogues.astype(int):
            rows = np.repeat(np.arange(len(targets.gold)), times[targets.dialogue])
            numbers = range(len(report.labels))
            drawn.append(f1_score(targets.gold[rows], predicted[rows], labels=numbers, average=None, zero_division=0))
        expected = np.percentile(100 * np.array(drawn), [2.5, 97.5], axis=0).T
        assert np.array(f1_intervals(report, found)) == pytest.approx(expected)


def test_mistakes_are_wrong_surest_first_and_have_their_window(toy_workspace: Workspace, report: Report) -> None:
    dialogues = load_prepared(toy_workspace, "toy").splits["train"]
    said = {dialogue.id: [(u.speaker, u.text) for u in dialogue.utterances] for dialogue in dialogues}
    emotions = {dialogue.id: [u.emotion for u in dialogue.utterances] for dialogue in dialogues}
    listed = 0
    for task, found in report.tasks.items():
        wrong = int((found.forecasts[0].predicted != found.targets.gold).sum())
        shown = list(mistakes(report, found, dialogues))
        assert len(shown) == min(wrong, MISTAKES)
        assert all(one.probability >= other.probability for one, other in pairwise(shown))
        for mistake in shown:
            turns = said[mistake.dialogue]
            window = [(line.speaker, line.text) for line in mistake.context]
            ends = [n for n in range(len(turns)) if turns[max(0, n - 2) : n + 1] == window]
            asked = ends if task == "erc" else [n + 1 for n in ends]
            assert mistake.gold in [emotions[mistake.dialogue][n] for n in asked]
            assert mistake.gold != mistake.predicted
            assert mistake.probability >= mistake.gold_probability
            assert (mistake.unheard is None) == (task == "erc")
            if mistake.unheard:
                assert (mistake.unheard.speaker, mistake.unheard.text) in [turns[n] for n in asked]
            listed += 1
    assert listed


def test_the_curves_of_a_run_mark_its_epoch(toy_run: Run, tmp_path: Path) -> None:
    best = json.loads((toy_run.folder / "metrics.json").read_text())["best"]["epoch"]
    drawn = curves(toy_run)
    assert drawn is not None
    assert f"Epoch {best} was chosen" in drawn.alt
    shutil.copytree(toy_run.folder, tmp_path / "bare", ignore=shutil.ignore_patterns("log.jsonl"))
    from ecef_cli.runs.run import open_run

    assert curves(open_run(tmp_path / "bare")) is None


def test_two_pictures_in_one_page_share_no_name_and_no_rule(report: Report) -> None:
    from ecef_cli.reports.pages import pictures

    picture = pictures(report)["erc"][0]
    one, other = (inline(picture, number) for number in (1, 2))
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    for svg, own in zip((one, other), ids, strict=True):
        assert set(re.findall(r'(?:url\(|href=")#([^")]+)', svg)) <= own
        assert "<style" not in svg
        assert "<?xml" not in svg


def test_what_a_label_says_of_names_stays_as_it_is() -> None:
    svg = '<svg xmlns="x"><g id="a"><text>id="b" url(#c)</text><use xlink:href="#a"/></g></svg>'
    found = inline(Picture("n", 'an "alt" <b>', b"", svg), 3)
    assert '<text>id="b" url(#c)</text>' in found
    assert '<g id="p3-a">' in found
    assert 'href="#p3-a"' in found
    assert 'aria-label="an &#34;alt&#34; &lt;b&gt;"' in found
