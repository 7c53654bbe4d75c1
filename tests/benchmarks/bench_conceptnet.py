"""The index of a dump of ConceptNet: building, opening and tagging MELD, of this tree and another in one run.

    python tests/benchmarks/bench_conceptnet.py --assertions assertions-subset.csv.gz --meld train_sent_emo.csv
                                                [--edges N] [--rounds N] [--against TREE]

The dump is grown until it has N English edges: in each copy of an edge one of its two terms gets a suffix, so that
the real words stay and have ever more neighbours; every second copy also gets a text of its own in column five.
`--against` takes a checkout of another version, whose packages then do the same in turn. Every step runs in a process
of its own, whose peak memory is that of the kernel (VmHWM). Printed are the medians of the rounds.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench_tagging import meld

from ecef_cli.api.components import Tagger
from ecef_cli.recipe.model import build_component
from ecef_cli.tagging.pairs import tag_sequence
from ecef_cli.tagging.sequence import read_sequence

OFFICIAL_LINES = 34_074_917  # of the dump of ConceptNet 5.7
HERE = Path(__file__).parents[2]
HISTORY = 8
RELATIONS = ["IsA", "HasContext", "Causes"]
ROWS = (
    ("build", "s", 1),
    ("build peak", "MB", 1),
    ("size", "MB", 1e6),
    ("open", "ms", 1e-3),
    ("tags of 1", "s", 1),
    ("MELD of 1", "s", 1),
    ("peak of 1", "MB", 1),
    ("tags of 3", "s", 1),
    ("MELD of 3", "s", 1),
    ("peak of 3", "MB", 1),
)
"""What is printed, in which unit: `tags of 3` is looking up terms of up to three words, `MELD of 3` all of tagging."""


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


def tagger(dump: Path, longest: int = 1) -> Tagger:
    """Return the tagger on a dump."""
    options = {"source": "dump", "assertions": str(dump), "relations": RELATIONS, "longest_term": longest}
    found = build_component("tagger", "conceptnet", options)
    assert isinstance(found, Tagger)
    return found


def peak() -> float:
    """Return the most memory that this process has had, in MB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM"))


def build(dump: Path) -> dict[str, Any]:
    """Build the index of a dump and open it again; seconds are of one core, whatever else the machine does."""
    start, spent = time.perf_counter(), time.process_time()
    tagger(dump).identity()
    built, spent = time.perf_counter() - start, time.process_time() - spent
    again = tagger(dump)
    start = time.process_time()
    again.identity()
    return {"clock": built, "build": spent, "open": time.process_time() - start, "build peak": peak()}


def tag(dump: Path, corpus: Path, longest: int) -> dict[str, Any]:
    """Tag all windows of MELD's dialogues."""
    dialogues = meld(corpus)
    chosen = tagger(dump, longest)
    chosen.identity()
    start = time.process_time()
    sequences = [read_sequence(d, longest) for d in dialogues]
    reading = time.process_time() - start
    tags = [tag_sequence(s, chosen, HISTORY) for s in sequences]
    tagging = time.process_time() - start - reading
    for found in tags:
        for end in range(len(found.bounds) - 1):
            found.importance(max(0, end - HISTORY + 1), end)
    total = time.process_time() - start
    said = b"".join(column.tobytes() for t in tags for column in (t.left, t.right, t.relations))
    return {
        f"tags of {longest}": tagging,
        f"MELD of {longest}": total,
        f"peak of {longest}": peak(),
        f"digest of {longest}": hashlib.sha256(said).hexdigest(),
    }


def apart(tree: Path, cache: Path, *arguments: str | Path | int) -> dict[str, Any]:
    """Return what a step gives in a process of its own, with the packages of a tree."""
    environment = {**os.environ, "PYTHONPATH": f"{tree}:{tree / 'plugins'}", "ECEF_CACHE": str(cache)}
    command = [sys.executable, __file__, *map(str, arguments)]
    found: dict[str, Any] = json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    )
    return found


def measured(tree: Path, dump: Path, corpus: Path, cache: Path) -> dict[str, Any]:
    """Return one round of a tree, which starts without an index."""
    shutil.rmtree(cache, ignore_errors=True)
    found = apart(tree, cache, "build", dump)
    found["size"] = sum(file.stat().st_size for file in cache.rglob("index/*-en-*") if file.is_file())
    found["size"] += sum(file.stat().st_size for file in cache.rglob("index/*-en-*/*"))
    for longest in (1, 3):
        found |= apart(tree, cache, "tag", dump, corpus, longest)
    return found


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
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", type=Path)
    options = parser.parse_args()
    trees = {"this tree": HERE, **({"the other": options.against.resolve()} if options.against else {})}
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in trees}
    with TemporaryDirectory() as scratch:
        dump = Path(scratch) / "grown.csv.gz"
        lines = grow(options.assertions, dump, options.edges)
        for _ in range(options.rounds):
            for name, tree in trees.items():
                rounds[name].append(measured(tree, dump, options.meld, Path(scratch) / "cache"))
    for longest in (1, 3):
        if len({done[f"digest of {longest}"] for each in rounds.values() for done in each}) > 1:
            raise SystemExit(f"the tags differ, with terms of {longest}")
    middle = {name: {key: median(done[key] for done in each) for key, *_ in ROWS} for name, each in rounds.items()}
    print(f"{lines:,} lines, {options.rounds} rounds; seconds of one core; {' against '.join(trees)}")
    for key, unit, scale in ROWS:
        values = [found[key] / scale for found in middle.values()]
        ratio = f"{values[0] / values[1]:8.2f} times" if len(values) > 1 else ""
        print(f"{key:12}{''.join(f'{value:12,.2f} {unit:2}' for value in values)}{ratio}")
    official = OFFICIAL_LINES * middle["this tree"]["build"] / lines
    print(f"by extrapolation {official:,.0f} s for the {OFFICIAL_LINES:,} lines of 5.7")


if __name__ == "__main__":
    main()
