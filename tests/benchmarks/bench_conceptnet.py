"""The index of a dump of ConceptNet: building, opening, tagging, and a query to SQLite for each pair, in one run.

    python tests/benchmarks/bench_conceptnet.py --assertions assertions-subset.csv.gz --meld train_sent_emo.csv
                                                [--edges N]

The dump is grown until it has N English edges: in each copy of an edge one of its two terms gets a suffix, so that
the real words stay and have ever more neighbours; every second copy also gets a text of its own in column five.
Builds and taggings run in processes of their own, whose peak memory is that of the kernel (VmHWM).
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from bench_tagging import meld

from ecef_cli.recipe.model import build_component
from ecef_cli.tagging.pairs import tag_sequence
from ecef_cli.tagging.sequence import read_sequence
from ecef_conceptnet.dump import DumpReader

OFFICIAL_LINES = 34_074_917  # of the dump of ConceptNet 5.7
HISTORY = 8
RELATIONS = ["IsA", "HasContext", "Causes"]
SAMPLE = 100_000  # pairs that SQLite is asked for


def grow(source: Path, target: Path, edges: int) -> int:
    """Write copies of a dump until there are as many English edges as wanted; return the number of lines."""
    with gzip.open(source, "rt", encoding="utf-8") as stream:
        rows = [line.rstrip("\n").split("\t") for line in stream]
    english = sum(r[2].startswith("/c/en/") and r[3].startswith("/c/en/") for r in rows)
    copies = -(-edges // english)
    with gzip.open(target, "wt", encoding="utf-8", compresslevel=1) as stream:
        for copy in range(copies):
            for number, row in enumerate(rows):
                uri, relation, start, end, facts = row
                if copy:
                    renamed = start if copy % 2 else end
                    parts = renamed.split("/")
                    if len(parts) > 3:
                        parts[3] += f"_{copy}"
                    start, end = ("/".join(parts), end) if copy % 2 else (start, "/".join(parts))
                    if copy % 2:
                        facts = f'{facts[:-1]}, "surfaceText": "[[{copy}]] and [[{number}]]"}}'
                stream.write(f"{uri}\t{relation}\t{start}\t{end}\t{facts}\n")
    return copies * len(rows)


def tagger(dump: Path, longest: int = 1):
    """Return the tagger on a dump."""
    options = {"source": "dump", "assertions": str(dump), "relations": RELATIONS, "longest_term": longest}
    return build_component("tagger", "conceptnet", options)


def peak() -> float:
    """Return the most memory that this process has had, in MB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM"))


def build(dump: Path) -> dict[str, Any]:
    """Build the index of a dump and open it again."""
    start, spent = time.perf_counter(), time.process_time()
    source = tagger(dump).source
    size, lines = source.index.size, source.index.lines
    built, spent = time.perf_counter() - start, time.process_time() - spent
    again = tagger(dump)
    start = time.perf_counter()
    _ = again.source.index
    return {
        "seconds": built,
        "spent": spent,
        "open": time.perf_counter() - start,
        "size": size,
        "lines": lines,
        "peak": peak(),
    }


def tag(dump: Path, corpus: Path, longest: int) -> dict[str, Any]:
    """Tag all windows of MELD's dialogues."""
    dialogues = meld(corpus)
    chosen = tagger(dump, longest)
    start = time.perf_counter()
    sequences = [read_sequence(d, longest) for d in dialogues]
    reading = time.perf_counter() - start
    tags = [tag_sequence(s, chosen, HISTORY) for s in sequences]
    tagging = time.perf_counter() - start - reading
    windows = 0
    for found in tags:
        for end in range(len(found.bounds) - 1):
            found.importance(max(0, end - HISTORY + 1), end)
            windows += 1
    return {
        "reading": reading,
        "tagging": tagging,
        "windows": windows,
        "total": time.perf_counter() - start,
        "pairs": sum(len(pairs(s)) for s in sequences),
        "tagged": sum(len(t.left) for t in tags),
        "peak": peak(),
    }


def pairs(sequence) -> list[tuple[int, int]]:
    """Return the pairs of words that are looked at."""
    utterances, found, start = sequence.utterance.tolist(), [], 0
    for later, utterance in enumerate(utterances):
        while utterance - utterances[start] >= HISTORY:
            start += 1
        found += [(earlier, later) for earlier in range(start, later)]
    return found


