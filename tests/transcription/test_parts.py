"""Long recordings are recognised in parts, each once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tones import Tones, TonesOptions, record

from ecef_cli.audio.reading import inspect
from ecef_cli.transcription import parts
from ecef_cli.transcription.parts import Kept, recognise

SAID: list[str | float] = ["I", "see", "you.", 0.9] * 8


@pytest.fixture(autouse=True)
def _short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    Tones.heard.clear()
    monkeypatch.setattr(parts, "PART", 6.0)
    monkeypatch.setattr(parts, "_SEARCH", 4.0)


def words(path: Path, kept: Kept | None = None) -> list[tuple[str, float, float]]:
    segments = recognise(inspect(path), Tones(TonesOptions()), kept or Kept(None, {}))
    return [(w.text.strip(), w.start, w.end) for segment in segments for w in segment.words]


def test_parts_end_where_it_is_quiet_and_times_count_from_the_start(tmp_path: Path) -> None:
    path = record(tmp_path / "long.wav", SAID)
    divided = words(path)
    assert len(Tones.heard) > 2
    assert max(Tones.heard) <= 1.2 * 6
    assert [word for word, _, _ in divided] == [item for item in SAID if isinstance(item, str)]
    at = 0.0
    expected: list[float] = []
    for item in SAID:
        if isinstance(item, str):
            expected.append(at)
        at += item if isinstance(item, float) else 0.5
    assert np.allclose([start for _, start, _ in divided], expected, atol=0.051)


def test_a_recording_a_little_longer_than_a_part_is_one_part(tmp_path: Path) -> None:
    words(record(tmp_path / "short.wav", ["I", "see", "you."] * 4 + [1.0]))
    assert Tones.heard == [7.0]


def test_a_silent_part_is_not_transcribed(tmp_path: Path) -> None:
    found = words(record(tmp_path / "gap.wav", ["Yes.", 20.0, "Yes."]))
    assert [word for word, _, _ in found] == ["Yes.", "Yes."]
    assert found[1][1] == pytest.approx(20.5, abs=0.051)
    assert len(Tones.heard) == 2


def test_parts_that_are_kept_are_not_recognised_again(tmp_path: Path) -> None:
    path, kept = record(tmp_path / "long.wav", SAID), Kept(tmp_path / "parts", {"recording": 1})
    first = words(path, kept)
    Tones.heard.clear()
    assert words(path, kept) == first
    assert Tones.heard == []
    assert words(path, Kept(tmp_path / "parts", {"recording": 2})) == first
    assert len(Tones.heard) > 2


def test_a_damaged_part_is_recognised_again(tmp_path: Path) -> None:
    path, kept = record(tmp_path / "long.wav", SAID), Kept(tmp_path / "parts", {})
    first = words(path, kept)
    Tones.heard.clear()
    for file, text in zip(sorted((tmp_path / "parts").iterdir()), ["", "[]", '{"end": 1}'], strict=False):
        file.write_text(text)
    assert words(path, kept) == first
    assert len(Tones.heard) == 3
