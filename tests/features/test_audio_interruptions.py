"""An extraction that is stopped loses one batch at most, and goes on to the very same bytes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from recorded import Broken, Energies, contents, ensure, extraction, folder_of, recorded, use_small_batches, with_faults

from ecef_cli.manifest import Prepared

TESTS = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_batches(monkeypatch)


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return recorded(tmp_path / "sound", 60)


def test_an_interrupted_extraction_loses_one_batch_and_goes_on_to_the_same_bytes(
    tmp_path: Path, prepared: Prepared, capsys
) -> None:
    whole = ensure(tmp_path / "whole", prepared)
    for at in range(14, 48, 11):
        Energies.asked.clear()
        with pytest.raises(KeyboardInterrupt):
            ensure(tmp_path / str(at), prepared, extraction(Broken(at, KeyboardInterrupt())))
        done = len(Energies.asked)
        capsys.readouterr()
        again = ensure(tmp_path / str(at), prepared)
        assert f"going on, {done} of 48 utterances are there" in capsys.readouterr().err
        assert len(Energies.asked) == 48
        assert contents(again.folder) == contents(whole.folder)


class PulledPlugError(BaseException):
    pass


def test_wherever_it_is_stopped_between_two_files_it_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = with_faults(tmp_path)
    whole = contents(ensure(tmp_path / "whole", faulty, tolerate="7").folder)
    for at in range(100):
        steps = iter(range(100))
        with monkeypatch.context() as patch:
            for name in ("replace", "unlink"):
                patch.setattr(Path, name, stopping(getattr(Path, name), steps, at))
            try:
                ensure(tmp_path / str(at), faulty, tolerate="7")
            except PulledPlugError:
                stopped = True
            else:
                stopped = False
        assert contents(ensure(tmp_path / str(at), faulty, tolerate="7").folder) == whole
        if not stopped:
            break
    assert 10 < at < 99


def stopping(original, steps, at: int):
    def step(path: Path, *arguments, **options):
        # From then on nothing is tidied up either.
        if not path.name.endswith(".lock") and next(steps) >= at:
            raise PulledPlugError
        return original(path, *arguments, **options)

    return step


SLOW = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from recorded import Energies, extraction, recorded
from ecef_cli.features import audio_plan
from ecef_cli.features.audio_extraction import ensure_audio_features
from ecef_cli.tolerance import Tolerance
from ecef_cli.workspace import Workspace

audio_plan.BATCH_SECONDS, audio_plan.SHARD = 2.0, 20

class Slow(Energies):
    def encode(self, waves):
        time.sleep(0.05)
        return super().encode(waves)

prepared = recorded(Path({sound!r}), 60)
what = extraction(Slow(Slow.Options()))
ensure_audio_features(Workspace(Path({root!r})), prepared, what, tolerance=Tolerance.parse("0"))
"""
"""Encodes with a pause at each batch, so that the test can kill it between any two."""


@pytest.mark.parametrize("parts", [3, 6])
def test_a_killed_extraction_goes_on_to_the_same_bytes(tmp_path: Path, prepared: Prepared, parts: int) -> None:
    whole = contents(ensure(tmp_path / "whole", prepared).folder)
    folder = folder_of(tmp_path / "killed", prepared)
    script = SLOW.format(tests=str(TESTS), sound=str(tmp_path / "sound"), root=str(tmp_path / "killed"))
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while len(list(folder.glob("train-*"))) < parts:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert not (folder / "index.json").exists()
    (folder / ".tmpGamJSF").touch()  # safetensors writes to such files first
    (folder / ".train-00000-0001.part.x1y2.part").touch()
    Energies.asked.clear()
    assert contents(ensure(tmp_path / "killed", prepared).folder) == whole
    assert len(Energies.asked) < 48
