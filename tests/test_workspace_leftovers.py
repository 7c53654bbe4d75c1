"""What a killed process had written is removed by the next one that writes there; a living one keeps its own."""

from __future__ import annotations

import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ecef_cli.workspace import replacing, replacing_folder

KILLED = """
import os, signal, sys
from pathlib import Path
from ecef_cli import workspace
with getattr(workspace, sys.argv[1])(Path(sys.argv[2])) as part:
    (part / "inner" if part.is_dir() else part).write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def write(name: str, path: Path) -> AbstractContextManager[Path]:
    return {"replacing": replacing, "replacing_folder": replacing_folder}[name](path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("name", ["replacing", "replacing_folder"])
def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path, name: str) -> None:
    path, other = tmp_path / "a[1].json", tmp_path / "a[1].json.txt"
    for target in (path, other):
        subprocess.run([sys.executable, "-c", KILLED, name, str(target)], check=False)
    left = {part.name.rpartition(".part")[0].rpartition(".")[0] for part in tmp_path.iterdir()}
    assert left == {".a[1].json", ".a[1].json.txt"}
    with write(name, path) as part:
        (part / "inner" if part.is_dir() else part).write_text("whole")
    assert path.exists()
    (kept,) = [part for part in tmp_path.iterdir() if part != path]
    assert kept.name.startswith(".a[1].json.txt."), "another file's part is that file's next writer's to remove"


@pytest.mark.parametrize("name", ["replacing", "replacing_folder"])
def test_a_living_writer_keeps_its_part(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a"
    with write(name, path) as first:
        (first / "inner" if first.is_dir() else first).write_text("first")
        with write(name, path) as second:
            (second / "inner" if second.is_dir() else second).write_text("second")
        assert first.exists()
    assert (path / "inner" if path.is_dir() else path).read_text() == "first", "the last one to finish"
    assert list(tmp_path.iterdir()) == [path]
