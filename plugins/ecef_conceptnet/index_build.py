"""Build the SQLite index of a dump."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.api.errors import DataError
from ecef_conceptnet.dump import DumpReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from ecef_conceptnet.dump import Stretch

LAYOUT = 2
"""Version of the tables; increase it when they change. An index with another layout is ignored, not deleted."""

_CACHE = 160_000  # KiB of pages in memory during a build
_ROWS = 50_000  # edges held as Python objects at once

_TABLES = """
CREATE TABLE facts (checksum TEXT NOT NULL, lines INTEGER NOT NULL);
CREATE TABLE relation (number INTEGER PRIMARY KEY, name TEXT NOT NULL, pairs INTEGER NOT NULL);
CREATE TABLE source (number INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE term (text TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE edge (
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    relation INTEGER NOT NULL,
    forward INTEGER NOT NULL,
    weight REAL NOT NULL,
    source INTEGER NOT NULL,
    PRIMARY KEY (low, high, relation, forward, weight, source)
) WITHOUT ROWID;
"""
# `low` and `high` are the terms of an edge, the smaller number first; `forward` is 1 if the edge starts at `low`.
# So a pair of terms is one place in the tree, whatever the direction of its edges.


def build_index(dump: Path, language: str, path: Path, advance: Callable[[int], object]) -> str:
    """Write the index of a dump and return the SHA-256 of the dump as it was read.

    Args:
        dump: the gzipped dump.
        language: language of both ends of an edge.
        path: the file to write; it must not exist.
        advance: called with the number of compressed bytes read since the last call.

    Raises:
        DataError: the dump is corrupt, or has no edge of the language.
        sqlite3.Error: the index cannot be written.
    """
    reader = DumpReader(dump, language)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        # The file is renamed after the build, so a rollback journal would protect nothing.
        database.executescript(f"PRAGMA journal_mode = OFF; PRAGMA cache_size = -{_CACHE}; {_TABLES} BEGIN;")
        terms = 0
        for stretch in reader.stretches(advance):
            numbers, terms = _number_terms(database, stretch.terms, terms)
            _add_edges(database, stretch, numbers)
        if not terms:
            raise DataError(
                f"no edge of the dump joins two terms of the language {language!r}",
                where=str(dump),
                hint=f"columns 3 and 4 must hold concepts such as /c/{language}/…; see the option language",
            )
        _add_facts(database, reader)
        database.execute("COMMIT")
    return reader.checksum


def _number_terms(database: sqlite3.Connection, terms: list[str], highest: int) -> tuple[npt.NDArray[np.int64], int]:
    """Add new terms; return the numbers of all given terms, (N,), and the highest number in use."""
    numbers = np.empty(len(terms), dtype=np.int64)
    execute = database.execute
    for place in sorted(range(len(terms)), key=terms.__getitem__):  # in the order of the tree
        text = (terms[place],)
        row = execute("SELECT number FROM term WHERE text = ?", text).fetchone()
        if row is None:
            highest += 1
            execute("INSERT INTO term VALUES (?, ?)", (*text, highest))
        numbers[place] = highest if row is None else row[0]
    return numbers, highest


def _add_edges(database: sqlite3.Connection, stretch: Stretch, numbers: npt.NDArray[np.int64]) -> None:
    start, end = (numbers[np.frombuffer(ends, dtype=np.int32)] for ends in (stretch.start, stretch.end))
    low, high = np.minimum(start, end), np.maximum(start, end)
    relation, source = (np.frombuffer(column, dtype=np.int32) for column in (stretch.relation, stretch.source))
    weight = np.frombuffer(stretch.weight, dtype=np.float32)
    order = np.lexsort([high, low])
    order = order[low[order] != high[order]]  # two senses of one term are equal
    for first in range(0, len(order), _ROWS):
        rows = order[first : first + _ROWS]
        columns = low[rows], high[rows], relation[rows], (start == low)[rows], weight[rows], source[rows]
        database.executemany(
            "INSERT OR IGNORE INTO edge VALUES (?, ?, ?, ?, ?, ?)",
            zip(*(column.tolist() for column in columns), strict=True),
        )


def _add_facts(database: sqlite3.Connection, reader: DumpReader) -> None:
    pairs = Counter(
        number for (number,) in database.execute("SELECT relation FROM (SELECT DISTINCT low, high, relation FROM edge)")
    )
    relations = [(number, name, pairs[number]) for name, number in reader.relations.items()]
    database.executemany("INSERT INTO relation VALUES (?, ?, ?)", relations)
    database.executemany("INSERT INTO source VALUES (?, ?)", ((n, name) for name, n in reader.sources.items()))
    database.execute("INSERT INTO facts VALUES (?, ?)", (reader.checksum, reader.lines))
    database.execute(f"PRAGMA user_version = {LAYOUT}")
