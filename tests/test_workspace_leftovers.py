"""What a killed process had written is removed by the next one that writes there; a living one keeps its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ecef_cli.workspace import replacing

KILLED = """
import os, signal, sys
from pathlib import Path
from ecef_cli.workspace import replacing
with replacing(Path(sys.argv[1])) as part:
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    path, other = tmp_path / "a[1].json", tmp_path / "a[1].json.txt"
    for target in (path, other):
        subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False)
    left = {part.name.rpartition(".part")[0].rpartition(".")[0] for part in tmp_path.iterdir()}
    assert left == {".a[1].json", ".a[1].json.txt"}
    with replacing(path) as part:
        part.write_text("whole")
    assert path.exists()
    (kept,) = [part for part in tmp_path.iterdir() if part != path]
    assert kept.name.startswith(".a[1].json.txt."), "another file's part is that file's next writer's to remove"


def test_a_living_writer_keeps_its_part(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with replacing(path) as first:
        first.write_text("first")
        with replacing(path) as second:
            second.write_text("second")
        assert first.exists()
    assert path.read_text() == "first", "the last one to finish"
    assert list(tmp_path.iterdir()) == [path]
