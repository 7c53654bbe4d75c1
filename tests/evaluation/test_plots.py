"""Pictures: what they hold, that they come out the same, and that odd input does not spoil them."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecef_cli.reports import plots
from ecef_cli.reports.picture import DPI, Picture
from ecef_cli.runs.metrics import calibration

LABELS = ["neutral", "overwhelming joy and happiness", "$x_1$ <fear>", "disgust", "surprise", "sadness", "anger"]
COUNTS = np.arange(49).reshape(7, 7)
COUNTS[2] = 0
EPOCHS = [
    {
        "epoch": n,
        "loss": 2.0 / n,
        **{task: {"accuracy": 40.0 + n, "weighted_f1": 38.0, "uar": 20.0, "macro_f1": 19.0} for task in ("erc", "epc")},
        "selection": 39.0,
    }
    for n in (1, 2, 3)
]
# Bins of 1/15: one prediction of 0.55 that is wrong, two of 0.75 of which half are right, one of 1 that is right.
FOUND = calibration(np.array([1, 0, 1, 0]), np.array([[0.55, 0.45], [0.75, 0.25], [0.75, 0.25], [1.0, 0.0]]))


def words(picture: Picture) -> list[str]:
    """Return the texts of a picture, as a reader's search would find them."""
    import html

    return [html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", picture.svg)]


def every_picture() -> dict[str, Picture]:
    scores = [10.0 * n for n in range(7)]
    return {
        "confusion": plots.confusion("confusion", COUNTS, LABELS, title="ERC"),
        "curves": plots.learning_curves("curves", EPOCHS, chosen=2),
        "reliability": plots.reliability("reliability", FOUND),
        "bars": plots.emotion_bars(
            "bars",
            LABELS,
            scores,
            COUNTS.sum(axis=1).tolist(),
            low=[s - 5 for s in scores],
            high=[s + 5 for s in scores],
        ),
    }


@pytest.fixture(scope="module")
def pictures() -> dict[str, Picture]:
    return every_picture()


def test_the_bytes_are_the_same_each_time_and_hold_no_date(pictures: dict[str, Picture]) -> None:
    again = every_picture()
    assert pictures == again
    assert not any(re.search(r"<dc:date>|\d{4}-\d\d-\d\d", picture.svg) for picture in again.values())


def test_both_files_are_written_for_print(pictures: dict[str, Picture], tmp_path: Path) -> None:
    for picture in pictures.values():
        png, svg = picture.save(tmp_path / "new" / "folder")
        assert svg.read_text(encoding="utf-8").startswith("<?xml")
        with Image.open(png) as image:
            assert round(image.info["dpi"][0]) == DPI
            assert np.asarray(image.convert("L")).std() > 1  # something is drawn
    assert len(list((tmp_path / "new" / "folder").iterdir())) == 8


def test_a_confusion_matrix_shows_shares_of_gold_and_counts(pictures: dict[str, Picture]) -> None:
    found = words(pictures["confusion"])
    row = COUNTS[6]
    shares = [f"{100 * count / row.sum():.0f}" for count in row]
    assert all(text in found for text in [*shares, *map(str, row.tolist())])
    assert found.count("n/a") == 7  # the emotion that is nowhere gold
    assert "(no target)" in found
    assert f"{np.trace(COUNTS)} of {COUNTS.sum():,} targets" in pictures["confusion"].alt


def test_labels_stand_as_they_are_and_long_ones_are_shortened(pictures: dict[str, Picture]) -> None:
    found = words(pictures["confusion"])
    assert found.count("$x_1$ <fear>") >= 1  # no formula, no tag
    assert "overwhelming joy and happiness" not in found
    assert "overwhelming joy and happ…" in found


def test_learning_curves_name_metrics_tasks_and_the_chosen_epoch(pictures: dict[str, Picture]) -> None:
    found = words(pictures["curves"])
    assert {"Acc", "W-F1", "UAR", "M-F1", "ERC on dev", "EPC on dev", "loss", "chosen epoch (2)"} <= set(found)
    assert "chosen" not in " ".join(words(plots.learning_curves("one", EPOCHS[:1])))


def test_a_reliability_diagram_says_the_error_and_how_many_each_bin_holds(pictures: dict[str, Picture]) -> None:
    assert f"ECE {100 * (0.55 + 2 * 0.25) / 4:.1f} %" in words(pictures["reliability"])
    drawn = re.findall(r"<text[^>]*(?:font: |font-size: )5px[^>]*>(\d+)</text>", pictures["reliability"].svg)
    assert list(map(int, drawn)) == [1, 2, 1]


def test_bars_show_scores_and_support_and_say_where_there_is_no_target(pictures: dict[str, Picture]) -> None:
    found = words(pictures["bars"])
    assert {"0.0", "60.0", "no target", f"anger (n = {COUNTS[6].sum()})"} <= set(found)
    assert "20.0" not in found  # of the emotion without a target
    assert "$x_1$ <fear> 20" not in pictures["bars"].alt


def test_an_interval_changes_the_picture() -> None:
    plain = plots.emotion_bars("bars", ["a"], [50.0], [3])
    assert plain.svg != plots.emotion_bars("bars", ["a"], [50.0], [3], low=[40.0], high=[61.0]).svg


def test_text_on_a_cell_can_be_read(pictures: dict[str, Picture]) -> None:
    import matplotlib as mpl

    from ecef_cli.reports.colours import contrast, ink

    ratios = [
        contrast(*colour[:3], of=1.0 if ink(*colour[:3]) == "white" else 0.0)
        for colour in mpl.colormaps["cividis"](np.linspace(0, 1, 101))
    ]
    assert min(ratios) >= 4.5
    assert all(one[2] <= other[2] + 1 for one, other in pairwise(mpl.colormaps["cividis"](np.linspace(0, 1, 9))))


def test_letters_that_the_font_lacks_are_told_and_stand_in_the_svg(capsys: pytest.CaptureFixture[str]) -> None:
    picture = plots.emotion_bars("bars", ["喜び"], [50.0], [3])
    assert "bars.png lacks characters" in capsys.readouterr().err
    assert any("喜び" in text for text in words(picture))


def test_no_global_state_of_matplotlib_is_touched() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    every_picture()
    assert dict(mpl.rcParams) == before


def test_pyplot_and_its_windows_stay_away() -> None:
    code = (
        "import sys, numpy as np\nfrom ecef_cli.reports import plots\n"
        "plots.confusion('c', np.eye(2, dtype=int), ['a', 'b'])\n"
        "plots.emotion_bars('b', ['a'], [50.0], [3])\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
