"""Relations from a dump, through an SQLite index that is built once and shared by processes."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import sys
import weakref
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from ecef_cli.api.components import Edge
from ecef_cli.api.errors import DataError
from ecef_conceptnet.api_reply import heaviest_first, rounded
from ecef_conceptnet.cache import cache_folder, default_dump
from ecef_conceptnet.index_build import LAYOUT, build_index
from ecef_conceptnet.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

_BAR_AFTER = 1.0  # seconds
_LARGE = 20 * 2**20  # bytes of a dump from which indexing prints a message

_KNOWN = "SELECT key FROM json_each(?) JOIN term ON text = value"
# One look-up per pair of terms. Reading all edges of each term is slower, as nearly all of them lead to terms outside
# the dialogue. The `+` keeps SQLite from deriving a range search on `high` from the comparison.
_EDGES = """
WITH asked AS (SELECT key AS place, number FROM json_each(?) JOIN term ON text = value)
SELECT one.place, two.place, relation, forward, weight, (SELECT name FROM source WHERE source.number = edge.source)
FROM asked AS one CROSS JOIN asked AS two CROSS JOIN edge
WHERE +one.number < +two.number AND low = one.number AND high = two.number AND weight >= ?
"""


class Index(Source):
    """An open index.

    Args:
        path: the file.
        language: the language's code.

    Raises:
        OSError, ValueError, sqlite3.Error: the file is missing, damaged at its beginning, or has another layout.
    """

    def __init__(self, path: Path, language: str) -> None:
        self._path = path
        # `immutable`: no locks and no extra files next to the database.
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        self._database = sqlite3.connect(uri, uri=True, check_same_thread=False)
        self.close = weakref.finalize(self, self._database.close)
        """Close the file."""
        (layout,) = self._database.execute("PRAGMA user_version").fetchone()
        if layout != LAYOUT:
            raise ValueError(f"layout {layout}")
        checksum, self.lines = self._database.execute("SELECT checksum, lines FROM facts").fetchone()
        self._names = dict(self._database.execute("SELECT number, name FROM relation"))
        self._checksum = hashlib.sha256(f"{LAYOUT}\n{language}\n{checksum}".encode()).hexdigest()

    @property
    def checksum(self) -> str:
        """Checksum of the dump, the language and the layout, which decide the contents of the index."""
        return self._checksum

    @property
    def relations(self) -> Mapping[str, int]:
        """Number of pairs of terms of each relation."""
        return dict(self._ask("SELECT name, pairs FROM relation ORDER BY name"))

    def known(self, terms: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return whether each term has an edge, (W,)."""
        found = np.zeros(len(terms), dtype=np.bool_)
        for (place,) in self._ask(_KNOWN, json.dumps(terms)):
            found[place] = True
        return found

    def masks(self, terms: Sequence[str], relations: Sequence[str], *, min_weight: float) -> npt.NDArray[np.uint64]:
        """Return the relations between each two terms, as bit masks (W, W)."""
        table = np.zeros((len(terms), len(terms)), dtype=np.uint64)
        bits = {name: np.uint64(1 << bit) for bit, name in enumerate(relations)}
        for low, high, relation, *_ in self._among(terms, min_weight):
            bit = bits.get(relation)
            if bit is not None:
                table[low, high] |= bit
                table[high, low] |= bit
        return table

    def edges(self, first: str, second: str, relations: Sequence[str], *, min_weight: float) -> tuple[Edge, ...]:
        """Return the edges between two terms, in either direction, heaviest first."""
        terms, found = [first, second], []
        for low, high, relation, forward, weight, source in self._among(terms, min_weight):
            start, end = (low, high) if forward else (high, low)
            if relation in relations:
                found.append(Edge(relation, terms[start], terms[end], weight, source))
        return heaviest_first(found)

    def _among(self, terms: Sequence[str], min_weight: float) -> Iterator[tuple[int, int, str, int, float, str]]:
        """Yield each edge among terms: places of its ends, relation, 1 if it starts at the first, weight, source."""
        for low, high, relation, *facts in self._ask(_EDGES, json.dumps(terms), rounded(min_weight)):
            name = self._names.get(relation)
            if name is None:
                raise self._damaged(f"relation {relation} has no name")
            yield low, high, name, *facts

    def _ask(self, query: str, *values: object) -> list[Any]:
        """Return the rows of a query.

        Raises:
            DataError: the file is damaged.
        """
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._damaged(str(error)) from None

    def _damaged(self, problem: str) -> DataError:
        return DataError(
            f"the index of the dump cannot be read: {problem}",
            where=str(self._path),
            hint=f"run `rm '{self._path}'` and the same command again to rebuild the index",
        )


