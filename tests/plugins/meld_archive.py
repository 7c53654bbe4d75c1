"""MELD's files as they are published, with small clips that PyAV encodes."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np

HEADER = (
    *("Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment"),
    *("Dialogue_ID", "Utterance_ID", "Season", "Episode", "StartTime", "EndTime"),
)
FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}


def clip(
    seconds: float = 0.6,
    *,
    video: bool = False,
    sound: bool = True,
    level: float = 0.3,
    layout: str = "stereo",
    rate: int = 48_000,
    form: str = "mp4",
    front: bool = False,
) -> bytes:
    """Return a recording of a tone.

    Args:
        seconds: how long it is.
        video: whether there are pictures too.
        sound: whether there is sound at all.
        level: the greatest sample.
        layout: its channels.
        rate: samples a second.
        form: `mp4`, `wav` or `flac`.
        front: whether an index stands before what it is of, so that a file that is cut can still be opened.
    """
    with TemporaryDirectory() as folder:  # what moves its index to the front must open its file once more
        path = Path(folder) / f"clip.{form}"
        with av.open(str(path), "w", format=form, options={"movflags": "faststart"} if front else {}) as container:
            codec = {"mp4": "aac", "wav": "pcm_s16le", "flac": "flac"}[form]
            voice = container.add_stream(codec, rate=rate, layout=layout) if sound else None
            pictures = container.add_stream("mpeg4", rate=10) if video else None
            if pictures is not None:
                pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
            if voice is not None:
                assert isinstance(voice, av.AudioStream)
                for packet in (*voice.encode(_tone(seconds, level, layout, rate)), *voice.encode(None)):
                    container.mux(packet)
            if pictures is not None:
                for number in range(max(1, round(seconds * 10))):
                    frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 9 % 256, np.uint8), format="rgb24")
                    frame.pts = number
                    container.mux(pictures.encode(frame))
                container.mux(pictures.encode(None))
        return path.read_bytes()


def _tone(seconds: float, level: float, layout: str, rate: int) -> av.AudioFrame:
    time = np.arange(round(seconds * rate)) / rate
    wave = (level * np.sin(2 * np.pi * 330 * time) * 32767).astype(np.int16)
    channels = av.AudioLayout(layout).nb_channels
    frame = av.AudioFrame.from_ndarray(np.repeat(wave, channels)[None], format="s16", layout=layout)
    frame.sample_rate, frame.pts = rate, 0
    return frame


def table(rows: Iterable[tuple[int, int, float]]) -> bytes:
    """Return a table with a row for each (dialogue, utterance, seconds)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    emotions = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
    for number, (dialogue, utterance, seconds) in enumerate(rows):
        emotion = emotions[number % 7]
        said = f"This is what I say, number {number}."
        who = ("Ana", "Bo")[utterance % 2]
        times = ("00:01:00,000", f"00:0{int(1 + seconds // 60)}:{seconds % 60:06.3f}".replace(".", ","))
        writer.writerow([number, said, who, emotion, "neutral", dialogue, utterance, 1, 2, *times])
    return text.getvalue().encode()


def packed(files: Mapping[str, bytes], *, zipped: bool = True) -> bytes:
    """Return a tar archive of files and of the folders that they lie in."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz" if zipped else "w", compresslevel=1) as tar:  # type: ignore[call-overload]
        folders: set[str] = set()
        for name, content in files.items():
            folder = name.rpartition("/")[0]
            if folder and folder not in folders:
                folders.add(folder)
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), 1_540_000_000
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def raw(
    tables: Mapping[str, bytes], clips: Mapping[str, Mapping[str, bytes]], *, extras: Mapping[str, Any] | None = None
) -> bytes:
    """Return `MELD.Raw.tar.gz`: the tables, and an archive of each split's clips, in the layout of the published one.

    Args:
        tables: by split.
        clips: by split, then by name, such as `dia0_utt0.mp4`.
        extras: further files by split, then by name.
    """
    inner = {}
    for split, folder in FOLDERS.items():
        files = {f"{folder}/._{name}": b"Mac OS X" for name in list(clips.get(split, {}))[:1]}
        files |= {f"{folder}/{name}": content for name, content in clips.get(split, {}).items()}
        files |= {f"{folder}/{name}": content for name, content in (extras or {}).get(split, {}).items()}
        inner[f"MELD.Raw/{split}.tar.gz"] = packed(files)
    texts = {f"MELD.Raw/{split}_sent_emo.csv": text for split, text in tables.items()}
    return packed({"MELD.Raw/README.txt": b"MELD", **texts, **inner})


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
