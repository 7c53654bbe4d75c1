"""Runs steps in a process of their own and writes the rows of each as a line of JSON.

A library that does not fit may end the process that imports it, hang, or print; none of this may reach the command.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from ecef_cli.api.errors import EcefError, described
from ecef_cli.api.libraries import import_failure
from ecef_cli.doctor import libraries, machine, model, sound
from ecef_cli.doctor.rows import PREDICTION, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecef_cli.doctor.rows import Step

_PATIENCE = 120.0  # seconds for all steps of a process: a network drive may be slow, no library is that slow
_START = "import sys; sys.path[:] = sys.argv.pop(1).split({!r}); from ecef_cli.doctor.probe import main; main()"

MACHINE: dict[str, Step] = {
    "devices": machine.devices,
    "soundfile": sound.recordings,
    "av": sound.videos,
    "torch": libraries.torch,
    "torchaudio": libraries.torchaudio,
}
# In another process: what a failed import of torchaudio leaves behind must not count against these.
MODEL: dict[str, Step] = {
    "bundled model": model.bundled,
    PREDICTION: model.prediction,  # before anything else imports a library: as `ecef predict` does
    "transformers": libraries.transformers,
    "plugins": model.plugins,
}
_PACKAGES = {"torch", "transformers", "soundfile", "av", "torchaudio"}


def examine(steps: Sequence[str]) -> list[Row]:
    """Return the rows of steps; one that ends its process costs its own rows alone.

    Args:
        steps: keys of `MACHINE` or `MODEL`.
    """
    rows: list[Row] = []
    left = list(steps)
    while left:
        lines, end = _run(left)
        for line in lines:
            rows += [Row(**row) for row in json.loads(line)]
        left = left[len(lines) :]
        if left:
            rows.append(Row(left.pop(0), "bad", end))
    return rows


def main() -> None:
    """Run the steps that the arguments name."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # what a library prints is no answer
        for name in sys.argv[1:]:
            rows = [asdict(row) for row in _rows(name)]
            answers.write(json.dumps(rows) + "\n")
            answers.flush()


def _rows(name: str) -> Iterator[Row]:
    step = (MACHINE | MODEL)[name]
    try:
        yield from step()
    except EcefError as error:
        yield Row(name, "bad", error.problem, error.hint or "")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a broken library may raise anything
        failure = import_failure(error)
        if name in _PACKAGES:
            yield libraries.failed(name, error)
        elif failure is not None:
            yield Row(name, "bad", failure.problem, failure.hint or "")
        else:
            yield Row(name, "bad", described(error))


def _run(steps: Sequence[str]) -> tuple[list[str], str]:
    """Return the lines of the steps that were run, and how the process ended if it did not run all of them."""
    # The same modules are found as in this process, whatever started it.
    start = [sys.executable, "-c", _START.format(os.pathsep), os.pathsep.join(sys.path), *steps]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(  # noqa: S603 - this very Python
        start,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            out, err = process.communicate(timeout=_PATIENCE)
            end = _end(process.returncode, err)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
            end = f"no answer within {_PATIENCE:.0f} s"
        except BaseException:
            process.kill()
            raise
    return [line for line in out.splitlines(keepends=True) if line.endswith("\n")], end


def _end(code: int, err: str) -> str:
    last = next((line.strip() for line in reversed(err.splitlines()) if line.strip()), "")
    if code < 0:
        return ": ".join(filter(None, (f"Python was ended by {signal.Signals(-code).name}", last)))
    return ": ".join(filter(None, (f"Python ended with exit code {code}", last)))
