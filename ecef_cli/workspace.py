"""Workspace: folders of prepared datasets, tags, features and runs, with atomic writes and locks."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import DataError, EcefError, UsageProblem, did_you_mean

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from filelock import BaseFileLock

DEFAULT = "ecef-work"
"""Default folder of the workspace."""
SPLITS = ("train", "dev", "test")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_RUNS = "runs"
_PART = ".part"
_RESERVED = {"dataset": (_RUNS,), "run": ("bundled", "bundled-speech")}
"""Reserved names: the folder of the runs, and the bundled runs."""


def check_name(name: str, what: str) -> str:
    """Return `name` if it is valid as the name of a folder.

    Raises:
        UsageProblem: it is not valid, or reserved.
    """
    if name in _RESERVED.get(what, ()):
        raise UsageProblem(f"{name!r} cannot be the name of a {what}", hint="ecef reserves it; choose another name")
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
        """Return the names of the prepared datasets."""
        return tuple(sorted(p.parent.name for p in self.root.glob("*/dataset.json")))

    def runs(self) -> tuple[str, ...]:
        """Return the names of the runs."""
        return tuple(sorted(p.parent.name for p in (self.root / _RUNS).glob("*/recipe.yaml")))

    def prepared(self, name: str) -> Path:
        """Return the folder of a prepared dataset.

        Raises:
            DataError: the dataset is not prepared.
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


def nearest_existing(path: Path) -> Path:
    """Return a path, or else the deepest folder above it that is visible.

    If the system denies access to the path, the result is the file or folder whose permissions deny it.
    """
    for known in (path, *path.parents):
        with suppress(OSError):
            known.lstat()
            return known
    return path


@contextmanager
def refusals(kind: type[EcefError], problem: str, path: Path, *, hint: str | None = None) -> Iterator[None]:
    """Turn an `OSError` within the block into a one-line error that names the file or folder.

    Args:
        kind: class of the error to raise.
        problem: what failed, such as `cannot be read`.
        path: the file or folder to name if the system names none.
        hint: what to do about it.

    Raises:
        EcefError: an instance of `kind`.
    """
    try:
        yield
    except OSError as error:
        raise kind(f"{problem}: {error.strerror or error}", where=str(refused(error, path)), hint=hint) from error


def refused(error: OSError, path: Path) -> Path:
    """Return the file or folder that an `OSError` concerns, or `path` if the error does not say."""
    if error.errno in _FULL:  # the file that was written does not matter
        return path
    # If a rename fails, the target is the obstacle.
    names = (name for name in (error.filename2, error.filename) if isinstance(name, str | os.PathLike))
    named = Path(next(names, path))
    # Other errors, such as a missing file, concern the named path itself.
    return nearest_existing(named) if isinstance(error, PermissionError) or error.errno == errno.EROFS else named


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it replaces `path` when the block succeeds.

    A killed process leaves the old file or the new one, never a partial one. What it had written is removed by the next
    process that replaces `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    handle, name = mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PART)
    part = Path(name)
    try:
        _lock(handle)
        yield part
        _flush(part)
        part.chmod(0o666 & ~_umask())
        part.replace(path)
        _flush(path.parent)
    except OSError as error:
        error.filename = error.filename or str(path)  # Python does not name the file if the disk is full
        raise
    finally:
        os.close(handle)
        part.unlink(missing_ok=True)


def _lock(handle: int) -> bool:
    """Lock an open file until it is closed or the process dies; return whether nobody else holds it."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held, or the file system has no locks
        return False
    return True


def _remove_leftovers(path: Path) -> None:
    """Remove what killed processes wrote beside `path` in order to replace it; a living writer holds a lock."""
    if fcntl is None:  # Windows: a file that is open cannot be removed
        return
    for part in path.parent.glob(f".{escape(path.name)}.{'[a-z0-9_]' * 8}{_PART}"):  # as `tempfile` names them
        with suppress(OSError):  # another process removes it, too
            handle = os.open(part, os.O_RDONLY)
            try:
                if _lock(handle):
                    part.unlink()
            finally:
                os.close(handle)


def _flush(path: Path) -> None:
    """Wait until a file or folder is on the disk, so that a power cut cannot undo what is built on it."""
    if path.is_dir() and fcntl is None:
        return  # Windows does not open folders
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Lock `path` against other processes while the block runs; the system releases the lock if the process dies.

    Args:
        path: the file or folder, which need not exist.
        what: name of it, for the error.

    Raises:
        EcefError: another process holds the lock, or the parent folder cannot be written.
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
    """Write a text file atomically."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        DataError: it is missing or not valid JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except ValueError as error:
        raise DataError(f"not valid JSON: {error}", where=str(path), hint="make it again with --force") from None
