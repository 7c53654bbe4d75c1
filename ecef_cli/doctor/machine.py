"""Python, the devices that can compute, and the folders that ecef writes to."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from ecef_cli.api.errors import described
from ecef_cli.doctor.rows import Row, size
from ecef_cli.workspace import nearest_existing, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCARCE = 2**30  # bytes: less is soon used up
_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container on Linux


def python() -> Row:
    """Return which Python runs ecef."""
    where = f"{platform.system()} {platform.machine()}, {sys.executable}"
    return Row("Python", "ok", f"{platform.python_version()} on {where}")


def devices() -> Iterator[Row]:
    """Examine each device that torch sees: one sum is computed on it."""
    import torch

    memory = _memory()
    threads = torch.get_num_threads()
    with_memory = "" if memory is None else f", {size(memory)} of memory"
    yield Row("CPU", "ok", f"{threads} thread{'' if threads == 1 else 's'}{with_memory}")
    with warnings.catch_warnings(record=True) as caught:  # torch says here that a driver is too old
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        yield _no_cuda(" ".join(str(caught[0].message).split()) if caught else "")
    for number in range(count):
        yield _device(f"cuda:{number}")
    if torch.backends.mps.is_available():
        yield _device("mps")


def _device(name: str) -> Row:
    import torch

    check = name.upper()
    try:
        torch.ones(2, device=name).sum().item()
        if name == "mps":
            return Row(check, "ok", f"Metal, {size(torch.mps.recommended_max_memory())} of memory")
        free, total = torch.cuda.mem_get_info(name)
        return Row(check, "ok", f"{torch.cuda.get_device_name(name)}, {size(free)} of {size(total)} free")
    except (RuntimeError, AssertionError) as error:
        found = f"seen, but does not compute: {described(error)[:300]}"
        return Row(check, "bad", found, "update the driver, or compute with `--device cpu`")


def _no_cuda(warning: str) -> Row:
    import torch

    if warning:
        return Row("CUDA", "bad", warning[:300], "update the driver, or compute with `--device cpu`")
    if torch.version.cuda is None:
        return Row("CUDA", "ok", "this torch is built without it")
    return Row("CUDA", "ok", "no device; everything runs on the CPU")


def _memory() -> int | None:
    """Return the bytes of memory that this process may use, or None if the system does not say."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    with suppress(OSError, ValueError):
        whole = min(whole, int(_LIMIT.read_text()))
    return whole


def folder(check: str, path: Path, cure: str) -> Row:
    """Examine whether a folder can be written to; it is not made if it does not exist.

    Args:
        check: the row's name.
        path: the folder.
        cure: how to choose another one.
    """
    path = path.absolute()
    there = nearest_existing(path)
    try:
        with TemporaryFile(dir=there) as file:
            file.write(bytes(4096))
            file.flush()
        free = shutil.disk_usage(there).free
    except OSError as error:
        place = refused(error, there) if there.is_dir() else there
        return Row(check, "bad", f"{path} cannot be written: {error.strerror or error} ({place})", cure)
    made = "" if there == path else "; made at first use"
    found = f"{path}, {size(free)} free{made}"
    return Row(check, "note", found, f"free some space, or {cure}") if free < _SCARCE else Row(check, "ok", found)
