"""Speed and memory of `ecef predict` from a pipe, against predicting one row at a time.

Run it with `python tests/benchmarks/bench_predict.py [--rows N] [--model RUN]`. It needs the weights of the model's
text encoder. Each figure is measured in this run, and the ratio compares figures of this run alone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

WORDS = """
really never thought you would leave the party before midnight because my sister lost her keys and the old car
broke down again near a river where nobody lives anymore so happy sad angry afraid tired hungry wonderful awful
""".split()  # noqa: SIM905 - easier to read than a list


def rows(count: int) -> list[str]:
    """Return `count` rows in dialogues of twelve turns by three speakers, every text different."""
    pick = random.Random(0)
    return [
        json.dumps(
            {
                "dialogue": f"d{n // 12}",
                "speaker": f"s{pick.randrange(3)}",
                "text": f"{' '.join(pick.choices(WORDS, k=pick.randint(2, 18)))} {n}.",
            }
        )
        for n in range(count)
    ]


def piped(lines: list[str], model: list[str]) -> tuple[float, float]:
    """Return seconds and peak memory (MiB) of `ecef predict -` over the lines."""
    command = [sys.executable, "-m", "ecef_cli", "predict", "-", *model]
    start = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stdin is not None
        process.stdin.write("\n".join(lines) + "\n")
        process.stdin.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(process.returncode)
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def one_at_a_time(lines: list[str], model: str | None) -> float:
    """Return seconds for predicting each window by itself in a plain loop, without loading the model."""
    from ecef_cli.api.dialogue import parse_row
    from ecef_cli.prediction.predictor import Predictor
    from ecef_cli.prediction.stream import Windows
    from ecef_cli.runs.run import bundled_run, open_run

    predictor = Predictor(open_run(Path(model)) if model else bundled_run(), device="cpu")
    windows = Windows(predictor.history)
    start = time.perf_counter()
    for number, line in enumerate(lines):
        predictor.predict([windows.ending_at(parse_row(line, where="bench", dialogue="d", number=number))])
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--model")
    arguments = parser.parse_args()
    model = ["--model", arguments.model] if arguments.model else []
    few, many = rows(100), rows(arguments.rows)
    start, base = piped(few, model)
    tenth, less = piped(many[: len(many) // 10], model)
    total, more = piped(many, model)
    rate = (len(many) - len(few)) / (total - start)
    sample = many[:500]
    slow = len(sample) / one_at_a_time(sample, arguments.model)
    print(f"start and 100 rows: {start:.1f} s, {base:.0f} MiB")
    print(f"{len(many) // 10:,} rows: {tenth:.1f} s, {less:.0f} MiB at most")
    print(f"{len(many):,} rows: {total:.1f} s, {more:.0f} MiB at most")
    print(f"memory, ten times the rows: {more / less:.2f} times")
    print(f"from a pipe: {rate:.0f} utterances/s; one at a time: {slow:.0f} utterances/s; ratio {rate / slow:.2f}")


if __name__ == "__main__":
    main()
