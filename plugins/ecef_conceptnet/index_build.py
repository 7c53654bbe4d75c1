"""Builds the index of a dump in bounded memory: what is read goes to disk unsorted, then is sorted piece by piece."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ecef_cli.api.errors import DataError
from ecef_conceptnet.dump import DumpReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import numpy.typing as npt

    from ecef_conceptnet.dump import Stretch

LAYOUT = 1
"""Raise it when the files change; indexes of another layout are left alone and built anew."""

FACTS = "index.json"
HASH = np.dtype("<u8")
_PIECES = 64  # the terms are merged in so many parts, by the first bits of their hashes
_PIECE = 1_000_000  # halves of edges that are sorted at once
_ROWS = 500_000  # edges that are numbered at once

_READ = np.dtype([("start", HASH), ("end", HASH), ("relation", "<i4"), ("source", "<i4"), ("weight", "<f4")])
_NUMBERED = np.dtype([("start", "<i4"), ("end", "<i4"), ("relation", "<i4"), ("source", "<i4"), ("weight", "<f4")])
_HALF = np.dtype(
    [
        ("term", "<i4"),
        ("other", "<i4"),
        ("relation", "<i4"),
        ("forward", "?"),
        ("weight", "<f4"),
        ("source", "<i4"),
    ]
)


class _CollisionError(Exception):
    """Two terms have one hash."""


def hashes(terms: Iterable[bytes], salt: int) -> npt.NDArray[np.uint64]:
    """Return (N, 2) hashes of terms in UTF-8; the first column finds them, the second tells two with one hash apart."""
    fresh = hashlib.blake2b(digest_size=16, salt=salt.to_bytes(8, "little")).copy
    digests = []
    for term in terms:
        state = fresh()  # half the time of a new one
        state.update(term)
        digests.append(state.digest())
    return np.frombuffer(b"".join(digests), dtype=HASH).reshape(-1, 2)


def build_index(dump: Path, language: str, folder: Path, advance: Callable[[int], object]) -> str:
    """Write the index of a dump into an empty folder and return the SHA-256 of the dump as it was read.

    The same dump always gives the same bytes.

    Args:
        dump: the gzipped dump.
        language: both ends of an edge must be in it.
        folder: where to write.
        advance: is told how many compressed bytes have been read since it was last told.

    Raises:
        DataError: the dump is broken, or has no edge of the language.
        OSError: the index cannot be written.
    """
    for salt in range(100):
        try:
            return _Build(dump, language, folder, salt).run(advance)
        except _CollisionError:
            # About once in ten million builds of the official dump; hashes under another salt differ.
            for path in folder.iterdir():
                path.unlink()
    raise DataError("the terms cannot be told apart by their hashes", where=str(dump))


class _Output:
    """A file of the index that is written bit by bit."""

    def __init__(self, folder: Path, name: str, dtype: str | np.dtype[Any]) -> None:
        self.name, self.dtype, self.length = name, np.dtype(dtype), 0
        self._stream = (folder / name).open("wb")
        self._digest = hashlib.sha256()

    def write(self, values: npt.NDArray[Any]) -> None:
        content = np.ascontiguousarray(values, dtype=self.dtype).tobytes()
        self._stream.write(content)
        self._digest.update(content)
        self.length += len(values)

    def facts(self) -> dict[str, Any]:
        return {"dtype": self.dtype.str, "length": self.length, "sha256": self._digest.hexdigest()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


class _Build:
    def __init__(self, dump: Path, language: str, folder: Path, salt: int) -> None:
        self._dump, self._language, self._folder, self._salt = dump, language, folder, salt
        self._reader = DumpReader(dump, language)
        self._files: dict[str, dict[str, Any]] = {}
        self._runs = 0

    def run(self, advance: Callable[[int], object]) -> str:
        with self._scratch("edges").open("wb") as edges:
            for stretch in self._reader.stretches(advance):
                self._spill(stretch, edges)
        if not self._runs:
            raise DataError(
                f"no edge of the dump joins two terms of the language {self._language!r}",
                where=str(self._dump),
                hint="its column three and four hold concepts such as "
                f"/c/{self._language}/…; another language is an option",
            )
        terms = self._merge_terms()
        degrees = self._number_edges(terms)
        self._write_edges(degrees)
        return self._reader.checksum

    # ------------------------------------------------------------------------------------------- reading

    def _scratch(self, name: str) -> Path:
        return self._folder / f"{name}.tmp"

    def _spill(self, stretch: Stretch, edges: Any) -> None:
        """Put a stretch on disk: its terms in the order of their hashes, and its edges as they came."""
        terms = [term.encode() for term in stretch.terms]
        found = hashes(terms, self._salt)
        rows = np.empty(len(stretch.start), dtype=_READ)
        rows["start"] = found[np.frombuffer(stretch.start, dtype=np.int32), 0]
        rows["end"] = found[np.frombuffer(stretch.end, dtype=np.int32), 0]
        rows["relation"] = np.frombuffer(stretch.relation, dtype=np.int32)
        rows["source"] = np.frombuffer(stretch.source, dtype=np.int32)
        rows["weight"] = np.frombuffer(stretch.weight, dtype=np.float32)
        edges.write(rows.tobytes())
        order = np.argsort(found[:, 0], kind="stable")
        texts = [terms[i] for i in order.tolist()]
        self._scratch(f"hash{self._runs}").write_bytes(found[order].tobytes())
        self._scratch(f"text{self._runs}").write_bytes(b"".join(texts))
        np.cumsum([0, *map(len, texts)], dtype=np.int64).tofile(self._scratch(f"offset{self._runs}"))
        self._runs += 1

    # --------------------------------------------------------------------------------------------- terms

    def _merge_terms(self) -> npt.NDArray[np.uint64]:
        """Write every term once, in the order of the hashes, and return the hashes."""
        runs = [
            (
                np.memmap(self._scratch(f"hash{run}"), dtype=HASH, mode="r").reshape(-1, 2),
                np.memmap(self._scratch(f"offset{run}"), dtype=np.int64, mode="r"),
                np.memmap(self._scratch(f"text{run}"), dtype=np.uint8, mode="r"),
            )
            for run in range(self._runs)
        ]
        bounds = np.arange(1, _PIECES, dtype=np.uint64) << np.uint64(64 - _PIECES.bit_length() + 1)
        cuts = [np.r_[0, np.searchsorted(found[:, 0], bounds), len(found)] for found, _, _ in runs]
        length = 0
        with (
            _Output(self._folder, "hashes", HASH) as every_hash,
            _Output(self._folder, "offsets", "<i8") as every_offset,
            _Output(self._folder, "texts", "u1") as every_text,
        ):
            every_offset.write(np.zeros(1, dtype=np.int64))
            for piece in range(_PIECES):
                found, sizes, text = _merge(
                    [_part(run, cut[piece], cut[piece + 1]) for run, cut in zip(runs, cuts, strict=True)]
                )
                every_hash.write(found)
                every_text.write(text)
                every_offset.write(length + np.cumsum(sizes))
                length += int(sizes.sum())
        self._note(every_hash, every_offset, every_text)
        del runs
        for run in range(self._runs):
            for kind in ("hash", "offset", "text"):
                self._scratch(f"{kind}{run}").unlink()
        return np.fromfile(self._folder / "hashes", dtype=HASH)

    # --------------------------------------------------------------------------------------------- edges

    def _number_edges(self, terms: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """Replace the hashes of edges by the numbers of their terms; return how many edges each term has."""
        degrees = np.zeros(len(terms), dtype=np.int64)
        names = sorted(self._reader.relations)
        renumbered = np.array([names.index(name) for name in self._reader.relations], dtype=np.int32)
        with self._scratch("numbered").open("wb") as numbered:
            for rows in _rows(self._scratch("edges"), _READ):
                found = np.empty(len(rows), dtype=_NUMBERED)
                for end in ("start", "end"):
                    found[end] = np.searchsorted(terms, rows[end])
                found["relation"] = renumbered[rows["relation"]]
                found["source"], found["weight"] = rows["source"], rows["weight"]
                found = found[found["start"] != found["end"]]  # of two senses of one term
                for end in ("start", "end"):
                    degrees += np.bincount(found[end], minlength=len(terms))
                numbered.write(found.tobytes())
        self._scratch("edges").unlink()
        return degrees

    def _write_edges(self, degrees: npt.NDArray[np.int64]) -> None:
        """Write each edge from both its ends, by term, by the term at the other end, by relation."""
        names = sorted(self._reader.relations)
        ends = np.cumsum(degrees)
        pieces = int(ends[-1]) // _PIECE + 1
        cuts = np.r_[0, np.searchsorted(ends, np.arange(1, pieces) * _PIECE), len(degrees)]
        self._scatter(cuts)
        kept = np.zeros(len(degrees) + 1, dtype=np.int64)
        pairs = np.zeros(len(names), dtype=np.int64)
        with (
            _Output(self._folder, "others", "<i4") as others,
            _Output(self._folder, "relations", np.min_scalar_type(len(names))) as relations,
            _Output(self._folder, "forward", "?") as forward,
            _Output(self._folder, "weights", "<f4") as weights,
            _Output(self._folder, "sources", np.min_scalar_type(len(self._reader.sources))) as sources,
        ):
            for piece in range(pieces):
                path = self._scratch(f"piece{piece}")
                halves = _sorted(np.fromfile(path, dtype=_HALF))
                path.unlink()
                kept[cuts[piece] + 1 : cuts[piece + 1] + 1] = np.bincount(
                    halves["term"] - cuts[piece], minlength=cuts[piece + 1] - cuts[piece]
                )
                pairs += _count_pairs(halves, len(names))
                others.write(halves["other"])
                relations.write(halves["relation"])
                forward.write(halves["forward"])
                weights.write(halves["weight"])
                sources.write(halves["source"])
        with _Output(self._folder, "starts", "<i8") as starts:
            starts.write(np.cumsum(kept))
        self._note(others, relations, forward, weights, sources, starts)
        self._write_facts(dict(zip(names, pairs.tolist(), strict=True)))

    def _scatter(self, cuts: npt.NDArray[np.int64]) -> None:
        """Put both halves of each edge into the piece that their term falls in."""
        streams = [self._scratch(f"piece{piece}").open("wb") for piece in range(len(cuts) - 1)]
        try:
            for rows in _rows(self._scratch("numbered"), _NUMBERED):
                for term, other in (("start", "end"), ("end", "start")):
                    halves = np.empty(len(rows), dtype=_HALF)
                    halves["term"], halves["other"], halves["forward"] = rows[term], rows[other], term == "start"
                    for name in ("relation", "weight", "source"):
                        halves[name] = rows[name]
                    piece = np.searchsorted(cuts, halves["term"], side="right") - 1
                    order = np.argsort(piece, kind="stable")
                    bounds = np.searchsorted(piece[order], np.arange(len(streams) + 1))
                    halves = halves[order]
                    for stream, first, last in zip(streams, bounds, bounds[1:], strict=False):
                        stream.write(halves[first:last].tobytes())
        finally:
            for stream in streams:
                stream.close()
        self._scratch("numbered").unlink()

    # --------------------------------------------------------------------------------------------- facts

    def _note(self, *outputs: _Output) -> None:
        self._files |= {output.name: output.facts() for output in outputs}

    def _write_facts(self, pairs: dict[str, int]) -> None:
        facts = {
            "layout": LAYOUT,
            "language": self._language,
            "salt": self._salt,
            "lines": self._reader.lines,
            "relations": pairs,
            "sources": list(self._reader.sources),
            "files": dict(sorted(self._files.items())),
        }
        # The checksum of all that the index says; where the dump lay and how many lines it had is no part of that.
        said = json.dumps({name: value for name, value in facts.items() if name != "lines"}, sort_keys=True)
        facts["checksum"] = hashlib.sha256(said.encode()).hexdigest()
        (self._folder / FACTS).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _part(run: tuple[Any, Any, Any], first: int, last: int) -> tuple[Any, Any, Any]:
    """Return hashes, text lengths and texts of the terms `first` … `last` - 1 of a run."""
    found, offsets, text = run
    around = np.asarray(offsets[first : last + 1])
    return np.asarray(found[first:last]), np.diff(around), np.asarray(text[around[0] : around[-1]])


def _merge(
    parts: list[tuple[Any, Any, Any]],
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return the hash, the length and the text of each term of the parts, once each, by hash."""
    found, sizes, text = (np.concatenate(column) for column in zip(*parts, strict=True))
    starts = np.cumsum(sizes) - sizes
    order = np.argsort(found[:, 0], kind="stable")
    found = found[order]
    new = np.r_[True, found[1:, 0] != found[:-1, 0]][: len(found)]
    if (~new[1:] & (found[1:, 1] != found[:-1, 1])).any():
        raise _CollisionError
    chosen = order[new]
    lengths = sizes[chosen]
    ends = np.cumsum(lengths)
    place = np.arange(int(lengths.sum())) + np.repeat(starts[chosen] - (ends - lengths), lengths)
    return found[new, 0], lengths, text[place]


