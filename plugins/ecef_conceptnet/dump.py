"""Read the dump of ConceptNet: gzipped lines of five columns, URI, relation, start, end, JSON."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from array import array
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO

from ecef_cli.api.errors import DataError
from ecef_conceptnet.terms import relation_of, term_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CHUNK = 1 << 20  # bytes of text to split into lines at once
_ROWS = 500_000  # edges of a stretch
_TERMS = 400_000  # distinct URIs of a stretch
_FACTS = 1 << 15  # cached texts of column five, which many rows share
_LONGEST_LINE = 1 << 24  # bytes
_HEAVIEST = 1e30  # weights are stored in single precision
_COLUMNS = 5
_DECODER = json.JSONDecoder()


@dataclass(slots=True)
class Stretch:
    """Edges of one language, in the order of the dump.

    Attributes:
        terms: the distinct terms.
        start: the term at the start of each edge, as a number in `terms`.
        end: the term at its end.
        relation: number of its relation in `DumpReader.relations`.
        source: number of its source in `DumpReader.sources`.
        weight: its weight.
    """

    terms: list[str] = field(default_factory=list)
    start: array[int] = field(default_factory=lambda: array("i"))
    end: array[int] = field(default_factory=lambda: array("i"))
    relation: array[int] = field(default_factory=lambda: array("i"))
    source: array[int] = field(default_factory=lambda: array("i"))
    weight: array[float] = field(default_factory=lambda: array("f"))


class _Counted:
    """Stream that counts and hashes the bytes of a file."""

    def __init__(self, stream: BinaryIO, advance: Callable[[int], object]) -> None:
        self.digest = hashlib.sha256()
        self._stream, self._advance = stream, advance

    def read(self, size: int = -1) -> bytes:
        found = self._stream.read(size)
        self.digest.update(found)
        self._advance(len(found))
        return found


class DumpReader:
    """Read the edges of a dump with both ends in one language.

    Args:
        path: the gzipped dump.
        language: the language's code.

    Attributes:
        relations: numbers of the relations found so far, by name.
        sources: numbers of the sources found so far: the row's dataset, or else its first contributor.
        lines: number of lines read.
        checksum: SHA-256 of the file, after all of it has been read.
    """

    def __init__(self, path: Path, language: str) -> None:
        self.relations: dict[str, int] = {}
        self.sources: dict[str, int] = {}
        self.lines = 0
        self.checksum = ""
        self._path, self._language = path, language
        self._width = len(f"/c/{language}/")
        self._relation_numbers: dict[bytes, int] = {}
        self._facts = lru_cache(maxsize=_FACTS)(self._read_facts)

    def stretches(self, advance: Callable[[int], object]) -> Iterator[Stretch]:
        """Yield the edges in stretches; memory does not grow with the dump.

        Args:
            advance: receives the number of compressed bytes read since its last call.

        Raises:
            DataError: a line is invalid; names file and line.
        """
        stretch, numbers = Stretch(), dict[bytes, int]()
        for lines in self._blocks(advance):
            try:
                self._keep(lines, stretch, numbers)
            except (ValueError, RecursionError):
                self._raise_first_error(lines)
                raise
            self.lines += len(lines)
            if len(stretch.start) >= _ROWS or len(numbers) >= _TERMS:
                yield stretch
                stretch, numbers = Stretch(), {}
        if stretch.start:
            yield stretch

    def _blocks(self, advance: Callable[[int], object]) -> Iterator[list[bytes]]:
        """Yield whole lines, about `_CHUNK` bytes at a time, checked to be UTF-8."""
        rest = b""
        try:
            with self._path.open("rb") as file:
                counted = _Counted(file, advance)
                stream = gzip.GzipFile(fileobj=counted)  # type: ignore[call-overload]  # reading needs no more than `read`
                while chunk := stream.read(_CHUNK):
                    head, newline, tail = chunk.rpartition(b"\n")
                    if newline:
                        yield self._split(rest + head)
                        rest = tail
                    else:
                        rest += tail
                    if len(rest) > _LONGEST_LINE:
                        raise self._error(self.lines + 1, f"the line is longer than {_LONGEST_LINE >> 20} MiB")
                if rest:
                    yield self._split(rest)
                self.checksum = counted.digest.hexdigest()
        except gzip.BadGzipFile as error:
            problem = "the file is not gzipped" if not self.lines else f"the gzip data is corrupt: {error}"
            raise self._error(self.lines + 1, problem) from None
        except EOFError:
            raise self._error(self.lines + 1, "the file is cut off") from None
        except zlib.error as error:
            raise self._error(self.lines + 1, f"the gzip data is corrupt: {error}") from None
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror or error}", where=str(self._path)) from None

    def _split(self, text: bytes) -> list[bytes]:
        if not text.isascii():
            try:
                text.decode()
            except UnicodeDecodeError as error:
                line = self.lines + 1 + text.count(b"\n", 0, error.start)
                raise self._error(line, f"the byte 0x{text[error.start]:02x} is not UTF-8") from None
        return text.split(b"\n")

    def _keep(self, lines: list[bytes], stretch: Stretch, numbers: dict[bytes, int]) -> None:
        """Add the edges of lines to a stretch; this loop takes most of the time of a build."""
        head = f"/c/{self._language}/".encode()
        known, relation_numbers, facts_of = numbers.get, self._relation_numbers.get, self._facts
        add_start, add_end, add_weight = stretch.start.append, stretch.end.append, stretch.weight.append
        add_relation, add_source = stretch.relation.append, stretch.source.append
        for line in lines:
            _, relation, start, end, facts = line.split(b"\t")
            if not (start.startswith(head) and end.startswith(head)):
                continue
            first, second = known(start), known(end)
            if first is None:
                first = self._number(start, stretch, numbers)
            if second is None:
                second = self._number(end, stretch, numbers)
            which = relation_numbers(relation)
            if which is None:
                which = self._relation(relation)
            weight, source = facts_of(facts)
            add_start(first)
            add_end(second)
            add_relation(which)
            add_weight(weight)
            add_source(source)

    def _number(self, uri: bytes, stretch: Stretch, numbers: dict[bytes, int]) -> int:
        name = uri[self._width :]
        if name.islower() and name.isascii() and b"/" not in name and b"%" not in name:
            # The fast path for most URIs.
            number = numbers[uri] = len(stretch.terms)
            stretch.terms.append(name.decode())
            return number
        term = term_of(uri.decode(), self._language)
        if term is None:
            raise ValueError(f"the concept {uri.decode()} has no name")
        # Senses of a term share the number of the URI without a sense. A term with a slash has no such URI.
        plain = (f"={term}" if "/" in term else f"/c/{self._language}/{term}").encode()
        known = numbers.get(plain)
        if known is None:
            known = numbers[plain] = len(stretch.terms)
            stretch.terms.append(term)
        numbers[uri] = known
        return known

    def _relation(self, uri: bytes) -> int:
        name = relation_of(uri.decode())
        if not name or not uri.startswith(b"/r/"):
            raise ValueError(f"{uri.decode()!r} is not a relation")
        return self._relation_numbers.setdefault(uri, self.relations.setdefault(name, len(self.relations)))

    def _read_facts(self, text: bytes) -> tuple[float, int]:
        # Faster than `json.loads`, which first guesses the encoding.
        line = text.decode().strip()
        facts, end = _DECODER.raw_decode(line)
        if end != len(line):
            raise json.JSONDecodeError("Extra data", line, end)
        if not isinstance(facts, dict):
            raise ValueError("column five is JSON but not an object")  # noqa: TRY004 - caught with the other errors
        weight = facts.get("weight", 1.0)
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not abs(weight) < _HEAVIEST:
            raise ValueError(f"the weight is not a number: {json.dumps(weight)[:40]}")
        return float(weight), self.sources.setdefault(source_of(facts), len(self.sources))

    def _raise_first_error(self, lines: list[bytes]) -> None:
        """Raise the error of the first invalid line."""
        for number, line in enumerate(lines, start=self.lines + 1):
            columns = line.count(b"\t") + 1
            if columns != _COLUMNS:
                raise self._error(number, f"{columns} columns, not five: URI, relation, start, end, JSON")
            try:
                self._keep([line], Stretch(), {})
            except json.JSONDecodeError as error:
                raise self._error(number, f"column five is not JSON: {error.msg} at column {error.colno}") from None
            except RecursionError:
                raise self._error(number, "column five is nested too deeply") from None
            except ValueError as error:
                raise self._error(number, str(error)) from None

    def _error(self, line: int, problem: str) -> DataError:
        return DataError(problem, where=f"{self._path}:{line}", hint="download it again, or repair the line")


def source_of(facts: dict[str, Any]) -> str:
    """Return the source of a row: its dataset, or else its first contributor, or else an empty string."""
    if isinstance(facts.get("dataset"), str):
        return str(facts["dataset"])
    sources = facts.get("sources")
    first = sources[0] if isinstance(sources, list) and sources else None
    if isinstance(first, dict):
        first = first.get("contributor") or first.get("@id")
    return first if isinstance(first, str) else ""
