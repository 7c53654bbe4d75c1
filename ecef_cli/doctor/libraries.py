"""Versions of the libraries, whether each imports, and the pip command if one does not."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ecef_cli.api.errors import described
from ecef_cli.api.libraries import HOST, PARTNERS, cure, hide_torchaudio, import_failure, installed, shadowed
from ecef_cli.doctor.rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

PAIR = "torch with torchaudio"
_SOUND = {"soundfile", "av"}  # text is read without them


def requirements(extra: str | None = None) -> dict[str, str]:
    """Return the requirements of ecef as pip takes them, by distribution; of an extra, those that it adds."""
    try:
        stated = requires(HOST) or []
    except PackageNotFoundError:
        return {}
    found = {}
    for line in stated:
        requirement, _, marker = (part.strip() for part in line.partition(";"))
        of = re.search(r"extra == ['\"]([^'\"]+)", marker)
        if (of and of[1]) == extra and (name := re.match(r"[\w.-]+", requirement)):
            found[name[0]] = requirement
    return found


def pip_install(name: str, *, again: bool = False) -> str:
    """Return the command that installs a library in a version that ecef accepts.

    Args:
        name: the distribution.
        again: whether to replace the files that are there.
    """
    return f'pip install {"--force-reinstall --no-deps " if again else ""}"{requirements().get(name, name)}"'


def torch() -> Iterator[Row]:
    """Examine torch."""
    import torch as library

    built = library.version.cuda
    yield Row("torch", "ok", f"{library.__version__}, built {f'for CUDA {built}' if built else 'without CUDA'}")


def transformers() -> Iterator[Row]:
    """Examine transformers with all that an encoder needs of it."""
    hide_torchaudio()
    import transformers.modeling_utils

    yield Row("transformers", "ok", transformers.__version__)


def torchaudio() -> Iterator[Row]:
    """Examine torchaudio, and whether it works with this torch: it resamples a tone and computes its mel spectrum."""
    release = installed("torchaudio")
    if release is None and find_spec("torchaudio") is None:
        found = "not installed; text is read without it, recordings are not"
        yield Row("torchaudio", "note", found, pip_install("torchaudio"))
        return
    yield Row("torchaudio", "ok", release or "of unknown version")
    together = f"torch {installed('torch')} with torchaudio {release}"
    try:
        import torch as library
        from torchaudio.transforms import MelSpectrogram, Resample

        wave = library.sin(library.arange(4000) / 8)
        whole = MelSpectrogram(16_000, n_mels=16)(Resample(8_000, 16_000)(wave)).isfinite().all()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a broken library may raise anything
        found = f"{together}: {described(error)}{shadowed('torchaudio')}; text is read without torchaudio"
        yield Row(PAIR, "bad", found, cure("torchaudio"))
        return
    if whole:
        yield Row(PAIR, "ok", f"{together}: resampling and mel spectrum work")
    else:
        yield Row(PAIR, "bad", f"{together}: the mel spectrum of a tone is not finite", cure("torchaudio"))


def extras() -> Iterator[Row]:
    """Tell which extras of ecef are installed, apart from those for its developers."""
    for extra, use in {"transcribe": "recordings cannot be transcribed", "parquet": "Parquet is not read"}.items():
        lacking = [name for name in requirements(extra) if installed(name) is None]
        if lacking:
            found = f"{', '.join(lacking)} not installed; {use}"
            yield Row(f"extra {extra}", "note", found, f'pip install "{HOST}[{extra}]", in a clone: -e ".[{extra}]"')
        else:
            yield Row(f"extra {extra}", "ok", ", ".join(f"{name} {installed(name)}" for name in requirements(extra)))


def failed(name: str, error: BaseException) -> Row:
    """Return the row of a library that cannot be imported."""
    release = installed(name)
    if release is None and isinstance(error, ModuleNotFoundError) and error.name == name:
        return Row(name, "note" if name in _SOUND else "bad", "not installed", pip_install(name))
    failure = import_failure(error)
    if failure is not None:
        return Row(name, "bad", failure.problem, failure.hint or "")
    trouble = f"{release or 'of unknown version'}, cannot be imported: {described(error)}{shadowed(name)}"
    return Row(name, "bad", trouble, cure(name) if name in PARTNERS else pip_install(name, again=True))
