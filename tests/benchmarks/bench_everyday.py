"""Agreement of a run with the held-out sheet of everyday dialogue, `everyday.jsonl`.

Run it with `python tests/benchmarks/bench_everyday.py [--model RUN]`. It needs the weights of the run's text encoder.
An answer agrees if it is one of the emotions that the sheet accepts for the line. Recognition is measured on each line
in its dialogue and on each line alone, the forecast against repeating the run's own recognition. Intervals are 95 %,
by the bootstrap over whole dialogues. Nothing is trained or chosen on these figures (`everyday.md`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ecef_cli.evaluation.bootstrap import Draws, interval

SHEET = Path(__file__).with_name("everyday.jsonl")
DRAWS = 2000

Row = dict[str, Any]


def answered(rows: list[Row], model: str | None) -> tuple[list[Row], list[Row]]:
    """Return the rows with the run's answers, each in its dialogue and each as a dialogue of one line."""
    alone = [row | {"dialogue": f"alone {number}"} for number, row in enumerate(rows)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sheet.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows + alone), encoding="utf-8")
        command = [sys.executable, "-m", "ecef_cli", "predict", str(file), "--format", "jsonl"]
        done = subprocess.run(
            [*command, *(["--model", model] if model else [])], stdout=subprocess.PIPE, text=True, check=False
        )
    if done.returncode:
        sys.exit(done.returncode)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return found[: len(rows)], found[len(rows) :]


def shown(hits: Iterable[float], dialogues: Iterable[str]) -> str:
    """Return the mean of the hits in percent with its interval over dialogues; differences of hits do as well."""
    values = np.array(list(hits), dtype=float)
    names, place = np.unique(list(dialogues), return_inverse=True)
    drawn = Draws.of(len(names), draws=DRAWS, seed=0).dialogues
    means = (drawn @ np.bincount(place, values)) / np.maximum(drawn @ np.bincount(place), 1)
    bounds = interval(100 * means, len(names))
    return f"{100 * values.mean():5.1f}" + (f" ({bounds[0]:.1f} to {bounds[1]:.1f})" if bounds else "")


def agrees(answer: Row, row: Row) -> bool:
    """Return whether an answer's emotion is one that the row accepts."""
    return answer["emotion"] in row["accept"]


def recognition(rows: list[Row], alone: list[Row]) -> None:
    """Print agreement overall and by emotion, kind and setting, with the commonest wrong answers."""
    dialogues = [row["dialogue"] for row in rows]
    hits = [agrees(row["prediction"], row) for row in rows]
    singly = [agrees(row["prediction"], row) for row in alone]
    print(f"recognition (ERC), {len(rows)} lines in {len(set(dialogues))} dialogues")
    print(f"  in its dialogue  {shown(hits, dialogues)}")
    print(f"  alone            {shown(singly, dialogues)}")
    gain = [a - b for a, b in zip(hits, singly, strict=True)]
    print(f"  difference       {shown(gain, dialogues)}")
    print(f"  always neutral   {shown(('neutral' in row['accept'] for row in rows), dialogues)}")
    groups: dict[str, Callable[[Row], str]] = {
        "emotion": lambda row: row["accept"][0],
        "kind": lambda row: row["kind"],
        "setting": lambda row: row["setting"],
    }
    for title, key in groups.items():
        print(f"\n{'by ' + title:<14}{'lines':>6}{'in dialogue':>13}{'alone':>8}  wrong answers in dialogue")
        of = [key(row) for row in rows]
        for name, count in Counter(of).most_common():
            here = [n for n, group in enumerate(of) if group == name]
            wrong = Counter(rows[n]["prediction"]["emotion"] for n in here if not hits[n])
            shares = [100 * sum(found[n] for n in here) / count for found in (hits, singly)]
            said = ", ".join(f"{emotion} {times}" for emotion, times in wrong.most_common(3))
            print(f"{name:<14}{count:>6}{shares[0]:>13.1f}{shares[1]:>8.1f}  {said}")


def forecasts(rows: list[Row]) -> None:
    """Print agreement of the forecast with the line that follows, beside repeating the recognised emotion."""
    pairs = [(row, following) for row, following in pairwise(rows) if row["dialogue"] == following["dialogue"]]
    changes = [not set(row["accept"]) & set(following["accept"]) for row, following in pairs]
    print(f"\nforecast (EPC), {len(pairs)} lines that have one before them")
    parts = {
        "all": pairs,
        "emotion changes": [pair for pair, change in zip(pairs, changes, strict=True) if change],
        "emotion may stay": [pair for pair, change in zip(pairs, changes, strict=True) if not change],
    }
    for title, part in parts.items():
        dialogues = [row["dialogue"] for row, _ in part]
        hits = [agrees(row["forecast"], following) for row, following in part]
        print(f"  {title}, {len(part)} lines")
        print(f"    forecast            {shown(hits, dialogues)}")
        if all("prediction" in row for row, _ in part):
            repeated = [agrees(row["prediction"], following) for row, following in part]
            print(f"    own recognition     {shown(repeated, dialogues)}")
            gain = [a - b for a, b in zip(hits, repeated, strict=True)]
            print(f"    difference          {shown(gain, dialogues)}")
        neutral = ["neutral" in following["accept"] for _, following in part]
        print(f"    always neutral      {shown(neutral, dialogues)}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", metavar="RUN", help="a run by name or folder; the bundled model by default")
    arguments = parser.parse_args()
    sheet = [json.loads(line) for line in SHEET.read_text(encoding="utf-8").splitlines()]
    rows, alone = answered(sheet, arguments.model)
    answers = rows[0].get("prediction") or rows[0]["forecast"]
    missing = sorted({emotion for row in sheet for emotion in row["accept"]} - set(answers["probabilities"]))
    if missing:
        sys.exit(f"the run has no label {', '.join(missing)}. Give a run with the labels of MELD.")
    if "prediction" in rows[0]:
        recognition(rows, alone)
    if "forecast" in rows[0]:
        forecasts(rows)


if __name__ == "__main__":
    main()