def _rows(path: Path, dtype: np.dtype[Any]) -> Iterator[npt.NDArray[Any]]:
    with path.open("rb") as stream:
        while len(found := np.fromfile(stream, dtype=dtype, count=_ROWS)):
            yield found


def _sorted(halves: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the halves in an order that depends on nothing but themselves, each once."""
    # Several columns in one number: the fewer there are to sort by, the quicker.
    ends = (halves["term"].astype(np.int64) << 32) | halves["other"]
    kinds = (halves["relation"].astype(np.int64) << 33) | (halves["forward"].astype(np.int64) << 32) | halves["source"]
    weights = np.ascontiguousarray(halves["weight"])
    order = np.lexsort([weights, kinds, ends])
    differs = np.zeros(max(len(halves) - 1, 0), dtype=np.bool_)
    for column in (ends, kinds, weights):
        differs |= np.diff(column[order]) != 0
    return halves[order[np.r_[True, differs][: len(halves)]]]


def _count_pairs(halves: npt.NDArray[Any], relations: int) -> npt.NDArray[np.int64]:
    """Return how many pairs of terms each relation joins, of those whose lower term is in sorted halves."""
    lower = halves[halves["term"] < halves["other"]]
    keys = lower[["term", "other", "relation"]]
    first = np.r_[True, keys[1:] != keys[:-1]][: len(keys)]
    return np.bincount(lower["relation"][first], minlength=relations)
