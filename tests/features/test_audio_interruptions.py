"""An extraction that is stopped loses the shard in work, and goes on to the very same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killed import kill_when
from recorded import Broken, Energies, contents, ensure, extraction, folder_of, with_faults
from safetensors import safe_open

from ecef_cli.corpus.manifest import Prepared
from ecef_cli.features import batches

TESTS = Path(__file__).parents[1]


pytestmark = pytest.mark.usefixtures("small_audio_batches")


def test_an_interrupted_extraction_loses_one_shard_and_goes_on_to_the_same_bytes(
    tmp_path: Path, recorded_talk: Prepared, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = ensure(tmp_path / "whole", recorded_talk)
    for at in range(14, 48, 11):
        Energies.asked.clear()
        with pytest.raises(KeyboardInterrupt):
            ensure(tmp_path / str(at), recorded_talk, extraction(Broken(at, KeyboardInterrupt())))
        encoded = len(Energies.asked)
        folder = folder_of(tmp_path / str(at), recorded_talk)
        saved = [whole.folder / path.name for path in sorted(folder.glob("*.safetensors"))]
        done = sum(map(frames_in, saved))
        lost = frames_in(whole.folder / f"train-{len(saved):05d}.safetensors")
        assert encoded - lost <= done <= encoded
        capsys.readouterr()
        again = ensure(tmp_path / str(at), recorded_talk)
        assert not done or f"resuming, {done} of 48 utterances are done" in capsys.readouterr().err
        assert len(Energies.asked) == encoded + 48 - done
        assert contents(again.folder) == contents(whole.folder)


def frames_in(shard: Path) -> int:
    """Return how many utterances have frames in a shard."""
    with safe_open(shard, framework="numpy") as stored:
        return int((np.diff(stored.get_tensor("offsets")) > 0).sum())


class PulledPlugError(BaseException):
    pass


def test_wherever_it_is_stopped_between_two_files_it_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = with_faults(tmp_path)
    monkeypatch.setattr(batches, "SHARD_BATCHES", 1)
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


def stopping(original: Callable[..., Any], steps: Iterator[int], at: int) -> Callable[..., Any]:
    def step(path: Path, *arguments: Any, **options: Any) -> Any:
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
from ecef_cli.features import batches
from ecef_cli.features.audio import ensure_audio_features
from ecef_cli.corpus.tolerance import Tolerance
from ecef_cli.workspace import Workspace

batches.BATCH_SECONDS, batches.SHARD_BATCHES = 2.0, 3

class Slow(Energies):
    def encode(self, waves):
        time.sleep(0.05)
        return super().encode(waves)

prepared = recorded(Path({sound!r}), 60)
what = extraction(Slow(Slow.Options()))
ensure_audio_features(Workspace(Path({root!r})), prepared, what, tolerance=Tolerance.parse("0"))
"""
"""Encodes with a pause at each batch, so that the test can kill it between any two."""


@pytest.mark.parametrize("parts", [1, 3])
def test_a_killed_extraction_goes_on_to_the_same_bytes(tmp_path: Path, recorded_talk: Prepared, parts: int) -> None:
    whole = contents(ensure(tmp_path / "whole", recorded_talk).folder)
    folder = folder_of(tmp_path / "killed", recorded_talk)
    script = SLOW.format(tests=str(TESTS), sound=str(tmp_path / "sound"), root=str(tmp_path / "killed"))
    kill_when(lambda: len(list(folder.glob("train-*"))) >= parts, script)
    assert not (folder / "index.json").exists()
    (folder / ".tmpGamJSF").touch()  # safetensors writes to such files first
    (folder / ".train-00000-0001.part.x1y2.part").touch()
    Energies.asked.clear()
    assert contents(ensure(tmp_path / "killed", recorded_talk).folder) == whole
    assert len(Energies.asked) < 48
