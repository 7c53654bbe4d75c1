"""Resolve a name to a run, or to the runs of one recipe with several seeds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecef_cli.runs.run import find_run, open_run

if TYPE_CHECKING:
    from ecef_cli.runs.run import Run
    from ecef_cli.workspace import Workspace


@dataclass(frozen=True, slots=True)
class NamedRuns:
    """A name with its run, or its runs that differ only in the seed."""

    name: str
    runs: tuple[Run, ...]


def find_named(workspace: Workspace, name: str) -> NamedRuns:
    """Return the run with a name or folder, or else the runs NAME-seed1, NAME-seed2, … of `train --seeds`.

    Raises:
        UsageProblem: neither exists.
    """
    known = workspace.runs()
    if name not in known:
        pattern = re.compile(rf"{re.escape(name)}-seed(\d+)")
        numbers = sorted(int(match[1]) for run in known if (match := pattern.fullmatch(run)))
        if numbers:
            return NamedRuns(name, tuple(open_run(workspace.run(f"{name}-seed{number}")) for number in numbers))
    run = find_run(workspace, name)
    return NamedRuns(run.folder.name, (run,))