# ------------------------------------------------------------------------------- finding and building one


def built_relations(dump: Path | None, language: str) -> tuple[str, ...] | None:
    """Return the relations of a dump from its index, or None if it has no index yet."""
    index = _opened(_remembered(dump or default_dump()), language)
    return None if index is None else tuple(index.relations)


def open_index(dump: Path | None, language: str) -> Index:
    """Return the index of a dump, built first if necessary; the official dump takes minutes.

    If two processes need the index at once, one builds it and the other waits. A killed build leaves no file that
    could be mistaken for an index.

    Args:
        dump: the gzipped dump; None for the downloaded one.
        language: the language's code.

    Raises:
        DataError: the dump is missing or corrupt, or the index cannot be written.
    """
    dump = dump or default_dump()
    if not dump.is_file():
        raise DataError(
            "no such dump of ConceptNet",
            where=str(dump),
            hint="run `ecef tag --option source=dump --download`, or pass --option assertions=FILE",
        )
    index = _opened(_remembered(dump), language)
    if index is not None:
        return index
    try:
        checksum = _checksum(dump)
        index = _opened(checksum, language) or _built(dump, language, checksum)
    except (OSError, sqlite3.Error) as error:
        raise DataError(
            f"the index of {dump.name} cannot be written: {getattr(error, 'strerror', None) or error}",
            where=str(_folder()),
            hint="free disk space, or set ECEF_CACHE to another folder",
        ) from None
    with suppress(OSError):  # a shared cache may be read-only
        _remember(dump, checksum)
    return index


def _built(dump: Path, language: str, checksum: str) -> Index:
    from filelock import FileLock

    target = _file(checksum, language)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        index = _opened(checksum, language)  # another process may have built it meanwhile
        if index is not None:
            return index
        part = target.with_name(f".{target.name}.part")
        part.unlink(missing_ok=True)  # left by a killed build: this process holds the lock
        try:
            with _bar(dump) as advance:
                if dump.stat().st_size > _LARGE:
                    print(f"{dump}: building its index once; this takes a while", file=sys.stderr)  # noqa: T201
                read = build_index(dump, language, part, advance)
            if read != checksum:
                raise DataError("the dump changed while it was read", where=str(dump), hint="try again")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return Index(target, language)


@contextmanager
def _bar(dump: Path) -> Iterator[Callable[[int], object]]:
    from tqdm import tqdm

    with tqdm(
        total=dump.stat().st_size,
        desc=f"index {dump.name}",
        unit="B",
        unit_scale=True,
        delay=_BAR_AFTER,
        disable=None,
        file=sys.stderr,
        leave=False,
    ) as bar:
        yield bar.update


def _folder() -> Path:
    return cache_folder() / "index"


def _file(checksum: str, language: str) -> Path:
    return _folder() / f"{checksum[:16]}-{language}-{LAYOUT}.sqlite"


def _opened(checksum: str | None, language: str) -> Index | None:
    """Return the index of the dump with a checksum, or None if it is missing or damaged."""
    if checksum is None:
        return None
    try:
        return Index(_file(checksum, language), language)
    except (OSError, ValueError, TypeError, sqlite3.Error):
        return None


# The checksum of 500 MB takes a second, so it is cached with the size and time of the dump.


def _note_of(dump: Path) -> tuple[Path, dict[str, Any]]:
    facts = dump.stat()
    path = str(dump.resolve())
    name = hashlib.sha256(path.encode()).hexdigest()[:16]
    return _folder() / f"{name}.json", {"dump": path, "size": facts.st_size, "changed": facts.st_mtime_ns}


def _remembered(dump: Path) -> str | None:
    try:
        note, facts = _note_of(dump)
        found = json.loads(note.read_text(encoding="utf-8"))
        checksum = found.pop("sha256")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return str(checksum) if found == facts else None


def _remember(dump: Path, checksum: str) -> None:
    note, facts = _note_of(dump)
    part = note.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps({**facts, "sha256": checksum}, indent=2) + "\n", encoding="utf-8")
    part.replace(note)


def _checksum(dump: Path) -> str:
    try:
        with dump.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=str(dump)) from None