def fill_sqlite(dump: Path, path: Path) -> sqlite3.Connection:
    """Return a table of the same edges, indexed by both of their ends."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("CREATE TABLE edges (start TEXT, end TEXT, relation TEXT)")
    reader = DumpReader(dump, "en")
    for stretch in reader.stretches(lambda _: None):
        names = list(reader.relations)
        rows = zip(stretch.start, stretch.end, stretch.relation, strict=True)
        connection.executemany(
            "INSERT INTO edges VALUES (?, ?, ?)", ((stretch.terms[a], stretch.terms[b], names[r]) for a, b, r in rows)
        )
    connection.execute("CREATE INDEX both ON edges (start, end, relation)")
    connection.commit()
    return connection


def ask_sqlite(connection: sqlite3.Connection, corpus: Path, chosen) -> tuple[float, float]:
    """Return pairs a second with a query for each pair, and of the tables; each is done once before, unmeasured.

    SQLite is asked for the first dialogues, whose relations the two must agree on, and the tables for all.
    """
    query = (
        "SELECT DISTINCT relation FROM edges WHERE start = ? AND end = ? AND relation IN (?, ?, ?) "
        "UNION SELECT relation FROM edges WHERE start = ? AND end = ? AND relation IN (?, ?, ?)"
    )
    every = [read_sequence(dialogue) for dialogue in meld(corpus)]
    counts = np.cumsum([len(pairs(sequence)) for sequence in every])
    few = every[: int(np.searchsorted(counts, SAMPLE)) + 1]
    wanted = [([s.lemmas[i] for i in s.lemma], pairs(s)) for s in few]
    for _ in range(2):
        start = time.perf_counter()
        related = 0
        for lemmas, looked_at in wanted:
            for i, j in looked_at:
                one, two = lemmas[i], lemmas[j]
                if one != two and connection.execute(query, (one, two, *RELATIONS, two, one, *RELATIONS)).fetchall():
                    related += 1
        asked = time.perf_counter() - start
        start = time.perf_counter()
        tags = [tag_sequence(s, chosen, HISTORY) for s in every]
        tables = time.perf_counter() - start
    if related != sum(int((t.relations != 0).sum()) for t in tags[: len(few)]):
        raise SystemExit("the two ways find different relations")
    return int(counts[len(few) - 1]) / asked, int(counts[-1]) / tables


def apart(*arguments: str | Path | int) -> dict[str, Any]:
    """Return what a step gives in a process of its own."""
    command = [sys.executable, __file__, *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["build"]:
        print(json.dumps(build(Path(sys.argv[2]))))
        return
    if sys.argv[1:2] == ["tag"]:
        print(json.dumps(tag(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))))
        return
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--assertions", type=Path, required=True)
    parser.add_argument("--meld", type=Path, required=True)
    parser.add_argument("--edges", type=int, default=3_000_000)
    options = parser.parse_args()
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["ECEF_CACHE"] = str(folder)
        dump = folder / "grown.csv.gz"
        lines = grow(options.assertions, dump, options.edges)
        built = apart("build", dump)
        size = sum(f.stat().st_size for f in folder.rglob("index/*-en-*/*"))
        rate = lines / built["spent"]  # of one core, whatever else the machine does
        print(f"{lines:,} lines, {built['size'][0]:,} terms, {built['size'][1]:,} edges; index {size / 1e6:,.0f} MB")
        print(
            f"build                 {rate:14,.0f} lines/s of one core, {built['spent']:.1f} s "
            f"({built['seconds']:.1f} s by the clock), peak {built['peak']:.0f} MB"
        )
        print(f"  by extrapolation    {OFFICIAL_LINES / rate:14,.0f} s for the {OFFICIAL_LINES:,} lines of 5.7")
        print(f"open                  {built['open'] * 1000:14.1f} ms")
        for longest in (1, 3):
            done = apart("tag", dump, options.meld, longest)
            print(
                f"MELD train, terms of {longest} {done['total']:13.2f} s for {done['windows']:,} windows "
                f"({done['reading']:.2f} s content words, {done['tagging']:.2f} s tags), peak {done['peak']:.0f} MB, "
                f"{done['tagged']:,} of {done['pairs']:,} pairs tagged"
            )
        chosen = tagger(dump)
        chosen.relate(["dog", "animal"])
        start = time.perf_counter()
        connection = fill_sqlite(dump, folder / "edges.sqlite")
        filled = time.perf_counter() - start
        asked, tables = ask_sqlite(connection, options.meld, chosen)
        size = (folder / "edges.sqlite").stat().st_size
        print(f"SQLite                {lines / filled:14,.0f} lines/s to fill and index, {size / 1e6:,.0f} MB")
        print(f"  a query a pair      {asked:14,.0f} pairs/s")
        print(f"index                 {tables:14,.0f} pairs/s")
        print(f"ratio                 {tables / asked:14.1f}")


if __name__ == "__main__":
    main()
