"""Speed of preparing MELD's recordings, against the bare decoder and against what the disk takes.

Run it with `python tests/benchmarks/bench_clips.py [--clips N] [--seconds S] [--folder DIR]`. The clips are made up:
some seconds of AAC with pictures are encoded once, and the files are hard links to it, so that reading them costs less
than reading files of their own; decoding and writing cost the same. In one run: a loop that does nothing but decode, a
loop that does nothing but write files as large as the FLAC files under a name beside and rename them, and the step of
`ecef prepare meld` that makes the FLAC files, with one worker and with two. What it comes closest to bounds it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))

from meld_archive import clip, write

from ecef_cli.api.components import PrepareContext
from ecef_datasets.clips import convert, decode
from ecef_datasets.meld_recordings import record
from ecef_datasets.meld_sources import look

LOOPED = 500  # clips of the bare loops, at most


def rate(count: int, work: Callable[[], None]) -> float:
    """Return how many clips a second some work on `count` of them does."""
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def written(folder: Path, content: bytes, count: int) -> None:
    """Write files of this content, each whole or not at all."""
    folder.mkdir()
    for number in range(count):
        part = folder / f".{number}.part"
        part.write_bytes(content)
        part.rename(folder / f"{number}.flac")


def prepared(source: Path, folder: Path, workers: int, count: int) -> None:
    """Make the FLAC file of every clip."""
    found = record(look([source], folder), (), PrepareContext(folder, workers))
    if found.made != count or found.faults:
        raise SystemExit(f"{found.made} of {count} clips were made, {len(found.faults)} failed")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=13_000)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, help="on the disk to measure; the system's temporary folder otherwise")
    arguments = parser.parse_args()
    count, looped = arguments.clips, min(arguments.clips, LOOPED)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        root = Path(name)
        source = root / "MELD.Raw"
        first = write(source / "train_splits" / "dia0_utt0.mp4", clip(arguments.seconds, video=True))
        for number in range(1, count):
            os.link(first, first.with_name(f"dia{number // 10}_utt{number % 10}.mp4"))
        sound = first.read_bytes()
        convert(sound, root / "one.flac", "")  # imports and tables of codecs, once
        flac = (root / "one.flac").read_bytes()

        def decoded() -> None:
            for _ in range(looped):
                decode(sound)

        bare = rate(looped, decoded)
        disk = rate(looped, lambda: written(root / "disk", flac, looped))
        found = {w: rate(count, lambda w=w: prepared(source, root / f"w{w}", w, count)) for w in (1, 2)}  # type: ignore[misc]
    print(f"{count:,} clips of {arguments.seconds:g} s, {len(sound):,} bytes each, {len(flac):,} as FLAC; hard links")
    print(f"the bare decoder, one thread: {bare:.0f} clips/s")
    print(f"writing and renaming alone: {disk:.0f} files/s, {disk * len(flac) / 2**20:.1f} MiB/s")
    for workers, speed in found.items():
        shares = f"{speed / bare:.2f} of the decoder, {speed / disk:.2f} of the disk"
        print(f"{workers} worker{'s' if workers > 1 else ''}: {speed:.0f} clips/s, {shares}")
    print(f"two workers against one: {found[2] / found[1]:.2f}")


if __name__ == "__main__":
    main()
