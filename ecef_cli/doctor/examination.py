"""All that `ecef doctor` examines, in the order in which it is shown."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ecef_cli.doctor.libraries import extras
from ecef_cli.doctor.machine import folder, python
from ecef_cli.doctor.probe import MACHINE, MODEL, examine
from ecef_cli.doctor.rows import PREDICTION, Row

if TYPE_CHECKING:
    from ecef_cli.workspace import Workspace


def examination(workspace: Workspace, *, online: bool) -> list[Row]:
    """Return one row per finding; `works` tells whether the main job can be done.

    Args:
        workspace: the workspace of the command.
        online: whether servers are asked; nothing else touches the network.
    """
    with ThreadPoolExecutor() as pool:
        machine = pool.submit(examine, list(MACHINE))
        model = pool.submit(examine, list(MODEL))
        servers = pool.submit(_servers) if online else None
        rows = [python(), *machine.result(), *extras(), *model.result(), *_folders(workspace)]
        rows += servers.result() if servers is not None else []
    return _cured(rows)


def works(rows: list[Row]) -> bool:
    """Tell whether text can be predicted with the bundled model."""
    return any(row.check == PREDICTION and row.status == "ok" for row in rows)


def _servers() -> list[Row]:
    from ecef_cli.doctor.servers import servers

    return servers()


def _folders(workspace: Workspace) -> list[Row]:
    from ecef_cli.download.cache import cache_folder

    rows = [
        folder("workspace", workspace.root, "choose another folder: --workspace DIR"),
        folder("cache of ecef", cache_folder(""), "choose another folder: export ECEF_CACHE=DIR"),
    ]
    try:
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError:  # it comes with transformers, whose row says what to do
        return rows
    return [*rows, folder("cache of the hub", Path(HF_HUB_CACHE), "choose another folder: export HF_HOME=DIR")]


def _cured(rows: list[Row]) -> list[Row]:
    """Give every bad row something to do: if a library is broken, what follows from it has the same cure."""
    cures = [row.cure for row in rows if row.status == "bad" and row.cure.startswith(("pip ", "run `pip "))]
    cure = cures[0] if cures else "ecef -v predict FILE shows the traceback"
    return [replace(row, cure=cure) if row.status == "bad" and not row.cure else row for row in rows]
