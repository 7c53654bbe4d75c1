"""Formats of sound that can be decoded."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import DataError
from ecef_cli.api.libraries import installed
from ecef_cli.doctor.libraries import pip_install
from ecef_cli.doctor.rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

_RATE = 16_000  # Hz
_EXPECTED = {
    "WAV": ("WAV", "PCM_16"),
    "FLAC": ("FLAC", "PCM_16"),
    "Ogg Vorbis": ("OGG", "VORBIS"),
    "Ogg Opus": ("OGG", "OPUS"),
    "MP3": ("MP3", "MPEG_LAYER_III"),
}
_CONTAINERS = {"MP4": "mp4", "Matroska": "matroska", "AVI": "avi"}
_CODECS = {"AAC": "aac", "AC-3": "ac3", "MP3": "mp3", "Opus": "opus", "Vorbis": "vorbis", "FLAC": "flac"}


def recordings() -> Iterator[Row]:
    """Examine soundfile: a tone is written in each format and read as ecef reads recordings."""
    import soundfile

    yield Row("soundfile", "ok", f"{soundfile.__version__}, libsndfile {soundfile.__libsndfile_version__}")
    main = {form for form, _ in _EXPECTED.values()}
    others = {form: (form, soundfile.default_subtype(form)) for form in sorted(soundfile.available_formats())}
    with TemporaryDirectory() as folder:
        fine = [name for name, made in _EXPECTED.items() if _decodes(Path(folder), *made)]
        more = [name for name, made in others.items() if name not in main and _decodes(Path(folder), *made)]
    lacking = [name for name in _EXPECTED if name not in fine]
    found = ", ".join(fine) + (f"; also {', '.join(more)}" if more else "")
    if lacking:
        cure = pip_install("soundfile", again=True)
        yield Row("recordings", "bad", f"cannot be decoded: {', '.join(lacking)}; can be: {found}", cure)
    else:
        yield Row("recordings", "ok", found)


def videos() -> Iterator[Row]:
    """Examine PyAV, which decodes videos, and the recordings that libsndfile does not read."""
    import av

    containers = [name for name, code in _CONTAINERS.items() if _known(av.ContainerFormat, code)]
    codecs = [name for name, code in _CODECS.items() if _known(av.Codec, code)]
    found = f"{', '.join(codecs)} in {', '.join(containers)}; PyAV {installed('av')}"
    whole = "MP4" in containers and "AAC" in codecs
    yield Row("videos", "ok", found) if whole else Row("videos", "bad", found, pip_install("av", again=True))


def _decodes(folder: Path, form: str, subtype: str | None) -> bool:
    import numpy as np
    import soundfile

    from ecef_cli.audio.reading import inspect, read_wave

    path = folder / f"tone.{form.lower()}"
    tone = 0.5 * np.sin(np.arange(_RATE) / 8)
    try:
        soundfile.write(path, tone, _RATE, format=form, subtype=subtype)
        if inspect(path).rate != _RATE:  # one format has a rate of its own, and resampling is examined elsewhere
            return False
        wave = read_wave(path, rate=_RATE)
    except (soundfile.LibsndfileError, DataError, ValueError, TypeError, OSError):
        return False
    return len(wave) > _RATE // 2 and float(wave.std()) > 0.1  # noqa: PLR2004 - a third of a sine's amplitude


def _known(kind: Any, code: str) -> bool:
    try:
        kind(code, "r")
    except ValueError:
        return False
    return True
