"""A lock keeps all others out, whenever its holder ends and however it ends."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from ecef_cli.api.errors import EcefError
from ecef_cli.workspace import locked

HOLD = """
import sys
from pathlib import Path
from ecef_cli.workspace import locked
with locked(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_is_told_who_is_at_it_and_the_lock_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder"
    told = rf"^it is in use by another process, {os.getpid()} on \S+ \(wait until it has ended\)$"
    with locked(path, "it"):
        for _ in range(2):  # to ask does not change what the next is told
            with pytest.raises(EcefError, match=told), locked(path, "it"):
                pytest.fail("two have it")
    assert list(tmp_path.iterdir()) == []
    with locked(path, "it"):
        path.write_text("made")
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_removed_before_its_lock_is_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = Path.mkdir

    def unlucky(path: Path, **given: bool) -> None:
        mkdir(path, **given)
        monkeypatch.setattr(Path, "mkdir", mkdir)
        path.rmdir()

    monkeypatch.setattr(Path, "mkdir", unlucky)
    with locked(tmp_path / "new" / "x", "it"):
        assert [path.name for path in tmp_path.rglob("*")] == ["new", ".x.lock"]
    assert list(tmp_path.iterdir()) == []


def test_a_lock_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "x")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(EcefError, match=f"another process, {process.pid} on"), locked(tmp_path / "x", "it"):
            pytest.fail("two have it")
        process.kill()
    with locked(tmp_path / "x", "it"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("third", [True, False])
def test_a_file_that_was_removed_before_it_was_locked_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, third: bool
) -> None:
    flock = fcntl.flock
    with ExitStack() as first, ExitStack() as other:
        first.enter_context(locked(tmp_path / "x", "it"))

        def late(handle: int, operation: int) -> None:
            # The second has opened the file: now the first ends, which removes it, and a third may lock a new one.
            monkeypatch.setattr(fcntl, "flock", flock)
            first.close()
            if third:
                other.enter_context(locked(tmp_path / "x", "it"))
            flock(handle, operation)

        monkeypatch.setattr(fcntl, "flock", late)
        if third:
            with pytest.raises(EcefError, match="in use by another process"), locked(tmp_path / "x", "it"):
                pytest.fail("two have it")
        else:
            with locked(tmp_path / "x", "it"), pytest.raises(EcefError), locked(tmp_path / "x", "it"):
                pytest.fail("two have it")
    assert list(tmp_path.iterdir()) == []
