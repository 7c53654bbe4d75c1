"""Where prepared data, tags, features and runs live, and how files get there whole."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile, mkdtemp
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import DataError, EcefError, UsageProblem, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from filelock import BaseFileLock

DEFAULT = "ecef-work"
"""The folder of the workspace where none is named."""
SPLITS = ("train", "dev", "test")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_RUNS = "runs"
_RESERVED = {"dataset": _RUNS, "run": "bundled"}
"""Names that mean something else: the folder of the runs, and the run that comes with ecef."""


def check_name(name: str, what: str) -> str:
    """Return `name` if it can be a folder's name.

    Raises:
        UsageProblem: it cannot.
    """
    if name == _RESERVED.get(what):
        raise UsageProblem(f"{name!r} cannot be the name of a {what}", hint="it is taken by ecef itself")
    if not _NAME.fullmatch(name):
        raise UsageProblem(f"{name!r} cannot be the name of a {what}", hint="use letters, digits, '.', '_' and '-'")
    return name


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder with prepared datasets and runs."""

    root: Path

    def dataset(self, name: str) -> Path:
        """Return the folder of a prepared dataset, which need not exist."""
        return self.root / check_name(name, "dataset")

    def run(self, name: str) -> Path:
        """Return the folder of a run, which need not exist."""
        return self.root / _RUNS / check_name(name, "run")

    def datasets(self) -> tuple[str, ...]:
        """Return the names of the datasets that are prepared."""
        return tuple(sorted(p.parent.name for p in self.root.glob("*/dataset.json")))

    def runs(self) -> tuple[str, ...]:
        """Return the names of the runs."""
        return tuple(sorted(p.parent.name for p in (self.root / _RUNS).glob("*/recipe.yaml")))

    def prepared(self, name: str) -> Path:
        """Return the folder of a dataset that is prepared.

        Raises:
            DataError: there is no such dataset.
        """
        folder = self.dataset(name)
        if not (folder / "dataset.json").is_file():
            known = self.datasets()
            hint = did_you_mean(name, known) if known else f"run `ecef prepare READER --source … --name {name}` first"
            raise DataError(f"the dataset {name!r} is not prepared in the workspace {self.root}", hint=hint)
        return folder


def content_key(facts: Mapping[str, Any]) -> str:
    """Return a short hash of facts, the same for equal facts on every machine."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def standing(path: Path) -> Path:
    """Return a path, or else the deepest folder above it of which the system lets one know that it is there.

    Where the system refuses what is asked of a path, that is the file or the folder whose permissions forbid it.
    """
    for known in (path, *path.parents):
        with suppress(OSError):
            known.lstat()
            return known
    return path


@contextmanager
def refusals(kind: type[EcefError], problem: str, path: Path, *, hint: str | None = None) -> Iterator[None]:
    """Turn what the system refuses while the block runs into one line, with the file or folder that it is about.

    Args:
        kind: which error it becomes.
        problem: what cannot be done, such as `cannot be read`.
        path: what it is about where the system does not say.
        hint: what to do about it.

    Raises:
        EcefError: of the kind.
    """
    try:
        yield
    except OSError as error:
        raise kind(f"{problem}: {error.strerror or error}", where=str(refused(error, path)), hint=hint) from error


def refused(error: OSError, path: Path) -> Path:
    """Return the file or folder that an error of the system is about, which is `path` where it does not say."""
    if error.errno in _FULL:  # whatever file was being written then
        return path
    # Of what could not be renamed, the place that it was to have is what stands in the way.
    names = (name for name in (error.filename2, error.filename) if isinstance(name, str | os.PathLike))
    named = Path(next(names, path))
    # What is missing, or is another thing than was expected, is meant itself.
    return standing(named) if isinstance(error, PermissionError) or error.errno == errno.EROFS else named


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes the place of `path` when the block ends well.

    A killed process leaves the old file or the new one, never half of one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False) as handle:
        part = Path(handle.name)
    try:
        yield part
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # where a disk is full, Python does not know of which file
        raise
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`; it takes the place of `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    try:
        yield part
        part.chmod(0o777 & ~_umask())
        if path.exists():
            shutil.rmtree(path)
        part.replace(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Keep other processes out of `path` while the block runs; the lock ends with the process, however that ends.

    Args:
        path: the file or folder, which need not exist.
        what: what it is, for the error.

    Raises:
        EcefError: another process has it, or the folder that it lies in cannot be written.
    """
    lock = path.parent / f".{path.name}.lock"
    with refusals(EcefError, "cannot be written", path.parent):
        made = not path.parent.exists()
        held = _hold(lock, what)
    try:
        with suppress(OSError):  # a full disk has no room to say who it is
            lock.write_text(f"{os.getpid()} on {platform.node()}\n", encoding="utf-8")
        yield
    finally:
        with suppress(OSError):  # before it is released: afterwards it may be another's
            lock.unlink()
        held.release()
        if made:
            with suppress(OSError):  # what failed early leaves no empty folder behind
                path.parent.rmdir()


def _hold(lock: Path, what: str) -> BaseFileLock:
    from filelock import FileLock, Timeout

    held = FileLock(lock, fallback_to_soft=False)  # a soft lock would keep its own facts in the file
    while True:
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            held.acquire(blocking=False)
        except FileNotFoundError:
            continue  # who held it has just removed the folder that it had made
        except Timeout:
            if not lock.exists():
                continue  # who held it has just ended
            who = "another process"
            with suppress(OSError):
                who = ", ".join(filter(None, (who, lock.read_text(encoding="utf-8").strip())))
            raise EcefError(f"{what} is in use by {who}", hint="wait until it has ended") from None
        else:
            return held


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        DataError: it is missing or broken.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except ValueError as error:
        raise DataError(f"is no JSON: {error}", where=str(path), hint="make it again with --force") from None
