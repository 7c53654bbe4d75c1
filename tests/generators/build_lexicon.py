"""Build the embedded lexicon of word relations from WordNet's own database files.

    python tests/generators/build_lexicon.py [--wordnet DIR] [--output FILE]

WordNet's pointers become ConceptNet's relations, as in the WordNet part of ConceptNet (dataset
`/d/wordnet/3.1`): see `POINTERS`. Edges are direct, directed, and stand between lemmas: a pointer between two
synsets relates every word of the one to every word of the other. Edges with a lemma of more than one word are
left out, for nothing that looks words up one at a time can find them.

The output depends on the input alone: no clock, no order of a hash.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import re
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "plugins" / "ecef_conceptnet" / "data" / "lexicon.npz"
FILES = {"n": "data.noun", "v": "data.verb", "a": "data.adj", "r": "data.adv"}

POINTERS = {
    ("n", "@"): "IsA",  # hypernym
    ("n", "@i"): "IsA",  # instance hypernym
    # ConceptNet 5.5 had IsA here, later versions have MannerOf (go MannerOf act).
    ("v", "@"): "MannerOf",
    ("*", ";c"): "HasContext",  # domain: topic
    ("*", ";r"): "HasContext",  # domain: region
    ("*", ";u"): "HasContext",  # domain: usage; ConceptNet leaves it out
    ("*", ">"): "Causes",
    ("*", "*"): "Entails",
    ("*", "#p"): "PartOf",
    ("*", "!"): "Antonym",
    ("*", "&"): "SimilarTo",
    ("*", "+"): "DerivedFrom",
    ("*", "^"): "RelatedTo",  # see also
    ("*", "\\"): "RelatedTo",  # pertainym
}
"""The relation of a pointer, by part of speech of the synset it starts from (`*`: any) and pointer symbol."""

SYNONYM = "Synonym"
RELATIONS = (*dict.fromkeys(POINTERS.values()), SYNONYM)
"""Bit r of an edge's mask stands for `RELATIONS[r]`."""

_SINGLE = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")
_SYNTACTIC_MARKER = re.compile(r"\((?:a|p|ip)\)$")


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer of a synset; word numbers count from 1, and 0 stands for the whole synset."""

    symbol: str
    target: tuple[str, str]
    source_word: int
    target_word: int


@dataclass(frozen=True, slots=True)
class Synset:
    """A set of synonyms with its pointers."""

    part: str
    words: tuple[str, ...]
    pointers: tuple[Pointer, ...]


def read_synsets(folder: Path) -> dict[tuple[str, str], Synset]:
    """Return the synsets of a WordNet folder, by file and offset (format: wndb(5WN))."""
    found = {}
    for part, name in FILES.items():
        with (folder / name).open(encoding="ascii") as stream:
            for line in stream:
                if not line.startswith(" "):
                    offset, synset = parse_synset(line, part)
                    found[part, offset] = synset
    return found


def parse_synset(line: str, part: str) -> tuple[str, Synset]:
    """Return the offset and the synset of one line of a data file."""
    fields = line.partition("|")[0].split()
    count = int(fields[3], 16)
    words = tuple(_SYNTACTIC_MARKER.sub("", w).lower() for w in fields[4 : 4 + 2 * count : 2])
    at = 4 + 2 * count
    pointers = []
    for start in range(at + 1, at + 1 + 4 * int(fields[at]), 4):
        symbol, offset, target_part, ends = fields[start : start + 4]
        # Satellite adjectives (s) lie in the file of the adjectives.
        target = ("a" if target_part == "s" else target_part, offset)
        pointers.append(Pointer(symbol, target, *divmod(int(ends, 16), 256)))
    return fields[0], Synset(part, words, tuple(pointers))


def edges(synsets: dict[tuple[str, str], Synset]) -> Iterator[tuple[str, str, int]]:
    """Yield every edge as two lemmas and the number of the relation; edges may come twice."""
    for synset in synsets.values():
        for pointer in synset.pointers:
            relation = POINTERS.get((synset.part, pointer.symbol), POINTERS.get(("*", pointer.symbol)))
            if relation is None:
                continue
            target = synsets[pointer.target]
            for head in chosen(synset.words, pointer.source_word):
                for tail in chosen(target.words, pointer.target_word):
                    yield head, tail, RELATIONS.index(relation)
        for head in synset.words:
            for tail in synset.words:
                # Both directions would say the same twice.
                if head < tail:
                    yield head, tail, RELATIONS.index(SYNONYM)


def chosen(words: tuple[str, ...], number: int) -> tuple[str, ...]:
    """Return the word that a pointer names, or all where it names none."""
    return (words[number - 1],) if number else words


def build(folder: Path) -> dict[str, np.ndarray]:
    """Return the lexicon's arrays.

    Returns:
        `words` and `relations`: UTF-8 bytes, one entry a line. Words are sorted.
        `start` (W+1,): where each word's edges start. `tail` (E,): the other word, sorted for each word.
        `mask` (E,): the relations that lead from the word to `tail`, as bits.
    """
    masks: dict[tuple[str, str], int] = {}
    for head, tail, relation in edges(read_synsets(folder)):
        if head != tail and _SINGLE.fullmatch(head) and _SINGLE.fullmatch(tail):
            masks[head, tail] = masks.get((head, tail), 0) | 1 << relation
    words = sorted({word for pair in masks for word in pair})
    number = {word: i for i, word in enumerate(words)}
    rows = np.array(sorted((number[h], number[t], m) for (h, t), m in masks.items()), dtype=np.int64)
    start = np.searchsorted(rows[:, 0], np.arange(len(words) + 1))
    return {
        "words": as_bytes(words),
        "relations": as_bytes(RELATIONS),
        "start": start.astype("<i4"),
        "tail": rows[:, 1].astype("<i4"),
        "mask": rows[:, 2].astype("<u2"),
    }


def as_bytes(lines: list[str] | tuple[str, ...]) -> np.ndarray:
    """Return lines as an array of UTF-8 bytes."""
    return np.frombuffer("\n".join(lines).encode(), dtype=np.uint8)


def pack(arrays: dict[str, np.ndarray]) -> bytes:
    """Return the arrays as an npz file that holds no time of day, as `np.savez` might."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3
            content = io.BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            archive.writestr(member, content.getvalue(), compresslevel=9)
    return buffer.getvalue()


def main() -> int:
    """Build the lexicon and say what it holds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"), help="folder with data.noun …")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the npz file to write")
    options = parser.parse_args()
    missing = [name for name in FILES.values() if not (options.wordnet / name).is_file()]
    if missing:
        print(
            f"{options.wordnet}: no {', '.join(missing)} (install wordnet-base, or give --wordnet)",
            file=sys.stderr,
        )
        return 3
    arrays = build(options.wordnet)
    content = pack(arrays)
    part = options.output.with_name(f".{options.output.name}.part")
    part.write_bytes(content)
    part.replace(options.output)
    print(f"{len(arrays['start']) - 1:,} words, {len(arrays['tail']):,} edges")
    for bit, relation in enumerate(RELATIONS):
        print(f"  {relation:12} {int((arrays['mask'] >> bit & 1).sum()):,}")
    print(f"{len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
