"""A library that cannot be imported: one line that names it, its partner and the cure."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from ecef_cli.api.libraries import PARTNERS, cure, import_failure

ROW = {"speaker": "Ann", "text": "I am so happy for you!"}

Predict = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def predict(tmp_path: Path) -> Predict:
    """Return a function that predicts on a row, with a package in the way that raises when it is imported."""

    def run(library: str, row: Mapping[str, str] = ROW) -> subprocess.CompletedProcess[str]:
        package = tmp_path / "broken" / library
        package.mkdir(parents=True)
        (package / "__init__.py").write_text('raise OSError("undefined symbol: aoti_torch_abi")\n')
        (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
        path = os.pathsep.join([str(tmp_path / "broken"), *filter(None, sys.path)])
        return subprocess.run(
            [sys.executable, "-m", "ecef_cli", "--workspace", str(tmp_path / "work"), "predict", "rows.jsonl"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def spoken(tmp_path: Path) -> dict[str, str]:
    import numpy as np
    import soundfile

    wave = np.random.default_rng(0).normal(0, 0.1, 16_000)
    soundfile.write(tmp_path / "ann.wav", wave, 16_000)
    return {**ROW, "audio": "ann.wav"}


def test_text_is_predicted_with_a_broken_torchaudio(predict: Predict) -> None:
    ended = predict("torchaudio")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["prediction"]["emotion"]


@pytest.mark.parametrize("library", ["torch", "torchaudio", "transformers", "soundfile"])
def test_one_line_names_both_libraries_and_the_command_that_mends_it(
    predict: Predict, spoken: dict[str, str], library: str
) -> None:
    ended = predict(library, spoken)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    partner = PARTNERS[library]
    assert f"{library} {version(library)} cannot be imported with {partner} {version(partner)}" in ended.stderr
    assert "undefined symbol: aoti_torch_abi" in ended.stderr
    assert f"broken/{library}/__init__.py, which hides the installed {library}: move it away first" in ended.stderr
    assert re.search(rf'run `pip install .*"{partner}[<>=].*"{library}[<>=]', ended.stderr)


def test_a_missing_library_is_named() -> None:
    error = ModuleNotFoundError("No module named 'torchaudio'", name="torchaudio")
    assert "torchaudio" in str(import_failure(error))


def test_an_error_outside_of_imports_is_not_a_librarys() -> None:
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.ones(2) @ torch.ones(3)
    assert import_failure(caught.value) is None


def test_the_cure_installs_again_only_what_fits_already(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cure("torchaudio").startswith('pip install --force-reinstall "torch')
    monkeypatch.setattr("ecef_cli.api.libraries.installed", lambda library: {"torch": "2.11.0"}.get(library, "2.11.1"))
    assert cure("torchaudio").startswith('pip install "torch')
