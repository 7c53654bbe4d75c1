"""The dump as a source: an index on disk, built once, that processes share by mapping it into memory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import numpy as np

from ecef_cli.api.components import Edge
from ecef_cli.api.errors import DataError
from ecef_conceptnet.cache import cache_folder, default_dump
from ecef_conceptnet.index_build import FACTS, LAYOUT, build_index, hashes
from ecef_conceptnet.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy.typing as npt

_BAR_AFTER = 1.0  # seconds
_LAST_BITS = np.int32((1 << 16) - 1)
_REMEMBERED = 1 << 16  # terms whose numbers are kept at hand
_LARGE = 20 * 2**20  # bytes of a dump whose indexing is worth a word


class Index(Source):
    """An opened index.

    Args:
        folder: where it lies.

    Raises:
        OSError, ValueError, KeyError: it is not whole.
    """

    def __init__(self, folder: Path) -> None:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        if facts["layout"] != LAYOUT:
            raise ValueError(f"layout {facts['layout']}")
        self._facts = facts
        self._seen: dict[str, int] = {}
        self._asked: tuple[tuple[str, ...], npt.NDArray[np.uint64]] = (), np.zeros(0, dtype=np.uint64)
        self._arrays = {name: _mapped(folder / name, stated) for name, stated in facts["files"].items()}

    @property
    def checksum(self) -> str:
        """The checksum of all that the index says."""
        return str(self._facts["checksum"])

    @property
    def relations(self) -> Mapping[str, int]:
        """Every relation with the number of its pairs of terms."""
        return dict(self._facts["relations"])

    @property
    def size(self) -> tuple[int, int]:
        """The numbers of terms and of edges."""
        return len(self._arrays["hashes"]), len(self._arrays["others"]) // 2

    @property
    def lines(self) -> int:
        """The number of lines of the dump."""
        return int(self._facts["lines"])

    def known(self, terms: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return (W,) which terms have an edge."""
        return self._numbers(terms) >= 0

    def masks(self, terms: Sequence[str], relations: Sequence[str], *, min_weight: float) -> npt.NDArray[np.uint64]:
        """Return which relations hold between each two terms, as masks (W, W)."""
        table = np.zeros((len(terms), len(terms)), dtype=np.uint64)
        numbers = self._numbers(terms)
        rows = np.flatnonzero(numbers >= 0)
        rows = rows[np.argsort(numbers[rows])]
        if not len(rows):
            return table
        numbers = numbers[rows].astype(np.int32)
        starts = self._arrays["starts"]
        first = starts[numbers]
        lengths = starts[numbers + 1] - first
        ends = np.cumsum(lengths)
        others = self._arrays["others"]
        slices = zip(first.tolist(), (first + lengths).tolist(), strict=True)
        other = np.concatenate([others[start:stop] for start, stop in slices])
        # Nearly all edges lead elsewhere: a look at the last bits leaves few to be searched for.
        wanted = np.zeros(_LAST_BITS + 1, dtype=np.bool_)
        wanted[numbers & _LAST_BITS] = True
        maybe = np.flatnonzero(wanted.take(other & _LAST_BITS))
        place = np.minimum(np.searchsorted(numbers, other[maybe]), len(numbers) - 1)
        hit = numbers[place] == other[maybe]
        maybe, place = maybe[hit], place[hit]
        run = np.searchsorted(ends, maybe, side="right")
        edge = maybe + (first - (ends - lengths))[run]
        row, column = rows[run], rows[place]
        bits = self._bits(tuple(relations))[self._arrays["relations"][edge]]
        if min_weight > 0:
            bits = np.where(self._arrays["weights"][edge] >= np.float32(min_weight), bits, np.uint64(0))
        np.bitwise_or.at(table, (row, column), bits)
        return table

    def edges(self, first: str, second: str, relations: Sequence[str], *, min_weight: float) -> tuple[Edge, ...]:
        """Return the edges between two terms, in either direction, heaviest first."""
        one, two = self._numbers([first, second])
        if one < 0 or two < 0 or one == two:
            return ()
        arrays = self._arrays
        around = slice(*arrays["starts"][one : one + 2])
        low, high = (np.searchsorted(arrays["others"][around], two, side=side) for side in ("left", "right"))
        names, sources = list(self._facts["relations"]), self._facts["sources"]
        found = []
        for number in range(around.start + low, around.start + high):
            weight = float(arrays["weights"][number])
            name = names[arrays["relations"][number]]
            if name in relations and weight >= np.float32(min_weight):
                start, end = (first, second) if arrays["forward"][number] else (second, first)
                found.append(Edge(name, start, end, weight, sources[arrays["sources"][number]]))
        return tuple(sorted(found, key=lambda edge: (-edge.weight, edge.relation, edge.start, edge.source)))

    def _bits(self, relations: tuple[str, ...]) -> npt.NDArray[np.uint64]:
        """Return the bit of each relation of the index, none where it is not asked for."""
        if self._asked[0] != relations:
            bits = [1 << relations.index(name) if name in relations else 0 for name in self._facts["relations"]]
            self._asked = relations, np.array(bits, dtype=np.uint64)
        return self._asked[1]

    def _numbers(self, terms: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return (W,) the numbers of terms, -1 where the index does not know one."""
        seen = self._seen
        new = [term for term in terms if term not in seen]
        if new:
            if len(seen) + len(new) > _REMEMBERED:
                seen, new = {}, list(terms)
                self._seen = seen
            seen.update(zip(new, self._search(new).tolist(), strict=True))
        return np.array([seen[term] for term in terms], dtype=np.int64)

    def _search(self, terms: Sequence[str]) -> npt.NDArray[np.int64]:
        asked = [term.encode() for term in terms]
        wanted = hashes(asked, self._facts["salt"])[:, 0]
        every, offsets, texts = (self._arrays[name] for name in ("hashes", "offsets", "texts"))
        found = np.minimum(np.searchsorted(every, wanted), len(every) - 1)
        numbers = np.where(every[found] == wanted, found, -1)
        for row in np.flatnonzero(numbers >= 0):
            first, last = offsets[numbers[row]], offsets[numbers[row] + 1]
            if texts[first:last].tobytes() != asked[row]:
                numbers[row] = -1
        return numbers


def _mapped(path: Path, stated: Mapping[str, Any]) -> npt.NDArray[Any]:
    dtype, length = np.dtype(stated["dtype"]), int(stated["length"])
    if path.stat().st_size != dtype.itemsize * length:
        raise ValueError(f"{path.name} has the wrong size")
    # A plain array over the map: `memmap` itself makes every small slice dear.
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", shape=(length,))) if length else np.zeros(0, dtype)


# --------------------------------------------------------------------------------- finding and making one


class DumpSource(Source):
    """The relations of a dump. The index is built when something is first asked of it.

    Args:
        dump: the gzipped dump; the downloaded one where None.
        language: the language's code.
    """

    def __init__(self, dump: Path | None, language: str) -> None:
        self._dump, self._language = dump or default_dump(), language

    @cached_property
    def index(self) -> Index:
        """The index; built first where there is none."""
        return open_index(self._dump, self._language)

    @property
    def checksum(self) -> str:
        """The checksum of the index."""
        return self.index.checksum

    @property
    def relations(self) -> Mapping[str, int]:
        """Every relation with the number of its pairs of terms."""
        return self.index.relations

    def known(self, terms: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return (W,) which terms have an edge."""
        return self.index.known(terms)

    def masks(self, terms: Sequence[str], relations: Sequence[str], *, min_weight: float) -> npt.NDArray[np.uint64]:
        """Return which relations hold between each two terms, as masks (W, W)."""
        return self.index.masks(terms, relations, min_weight=min_weight)

    def edges(self, first: str, second: str, relations: Sequence[str], *, min_weight: float) -> tuple[Edge, ...]:
        """Return the edges between two terms, in either direction, heaviest first."""
        return self.index.edges(first, second, relations, min_weight=min_weight)


def built_relations(dump: Path | None, language: str) -> tuple[str, ...] | None:
    """Return the relations of a dump whose index is built already, else None; nothing is read but the index."""
    index = _opened(_remembered(dump or default_dump()), language)
    return None if index is None else tuple(index.relations)


def open_index(dump: Path, language: str) -> Index:
    """Return the index of a dump; where there is none it is built, which for the official dump takes minutes.

    Two processes may ask at once: one builds and the other waits. A build that is killed leaves nothing that
    a later one takes for an index.

    Raises:
        DataError: the dump is missing or broken, or the index cannot be written.
    """
    if not dump.is_file():
        raise DataError(
            "there is no such dump of ConceptNet",
            where=str(dump),
            hint="fetch the official one with `ecef tag --source dump --download`, or name yours with --assertions",
        )
    index = _opened(_remembered(dump), language)
    if index is not None:
        return index
    try:
        checksum = _checksum(dump)
        index = _opened(checksum, language) or _built(dump, language, checksum)
    except OSError as error:
        raise DataError(
            f"the index of {dump.name} cannot be written: {error.strerror or error}",
            where=str(_folder()),
            hint="make room, or set ECEF_CACHE to another folder",
        ) from None
    with suppress(OSError):  # a cache that others filled may be read-only
        _remember(dump, checksum)
    return index


def _built(dump: Path, language: str, checksum: str) -> Index:
    from filelock import FileLock

    target = _folder() / _name(checksum, language)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        index = _opened(checksum, language)  # another process may have built it meanwhile
        if index is not None:
            return index
        for left in target.parent.glob(f".{target.name}.*.part"):  # by a build that was killed: nobody else is here
            shutil.rmtree(left, ignore_errors=True)
        part = Path(mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part"))
        try:
            with _bar(dump) as advance:
                if dump.stat().st_size > _LARGE:
                    print(f"{dump}: indexing it, once; this takes a while", file=sys.stderr)  # noqa: T201
                read = build_index(dump, language, part, advance)
            if read != checksum:
                raise DataError("the dump changed while it was read", where=str(dump), hint="try again")
            part.chmod(0o755)
            shutil.rmtree(target, ignore_errors=True)  # a broken one, or `_opened` would have found it
            part.replace(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return Index(target)


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


def _name(checksum: str, language: str) -> str:
    return f"{checksum[:16]}-{language}-{LAYOUT}"


def _opened(checksum: str | None, language: str) -> Index | None:
    """Return the index of the dump with a checksum, or None where it is missing or not whole."""
    if checksum is None:
        return None
    try:
        return Index(_folder() / _name(checksum, language))
    except (OSError, ValueError, KeyError, TypeError):
        return None


# The checksum of 500 MB takes a second, so it is remembered by what tells a changed file at once.


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
