"""Pitch detectors against Praat's autocorrelation, on clips of RAVDESS.

Run it with `python tests/benchmarks/bench_pitch.py [--clips N]`. It needs `pip install praat-parselmouth`, for the
pitch that all are compared with, and measures pyworld and librosa too where they are installed. Each detector
runs on one thread, between 60 and 600 Hz, every 10 ms or as often as it does. All figures are of this run.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import torch
from tabulate import tabulate

RATE, LOW, HIGH, STEP = 16_000, 60.0, 600.0, 0.01
HEADERS = ("detector", "gross errors (> 20 %)", "median deviation, cents", "voicing errors", "times real time")
Array = npt.NDArray[np.float64]
Track = tuple[Array, Array]  # seconds, and Hz or 0 where nothing is voiced


def praat(wave: Array) -> Track:
    """Return Praat's pitch."""
    import parselmouth

    found = parselmouth.Sound(wave, RATE).to_pitch_ac(time_step=STEP, pitch_floor=LOW, pitch_ceiling=HIGH)
    return found.xs(), found.selected_array["frequency"]


def detectors() -> Iterator[tuple[str, Callable[[Array], Track]]]:
    """Yield every detector that is installed."""
    from swift_f0 import SwiftF0
    from torchaudio.functional import detect_pitch_frequency

    swift = SwiftF0(threads=1)

    def swift_f0(wave: Array) -> Track:
        found = swift.detect(wave.astype(np.float32), RATE, LOW, HIGH)
        return np.asarray(found.timestamps), np.where(found.confidence > 0.5, found.pitch_hz, 0)

    def torchaudio(wave: Array) -> Track:
        tensor = torch.from_numpy(wave.astype(np.float32))[None]
        found = detect_pitch_frequency(tensor, RATE, frame_time=STEP, freq_low=int(LOW), freq_high=int(HIGH))
        return (np.arange(found.shape[1]) + 0.5) * STEP, found[0].double().numpy()

    yield "Praat", praat
    yield "SwiftF0", swift_f0
    yield "torchaudio", torchaudio
    try:
        import pyworld
    except ImportError:
        pass
    else:

        def dio(wave: Array) -> Track:
            found, times = pyworld.dio(wave, RATE, LOW, HIGH, frame_period=1000 * STEP)
            return times, pyworld.stonemask(wave, found, times, RATE)

        yield "WORLD DIO", dio
    try:
        import librosa
    except ImportError:
        pass
    else:

        def yin(wave: Array) -> Track:
            found = librosa.yin(wave, fmin=LOW, fmax=HIGH, sr=RATE, frame_length=1024, hop_length=int(STEP * RATE))
            return STEP * np.arange(len(found), dtype=np.float64), found

        def pyin(wave: Array) -> Track:
            found, _, _ = librosa.pyin(
                wave, fmin=LOW, fmax=HIGH, sr=RATE, frame_length=1024, hop_length=int(STEP * RATE), fill_na=0.0
            )
            return STEP * np.arange(len(found), dtype=np.float64), found

        yield "librosa YIN", yin
        yield "librosa pYIN", pyin


def compare(references: list[Track], tracks: list[Track]) -> tuple[str, str, str]:
    """Return gross errors, per cent, the median deviation of the rest, cents, and voicing errors, per cent."""
    ratios, wrong, frames = [], 0, 0
    for (at, expected), (times, found) in zip(references, tracks, strict=True):
        near = found[np.abs(at[:, None] - times[None]).argmin(axis=1)]
        both = (expected > 0) & (near > 0)
        ratios.append(near[both] / expected[both])
        wrong += int(((near > 0) != (expected > 0)).sum())
        frames += len(at)
    ratio = np.concatenate(ratios)
    gross = np.abs(ratio - 1) > 0.2
    cents = float(np.median(np.abs(1200 * np.log2(ratio[~gross]))))
    voiced_throughout = all((found > 0).all() for _, found in tracks)
    voicing = "no voicing" if voiced_throughout else f"{100 * wrong / frames:.1f} %"
    return f"{100 * gross.mean():.1f} %", f"{cents:.1f}", voicing


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=40)
    count = parser.parse_args().clips
    folder = Path(os.environ.get("ECEF_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data")) / "ravdess"
    files = sorted(folder.rglob("*.flac"))
    if not files:
        sys.exit(f"no clips of RAVDESS in {folder}; set ECEF_SHARED_DATA")
    torch.set_num_threads(1)
    waves = [soundfile.read(path, dtype="float64")[0] for path in files[:: max(1, len(files) // count)]]
    seconds = sum(map(len, waves)) / RATE
    try:
        references = [praat(wave) for wave in waves]
    except ImportError:
        sys.exit("the reference is missing: pip install praat-parselmouth")
    rows = []
    for name, detect in detectors():
        detect(waves[0])
        start = time.perf_counter()
        tracks = [detect(wave) for wave in waves]
        speed = seconds / (time.perf_counter() - start)
        rows.append((name, *compare(references, tracks), f"{speed:.0f}"))
    print(f"{len(waves)} clips, {seconds:.0f} s")
    print(tabulate(rows, HEADERS, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
