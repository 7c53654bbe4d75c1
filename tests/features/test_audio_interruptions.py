"""An extraction that is stopped loses one batch at most, and goes on to the very same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from killed import kill_when
from recorded import Broken, Energies, contents, ensure, extraction, folder_of, with_faults

from ecef_cli.corpus.manifest import Prepared

TESTS = Path(__file__).parents[1]


pytestmark = pytest.mark.usefixtures("small_audio_batches")


def test_an_interrupted_extraction_loses_one_batch_and_goes_on_to_the_same_bytes(
    tmp_path: Path, recorded_talk: Prepared, capsys
) -> None:
    whole = ensure(tmp_path / "whole", recorded_talk)
    for at in range(14, 48, 11):
        Energies.asked.clear()
        with pytest.raises(KeyboardInterrupt):
            ensure(tmp_path / str(at), recorded_talk, extraction(Broken(at, KeyboardInterrupt())))
        done = len(Energies.asked)
        capsys.readouterr()
        again = ensure(tmp_path / str(at), recorded_talk)
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
from ecef_cli.corpus.tolerance import Tolerance
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
