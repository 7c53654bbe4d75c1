"""A small release of IEMOCAP for every test that asks for one."""

from __future__ import annotations

from pathlib import Path

import pytest
from iemocap_small import write_dialogue


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release of five sessions, two dialogues each, with recordings in the first."""
    folder = tmp_path / "IEMOCAP_full_release"
    for number in range(1, 6):
        write_dialogue(folder, f"Ses0{number}F_impro01", recordings=number == 1)
        write_dialogue(folder, f"Ses0{number}M_impro01")
    return folder
