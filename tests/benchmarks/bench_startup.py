"""How long `ecef --help` takes, beside the least that any program on Click and pluggy takes.

    python tests/benchmarks/bench_startup.py [--runs 30]

Both commands are run in turn, so that whatever else the machine does falls on both; medians are compared.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from statistics import median

COMMANDS = {
    "python -c 'import click, pluggy'": [sys.executable, "-c", "import click, pluggy"],
    "ecef --help": [sys.executable, "-m", "ecef_cli", "--help"],
    "ecef plugins": [sys.executable, "-m", "ecef_cli", "plugins"],
}


def seconds(command: list[str]) -> float:
    """Return the wall time of one run of a command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=30)
    runs = parser.parse_args().runs
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for command in COMMANDS.values():
        seconds(command)  # the first run reads from disk and writes bytecode
    for _ in range(runs):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    baseline = median(next(iter(times.values())))
    print(f"medians of {runs} runs each, in turn")
    for name, found in times.items():
        print(f"{name:34} {1000 * median(found):7.1f} ms   x {median(found) / baseline:.2f}")


if __name__ == "__main__":
    main()
