"""Names on the command line: a run, or the runs of one recipe with several seeds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecef_cli.runs.run import find_run, open_run

if TYPE_CHECKING:
    from ecef_cli.runs.run import Run
    from ecef_cli.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Named:
    """What a name stands for: one run, or several that differ by their seed."""

    name: str
    runs: tuple[Run, ...]


def find_named(workspace: Workspace, name: str) -> Named:
    """Return the run of a name or folder, or else the runs that `train --seeds` calls NAME-seed1, NAME-seed2, ….

    Raises:
        UsageProblem: there is neither.
    """
    known = workspace.runs()
    if name not in known:
        pattern = re.compile(rf"{re.escape(name)}-seed(\d+)")
        numbers = sorted(int(match[1]) for run in known if (match := pattern.fullmatch(run)))
        if numbers:
            return Named(name, tuple(open_run(workspace.run(f"{name}-seed{number}")) for number in numbers))
    run = find_run(workspace, name)
    return Named(run.folder.name, (run,))
