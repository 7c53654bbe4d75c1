"""What a table looks like in each format, and the paper's tables with our runs in them."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forecasts import made_forecast, made_recipe, made_report, made_targets
from narrow import instance, present

from ecef_cli.api.errors import UsageProblem
from ecef_cli.evaluation.bootstrap import Difference, Estimate
from ecef_cli.evaluation.comparison import compare
from ecef_cli.reports.paper import TABLES, departures, left_out
from ecef_cli.reports.paper_tables import paper_table
from ecef_cli.reports.tables import Table, comparison_table, report_tables
from ecef_cli.reports.writing import as_dict, write

TABLE = Table(
    "Scores of a_run, 50 %",
    ("run", "UAR", "less"),
    (("a_run", Estimate(22.484, 19.71, 25.25), Difference(-1.0, -2.0, 0.5)), ("b", 14.285, None)),
    notes=("read this",),
)
TARGETS = replace(made_targets(1, 30), dataset="meld")


def test_a_terminal_shows_each_interval_below_its_figure() -> None:
    lines = write([TABLE], "table").splitlines()
    assert lines[0] == TABLE.title
    assert lines[4].split() == ["a_run", "22.48", "-1.00"]
    assert re.split(r"\s{2,}", lines[5].strip()) == ["19.7 to 25.2", "-2.0 to +0.5"]
    assert lines[6].split() == ["b", "14.29"] or lines[6].split() == ["b", "14.28"]
    assert lines[-1] == "read this"


def test_markdown_has_the_interval_in_the_cell() -> None:
    lines = write([TABLE], "markdown").splitlines()
    assert lines[2:5] == [
        "| run | UAR | less |",
        "| --- | ---: | ---: |",
        "| a_run | 22.48 [19.71, 25.25] | -1.00 [-2.00, +0.50] |",
    ]
    assert lines[-1] == "- read this"


def test_latex_is_escaped_and_has_as_many_cells_as_columns() -> None:
    text = write([TABLE], "latex")
    assert r"\caption{Scores of a\_run, 50 \%}" in text
    assert r"  a\_run & 22.48 {\scriptsize [19.71, 25.25]} & -1.00 {\scriptsize [-2.00, +0.50]} \\" in text
    assert r"\begin{tabular}{lrr}" in text
    assert all(line.count("&") == 2 for line in text.splitlines() if line.endswith(r"\\"))
    assert text.count(r"\begin") == text.count(r"\end") == 2


def test_csv_is_one_table_with_a_figure_a_line() -> None:
    rows = list(csv.DictReader(io.StringIO(write([TABLE, TABLE], "csv"))))
    assert len(rows) == 6
    assert rows[0] == {
        "table": TABLE.title,
        "row": "a_run",
        "column": "UAR",
        "value": "22.484",
        "low": "19.71",
        "high": "25.25",
    }
    assert rows[2]["low"] == ""


def test_json_keeps_every_digit() -> None:
    assert as_dict(TABLE)["rows"][0]["UAR"] == {"value": 22.484, "low": 19.71, "high": 25.25}
    assert as_dict(TABLE)["rows"][1]["less"] is None


@pytest.mark.parametrize("form", ["table", "markdown", "latex", "csv"])
def test_a_report_and_a_comparison_can_be_written_in_every_format(form: str) -> None:
    reports = [made_report(name, TARGETS, made_forecast(TARGETS, n, skill=n)) for n, name in ((1, "one"), (2, "two"))]
    tables = [table for report in reports for table in report_tables(report)]
    text = write([*tables, comparison_table(compare(reports, flips=100))], form)
    for word in ("two", "UAR", "shift AUC", "confusion", "majority", "Holm"):
        assert word in text, word
    assert form == "csv" or "beats majority" in text or "does not beat majority" in text


def paper_rows(text: str) -> dict[str, list[float | None]]:
    """Return the figures of each line of the paper's tables, by dataset pairs, from the paper's text."""
    found: dict[str, list[float | None]] = {}
    modality = ""
    for line in text.splitlines():
        cells = [re.sub(r"</?u>|\*", "", cell).strip() for cell in line.split("\t")]
        if len(cells) >= 5 and all(re.fullmatch(r"-?\d+\.\d+|-", cell) for cell in cells[-4:]):
            modality = cells[0] if cells[0] in {"T", "S", "T+S"} else modality
            name = cells[-5].partition("[")[0]
            key = name if name.startswith("w/o") else f"{modality} {name}"
            found.setdefault(key, []).extend(None if cell == "-" else float(cell) for cell in cells[-4:])
    return found


def test_the_papers_figures_are_those_of_the_paper(shared_data: Path) -> None:
    papers = list((shared_data.parent / "paper").glob("*.txt"))
    if not papers:
        pytest.skip("the paper's text is not at hand")
    printed = paper_rows(papers[0].read_text(encoding="utf-8"))
    stated: dict[str, list[float | None]] = {}
    for name, table in TABLES.items():
        for iemocap, meld in zip(table.rows["iemocap"], table.rows["meld"], strict=True):
            method = "Ours" if iemocap.method == "the paper" else iemocap.method.partition(" (")[0]
            key = method if name == "table3" else f"{iemocap.modality} {method}"
            stated.setdefault(key, []).extend((*iemocap.figures, *meld.figures))
    assert len(stated) == 18  # nine rows of Table 1, six more methods of Table 2, three rows of Table 3
    assert stated == printed


def test_our_run_stands_below_the_papers_rows_of_its_modality() -> None:
    report = made_report("mine", TARGETS, made_forecast(TARGETS, 1))
    found = paper_table("table1", [report])
    rows = [row[:3] for row in found.rows]
    assert rows.index(("MELD", "T+S", "mine")) == rows.index(("MELD", "T+S", "the paper")) + 1
    assert ("IEMOCAP", "T", "DEP (2020)") not in rows
    assert instance(Estimate, found.rows[-1][3]).value == pytest.approx(report.tasks["epc"].model.uar)
    assert ("MELD", "T", "EAMT (2023)", 45.44, 45.13) in found.rows


def test_what_a_run_does_differently_is_read_from_its_recipe() -> None:
    forecast = made_forecast(TARGETS, 1)
    same = departures(made_report("paper", TARGETS, forecast))
    assert [fact for fact in same if ", not " in fact.partition("EPC")[0]] == []
    assert "1 seed" in same
    assert any(
        fact.startswith("EPC asks for the emotion of the next utterance, by any speaker, at least 1 ") for fact in same
    )
    changes = {
        "tagger": "none",
        "text_encoder": {
            "name": "huggingface",
            "model": "sentence-transformers/all-MiniLM-L6-v2",
            "trainable_layers": 3,
        },
        "network": {"width": 128, "heads": 4},
        "training": {"learning_rate": 1e-3},
    }
    other = replace(TARGETS, dataset="meld-noisy")
    found = departures(made_report("other", other, forecast, recipe=made_recipe("meld-noisy", "epc", **changes)))
    for fact in (
        "corpus meld-noisy",
        "text encoder all-MiniLM-L6-v2",
        "its last 3 layers trained",
        "w/o KWRT",
        "width 128, not 1024",
        "heads 4, not 8",
        "learning rate 0.001, not 0.0001",
        "optimizer adamw",
    ):
        assert fact in found, fact
        assert fact not in same, fact


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ""),
        ({"tagger": "none"}, "w/o KWRT"),
        ({"prosody": "none"}, "w/o PE"),
        ({"fusion": {"name": "mfm", "second_step": "none"}}, "w/o TMF"),
        ({"fusion": {"name": "cross-attention"}, "prosody": "none"}, "w/o PE, TMF"),
        ({"modalities": ["text"]}, ""),
    ],
)
def test_what_is_left_out_is_named_as_in_table_3(change: dict[str, Any], expected: str) -> None:
    assert left_out(made_recipe("meld", "epc", **change)) == expected


def test_table_3_is_of_differences_on_the_same_targets() -> None:
    full, less = made_forecast(TARGETS, 1, skill=2), made_forecast(TARGETS, 2, skill=1)
    without = made_recipe("meld", "epc", tagger="none")
    reports = [made_report("full", TARGETS, full), made_report("less", TARGETS, less, recipe=without)]
    (row,) = [row for row in paper_table("table3", reports).rows if "less" in str(row[2])]
    assert row[2] == "w/o KWRT: less - full"
    models = [report.tasks["epc"].model for report in reports]
    above = instance(Estimate, row[3])
    assert above.value == pytest.approx(models[1].uar - models[0].uar)
    assert present(above.low) < above.value < present(above.high)
    with pytest.raises(UsageProblem, match="no run to compare less with"):
        paper_table("table3", reports[1:])
    with pytest.raises(UsageProblem, match="needs a run that leaves out a part"):
        paper_table("table3", reports[:1])


def test_a_table_of_a_task_that_a_run_does_not_do_is_refused() -> None:
    with pytest.raises(UsageProblem, match="table2 is about ERC, but mine is not trained for it"):
        paper_table("table2", [made_report("mine", TARGETS, made_forecast(TARGETS, 1))])
