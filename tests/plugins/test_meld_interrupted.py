"""`ecef prepare meld` that is killed at any moment, or runs twice at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile
from meld_archive import clip, raw, table, write

from ecef_cli.corpus.manifest import load_prepared
from ecef_cli.workspace import Workspace

SIZES = {"train": 90, "dev": 3, "test": 3}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tables = {split: table((number, 0, 1.5) for number in range(size)) for split, size in SIZES.items()}
    sound = clip(1.5, video=True)
    clips = {split: {f"dia{number}_utt0.mp4": sound for number in range(size)} for split, size in SIZES.items()}
    return write(tmp_path_factory.mktemp("published") / "MELD.Raw.tar.gz", raw(tables, clips))


def start(work: Path, source: Path) -> subprocess.Popen[str]:
    arguments = ["--workspace", str(work), "prepare", "meld", "--source", str(source), "--workers", "2"]
    # A shell that starts the tests in the background has them ignore the signal.
    code = (
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"from ecef_cli.cli.main import main\nif __name__ == '__main__':\n    main({arguments!r})"
    )
    command = (sys.executable, "-c", code)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=300)
    return process.returncode, said


def recordings(work: Path) -> list[Path]:
    return sorted((work / "meld" / "recordings").glob("*/*.flac"))


def check_whole(work: Path) -> None:
    """Check that every recording is there and decodes to its end."""
    prepared = load_prepared(Workspace(work), "meld")
    paths = [u.audio for dialogues in prepared.splits.values() for d in dialogues for u in d.utterances]
    assert len(paths) == sum(SIZES.values())
    for path in paths:
        assert path is not None
        assert len(soundfile.read(path)[0]) == pytest.approx(24_000, abs=1_500)


@pytest.mark.parametrize("after", [1, 50])
def test_a_kill_loses_the_clips_under_way_and_nothing_that_counts_is_half(
    archive: Path, tmp_path: Path, after: int
) -> None:
    work = tmp_path / "work"
    process = start(work, archive)
    while len(recordings(work)) < after and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    code, _ = finish(process)  # which waits for the workers, too: they hold what it wrote to
    assert code == -signal.SIGKILL
    assert not (work / "meld" / "dataset.json").exists()
    kept = {path: path.stat().st_mtime_ns for path in recordings(work)}
    assert after <= len(kept) < sum(SIZES.values())
    for path in kept:
        assert len(soundfile.read(path)[0]) == pytest.approx(24_000, abs=1_500)
    code, said = finish(start(work, archive))
    assert code == 0, said
    assert f"decoded {sum(SIZES.values()) - len(kept)} recordings" in said
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    assert not list((work / "meld").rglob("*.part"))
    check_whole(work)


def test_an_interruption_ends_soon_and_says_so(archive: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    process = start(work, archive)
    while not recordings(work) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    code, said = finish(process)
    assert code == 130, said
    assert said.strip() == "ecef: interrupted; run the same command to resume"
    assert 0 < len(recordings(work)) < sum(SIZES.values())


def test_two_at_once_leave_one_right_dataset(archive: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    ends = [finish(process) for process in [start(work, archive) for _ in range(2)]]
    assert 0 in {code for code, _ in ends}
    for code, said in ends:
        assert code == 0 or "the dataset 'meld' is in use by another process" in said
    check_whole(work)


def test_another_user_may_read_what_was_made(archive: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    assert finish(start(work, archive))[0] == 0
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in recordings(work))
