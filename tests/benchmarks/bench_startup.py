"""Start-up of `ecef --help` and of `ecef predict` on three lines of text, against the least that each can take.

    python tests/benchmarks/bench_startup.py [--help-runs 30] [--predict-runs 9]

The floor of `ecef --help` imports Click and pluggy. The floor of `ecef predict` imports PyTorch and transformers, loads
the same text encoder, and does one forward pass; the import of PyTorch alone is printed for comparison. Commands run in
turn, so that other work on the machine slows all of them alike. Medians are compared, and after them processor time,
which other work disturbs less.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from ecef_cli.api.weights import locate
from ecef_cli.runs.run import bundled_run

SCENE = str(Path(__file__).parents[2] / "docs" / "examples" / "scene.jsonl")
FORWARD = """
import json, sys, torch
from transformers import AutoModel, AutoTokenizer
model, rows = sys.argv[1:]
tokenizer, network = AutoTokenizer.from_pretrained(model), AutoModel.from_pretrained(model).eval()
texts = [json.loads(line)["text"] for line in open(rows, encoding="utf-8")]
with torch.inference_mode():
    network(**tokenizer(texts, padding=True, return_tensors="pt"))
"""
ECEF = [sys.executable, "-m", "ecef_cli"]


def seconds(command: list[str]) -> tuple[float, float]:
    """Return the wall time and the processor time of one run of a command."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    start, before = time.perf_counter(), processor_seconds()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - start, processor_seconds() - before


def processor_seconds() -> float:
    """Return the processor time of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compare(commands: dict[str, list[str]], floor: str, runs: int) -> None:
    """Run commands in turn and print the medians of each, with its ratio to the floor."""
    for command in commands.values():
        seconds(command)  # the first run reads from disk and writes bytecode
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            times[name].append(seconds(command))
    medians = {name: [median(each) for each in zip(*found, strict=True)] for name, found in times.items()}
    print(f"medians of {runs} runs each, in turn")
    for name, (wall, used) in medians.items():
        ratios = wall / medians[floor][0], used / medians[floor][1]
        print(f"{name:32} {1e3 * wall:8.1f} ms x {ratios[0]:.2f}   processor {1e3 * used:8.1f} ms x {ratios[1]:.2f}")


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--help-runs", type=int, default=30)
    parser.add_argument("--predict-runs", type=int, default=9)
    arguments = parser.parse_args()
    block = bundled_run().recipe.text_encoder
    assert block is not None
    model = locate(block.options["model"], setting="text_encoder.model").model
    if arguments.help_runs:
        floor = "import click, pluggy"
        helping = {"ecef --help": [*ECEF, "--help"], "ecef plugins": [*ECEF, "plugins"]}
        compare({floor: [sys.executable, "-c", floor], **helping}, floor, arguments.help_runs)
    if arguments.predict_runs:
        floor = "the encoder, one forward pass"
        predicting = {
            "import torch": [sys.executable, "-c", "import torch"],
            floor: [sys.executable, "-c", FORWARD, model, SCENE],
            "ecef predict scene.jsonl": [*ECEF, "predict", SCENE],
        }
        compare(predicting, floor, arguments.predict_runs)


if __name__ == "__main__":
    main()
