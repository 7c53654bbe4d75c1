"""Speak the example dialogue with espeak-ng: `python tests/generators/make_example_audio.py`.

Writes one FLAC a row (16 kHz, mono) beside `docs/examples/moving-day.jsonl`, and names it in the row. The voices are
synthetic; pitch, its range, speed and level are set by hand, row by row.
"""

from __future__ import annotations

import io
import json
import subprocess
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import soundfile
import torch
from torchaudio.functional import resample

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

DIALOGUE = Path(__file__).parents[2] / "docs" / "examples" / "moving-day.jsonl"
RATE = 16_000  # Hz
VOICES = {"Nadia": "en-gb+f3", "Theo": "en-us+m3"}
MANNERS = {
    "plain": ("medium", 45, 165, -34),
    "afraid": ("high", 80, 190, -27),
    "surprised": ("x-high", 75, 180, -22),
    "disgusted": ("high", 30, 140, -28),
    "glad": ("x-high", 65, 175, -19),
    "angry": ("high", 55, 190, -12),
    "sad": ("low", 30, 125, -38),
}
"""Range of pitch in SSML's words, pitch (0 to 99), words a minute, level of the loudest 25 ms (dB of full scale)."""
SPOKEN = (
    *("plain", "plain", "afraid", "surprised", "afraid", "disgusted", "disgusted"),
    *("glad", "surprised", "plain", "angry", "sad", "sad", "glad"),
)


def levelled(wave: torch.Tensor, level: float) -> npt.NDArray[np.float32]:
    """Return a waveform whose loudest 25 ms have a level in dB of full scale."""
    frames = wave.unfold(0, RATE // 40, RATE // 40)
    loudest = frames.square().mean(dim=1).max().sqrt()
    scaled: npt.NDArray[np.float32] = (wave * (10 ** (level / 20) / loudest)).numpy()
    return scaled


def main() -> None:
    """Speak every row."""
    rows = [json.loads(line) for line in DIALOGUE.read_text(encoding="utf-8").splitlines()]
    folder = DIALOGUE.with_suffix("")
    folder.mkdir(exist_ok=True)
    for number, (row, manner) in enumerate(zip(rows, SPOKEN, strict=True), start=1):
        spread, pitch, speed, level = MANNERS[manner]
        command = ["espeak-ng", "-m", "-v", VOICES[row["speaker"]], "-p", str(pitch), "-s", str(speed)]
        text = f'<prosody range="{spread}">{escape(row["text"], quote=False)}</prosody>'
        spoken = subprocess.run([*command, "--stdout", text], check=True, capture_output=True).stdout
        wave, rate = soundfile.read(io.BytesIO(spoken), dtype="float32")
        path = folder / f"{number:02}.flac"
        soundfile.write(path, levelled(resample(torch.from_numpy(wave), rate, RATE), level), RATE, subtype="PCM_16")
        row["audio"] = f"{folder.name}/{path.name}"
    DIALOGUE.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.glob("*.flac"))
    print(f"{len(rows)} rows, {size / 1024:.0f} KiB in {folder}")


if __name__ == "__main__":
    main()
